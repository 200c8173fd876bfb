"""The process that encodes, as the appliance sees it: started, spoken to, watched, and killed in the end.

What it says is read all the time, so that its end is noticed at once. Its errors are `DriverError`s with its
own last words in them. It must never outlive `open_process`.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from drivers.errors import (
    BadReplyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    NotSupportedError,
    os_errors,
)
from drivers.video.h264.protocol import (
    Encode,
    Failed,
    Message,
    Opening,
    Packet,
    ProtocolError,
    Ready,
    Refused,
    Unpacker,
    Unsupported,
    pack,
)
from drivers.video.h264.settings import Settings

logger = logging.getLogger(__name__)

WORKER: Final = "drivers.video.h264.worker"

START_DEADLINE_S: Final = 30.0
"""A small board reads FFmpeg's 100 MB from a slow card; beyond this it hangs."""
PACKET_DEADLINE_S: Final = 2.0
"""Many times what a large picture takes on a small board: the codec hangs."""
END_DEADLINE_S: Final = 5.0
"""What was killed is gone at once, unless the kernel holds it in a driver: then there is nothing to wait
for."""

_RECEIVE_BYTES: Final = 1 << 16
_LINE_BYTES: Final = 1000


class EncodingProcess:
    """The running process; made by `open_process`."""

    def __init__(self, process: trio.Process, stream: trio.SocketStream) -> None:
        self._process = process
        self._stream = stream
        self._ready = trio.Event()
        # One picture is encoded at a time, and there is one packet for each.
        self._give, self._packets = trio.open_memory_channel[Packet](1)
        self._last_words = ""
        self._complained = trio.Event()
        self.codec = ""
        """The name of the codec in use, or of the one that is being tried."""
        self.trying = False
        """Whether that codec has yet to show that it works."""

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    async def ready(self) -> None:
        """Wait until it can be given pictures. Raises DeviceTimeoutError."""
        with trio.move_on_after(START_DEADLINE_S):
            await self._ready.wait()
            return
        raise DeviceTimeoutError(f"the H.264 process did not start within {START_DEADLINE_S:g} s")

    async def encode(self, wanted: Encode) -> Packet:
        """Have a picture encoded. Raises DeviceTimeoutError."""
        with trio.move_on_after(PACKET_DEADLINE_S):
            try:
                await self._stream.send_all(pack(wanted))
            except trio.BrokenResourceError:
                # It has ended: the reader is about to say how.
                await trio.sleep_forever()
            return await self._packets.receive()
        raise DeviceTimeoutError(
            f"{self.codec or 'the H.264 process'} encoded no picture within {PACKET_DEADLINE_S:g} s"
        )

    async def read(self) -> None:
        """Take what it says until it ends. Raises DriverError for how it did."""
        unpacker = Unpacker()
        try:
            while data := await self._stream.receive_some(_RECEIVE_BYTES):
                unpacker.feed(data)
                while (message := unpacker.next()) is not None:
                    self._take(message)
        except trio.BrokenResourceError:
            pass  # killed while we wrote to it
        except ProtocolError as exc:
            raise BadReplyError(f"the H.264 process: {exc}") from exc
        with trio.move_on_after(END_DEADLINE_S):
            await self._process.wait()
            await self._complained.wait()
        last_words = self._last_words or "no reason given"
        raise DeviceGoneError(f"the H.264 process ended with {self._process.returncode}: {last_words}")

    def _take(self, message: Message) -> None:
        match message:
            case Ready(version):
                logger.debug("H.264 is encoded by %s", version)
                self._ready.set()
            case Opening(name):
                self.codec, self.trying = name, True
            case Refused(reason):
                logger.debug("H.264: %s", reason)
            case Packet():
                self.trying = False
                try:
                    self._give.send_nowait(message)
                except trio.WouldBlock:
                    raise ProtocolError("a packet that nobody has asked for") from None
            case Unsupported(reason):
                raise NotSupportedError(f"there is no H.264 here: {reason}")
            case Failed(reason):
                raise DriverError(f"H.264: {reason}")
            case _:
                raise ProtocolError(f"a {type(message).__name__} is not for us")

    async def listen_to_complaints(self) -> None:
        """Keep the last line that it wrote to its standard error, where libraries complain."""
        assert self._process.stderr is not None
        line = b""
        async for part in self._process.stderr:
            *whole, line = (line + part).split(b"\n")
            for each in whole:
                if text := each.decode("utf-8", "replace").strip():
                    self._last_words = text[:_LINE_BYTES]
                    logger.debug("the H.264 process: %s", self._last_words)
            line = line[:_LINE_BYTES]
        self._complained.set()

    async def end(self) -> None:
        """Kill it and wait for its end, for a bounded time."""
        self._process.kill()
        with trio.CancelScope(shield=True), trio.move_on_after(END_DEADLINE_S) as scope:
            await self._process.wait()
        if scope.cancelled_caught:
            logger.warning("the H.264 process %d was killed and does not end: a driver holds it", self.pid)
        await self._stream.aclose()


@asynccontextmanager
async def open_process(
    settings: Settings, codecs: Sequence[str], memory_descriptor: int
) -> AsyncGenerator[EncodingProcess]:
    """Have a process meanwhile. Raises DriverError if it cannot be started, and for whatever ends it."""
    ours, theirs = socket.socketpair()
    with theirs, ours, os_errors("the H.264 process"):
        numbers = (theirs.fileno(), memory_descriptor, settings.bitrate_kbps, settings.nominal_fps)
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", WORKER, *map(str, numbers), *codecs],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(), memory_descriptor),
            # An interrupt at our terminal is for us.
            start_new_session=True,
        )
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours.dup()))
    encoding = EncodingProcess(process, stream)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(encoding.listen_to_complaints)
            nursery.start_soon(encoding.read)
            yield encoding
            nursery.cancel_scope.cancel()
    finally:
        await encoding.end()
