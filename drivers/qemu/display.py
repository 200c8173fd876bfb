"""The screen of the QEMU machine as a video source, fed by an RFB connection to QEMU's own VNC server.

Responsible for keeping the newest consistent picture and for handing it out at a constant rate, as capture
hardware does; unchanged pictures are the same bytes object. It must never ask QEMU for pictures that nobody
watches, and never hold more than the framebuffer and the newest picture.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.ports import NoSignal
from drivers.video.frame import Frame, PixelFormat
from drivers.wire.rfb import BYTES_PER_PIXEL, RfbClient, RfbEvent, RfbReady, RfbUpdated

CAPTURE_HZ = 30
"""The fastest that pictures are captured: QEMU looks for changes every 30 ms at best."""

# QEMU's VNC server answers at once; only heavy load delays it.
HANDSHAKE_DEADLINE_S = 10.0
# How long to wait before connecting again after a fault of the connection.
RECONNECT_S = 1.0
# QEMU looks for changes the more rarely the longer there were none, up to every 3 s. A new viewer makes it
# start from 30 ms again; so we show up as one this often, and when a key was pressed.
NUDGE_S = 1.0
NUDGE_AFTER_INPUT_S = 0.1
# A whole picture is sent at QEMU's next look for changes, thus after the next nudge at the latest.
PICTURE_DEADLINE_S = 5.0

_RECEIVE_BYTES = 256 << 10
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Picture:
    """A consistent copy of the framebuffer."""

    data: bytes
    width_px: int
    height_px: int
    begin: float
    end: float


class QemuDisplay:
    """The screen; implements `drivers.ports.VideoSource`. `run` has to be running for pictures to come.

    *connect* opens a connection to QEMU's VNC server.
    """

    def __init__(self, connect: Callable[[], Awaitable[trio.SocketStream]]) -> None:
        self._connect = connect
        self._lot = trio.lowlevel.ParkingLot()
        self._powered = False
        self._fault: str | None = "QEMU does not run"
        self._picture: _Picture | None = None
        self._stream_hz: list[int] = []
        self._input_time = -NUDGE_S
        self._updates = 0
        self._copies = 0
        self._nudges = 0

    @property
    def name(self) -> str:
        """What it is, for people."""
        return "QEMU display"

    def set_powered(self, powered: bool) -> None:
        """Tell whether the machine is on; a machine that is off has no signal."""
        if powered != self._powered:
            self._powered = powered
            self._picture = None
            self._lot.unpark_all()

    def input_sent(self) -> None:
        """Expect a change soon."""
        self._input_time = trio.current_time()
        self._lot.unpark_all()

    @asynccontextmanager
    async def open(
        self, *, max_fps: int, size: tuple[int, int] | None = None
    ) -> AsyncGenerator[QemuVideoStream]:
        """Start capturing; see `VideoSource.open`. The size is the guest's: *size* changes nothing."""
        del size
        await trio.lowlevel.checkpoint()
        rate_hz = min(max_fps, CAPTURE_HZ) if max_fps > 0 else CAPTURE_HZ
        self._stream_hz.append(rate_hz)
        self._lot.unpark_all()
        try:
            yield QemuVideoStream(self, rate_hz)
        finally:
            self._stream_hz.remove(rate_hz)
            if not self._stream_hz:
                # What is shown later has to be fetched then.
                self._picture = None

    def statistics(self) -> dict[str, int]:
        """Return counters: open streams, updates from QEMU, copies of the framebuffer, nudges."""
        return {
            "streams": len(self._stream_hz),
            "updates": self._updates,
            "copies": self._copies,
            "nudges": self._nudges,
        }

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the screen until cancelled; a broken connection is opened again, and the streams told."""
        # Streams may wait for the first connection; only a failed one is news.
        self._fault = None
        task_status.started()
        try:
            while True:
                try:
                    await self._follow()
                except* DriverError as group:
                    self._fail("; ".join(str(each) for each in _leaves(group)))
                    _logger.warning("the QEMU display is offline: %s", self._fault)
                await trio.sleep(RECONNECT_S)
        finally:
            self._fail("QEMU does not run")

    def now(self) -> _Picture | NoSignal | None:
        """Return what there is to see: a picture, no signal, or None while the first picture is fetched.

        Raises DeviceGoneError while there is no connection.
        """
        if self._fault is not None:
            raise DeviceGoneError(f"the QEMU display is offline: {self._fault}")
        if not self._powered:
            return _TARGET_OFF
        return self._picture

    async def changed(self) -> None:
        """Wait until something may have changed."""
        await self._lot.park()

    def _fail(self, fault: str) -> None:
        self._fault = fault
        self._picture = None
        self._lot.unpark_all()

    async def _follow(self) -> None:
        """Connect and follow the screen until the connection breaks, which raises DriverError."""
        connection = await self._open_connection()
        async with connection.stream:
            self._fault = None
            self._lot.unpark_all()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, connection)
                nursery.start_soon(self._ask, connection)

    async def _open_connection(self) -> _Connection:
        with trio.move_on_after(HANDSHAKE_DEADLINE_S):
            connection = _Connection(await self._connect())
            try:
                ready = False
                while not ready:
                    ready = any(isinstance(event, RfbReady) for event in await connection.receive())
                    await connection.send()
            except BaseException:
                await trio.aclose_forcefully(connection.stream)
                raise
            return connection
        raise DeviceTimeoutError(f"expected QEMU's VNC greeting within {HANDSHAKE_DEADLINE_S:g} s")

    async def _read(self, connection: _Connection) -> None:
        while True:
            for event in await connection.receive():
                if isinstance(event, RfbUpdated) and event.pixels:
                    self._on_update(connection)

    def _on_update(self, connection: _Connection) -> None:
        self._updates += 1
        connection.answered = True
        client = connection.client
        # A picture is copied between two updates only; if the next one has begun, its end is near.
        if self._powered and self._stream_hz and not client.in_update:
            self._copies += 1
            self._picture = _Picture(
                bytes(client.framebuffer),
                client.width_px,
                client.height_px,
                connection.update_begin,
                time.monotonic(),
            )
        self._lot.unpark_all()

    async def _ask(self, connection: _Connection) -> None:
        """Request an update whenever somebody watches, at most at the rate of the fastest stream."""
        while True:
            while not (self._stream_hz and self._powered):
                await self._lot.park()
            # Without a picture the whole one is asked for: what did not change does not come by itself.
            incremental = self._picture is not None
            connection.client.request_update(incremental=incremental)
            connection.answered = False
            asked = trio.current_time()
            await connection.send()
            if not incremental:
                # Somebody waits for it, and QEMU may have dozed off while nobody watched.
                await self._nudge()
            await self._await_answer(connection)
            # A faster stream may join meanwhile.
            while self._stream_hz and (due := asked + 1 / max(self._stream_hz)) > trio.current_time():
                with trio.move_on_at(due):
                    await self._lot.park()

    async def _await_answer(self, connection: _Connection) -> None:
        nudge_time = trio.current_time()
        while not connection.answered and self._stream_hz and self._powered:
            since_input = self._input_time > nudge_time
            wait_s = NUDGE_AFTER_INPUT_S if since_input else NUDGE_S
            with trio.move_on_at(nudge_time + wait_s) as scope:
                await self._lot.park()
            if scope.cancelled_caught:
                await self._nudge()
                nudge_time = trio.current_time()

    async def _nudge(self) -> None:
        self._nudges += 1
        await trio.aclose_forcefully(await self._connect())


_TARGET_OFF = NoSignal("target is off")


class _Connection:
    """An RFB connection: its stream, its codec, and whether the request under way was answered."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.client = RfbClient()
        self.answered = False
        self.update_begin = 0.0

    async def receive(self) -> list[RfbEvent]:
        """Wait for data and return what it completes; raises DeviceGoneError when the connection ends."""
        try:
            data = await self.stream.receive_some(_RECEIVE_BYTES)
        except trio.BrokenResourceError as exc:
            raise DeviceGoneError(f"the VNC connection broke: {exc}") from exc
        if not data:
            raise DeviceGoneError("QEMU closed its VNC connection")
        if not self.client.in_update:
            self.update_begin = time.monotonic()
        return self.client.receive(bytes(data))

    async def send(self) -> None:
        """Send what the codec has to say."""
        try:
            await self.stream.send_all(self.client.data_to_send())
        except trio.BrokenResourceError as exc:
            raise DeviceGoneError(f"the VNC connection broke: {exc}") from exc


class QemuVideoStream:
    """An open capture; implements `drivers.ports.VideoStream`."""

    def __init__(self, display: QemuDisplay, rate_hz: int) -> None:
        self._display = display
        self._interval_s = 1 / rate_hz
        self._due = trio.current_time()
        self._last: _Picture | NoSignal | None = None

    def hurry(self) -> None:
        """Do nothing: every picture is given."""

    async def next(self, unlike: Frame | None = None) -> Frame | NoSignal:  # noqa: ARG002 - changes cost nothing here
        """Return the newest picture, each at its time; see `VideoStream.next`.

        While the screen stands still, the pictures that follow each other share one bytes object.
        """
        await trio.sleep_until(self._due)
        picture = await self._picture()
        self._due = max(self._due, trio.current_time() - self._interval_s) + self._interval_s
        repeated = picture is self._last
        self._last = picture
        if isinstance(picture, NoSignal):
            return picture
        now = time.monotonic()
        return Frame(
            picture.data,
            picture.width_px,
            picture.height_px,
            picture.width_px * BYTES_PER_PIXEL,
            PixelFormat.BGRX32,
            # The same picture again is what there is to be seen now.
            now if repeated else picture.begin,
            now if repeated else picture.end,
        )

    async def _picture(self) -> _Picture | NoSignal:
        """Wait for something to return: a picture, or the news that there is none."""
        while True:
            seen = self._display.now()
            if seen is None:
                with trio.move_on_after(PICTURE_DEADLINE_S):
                    while (seen := self._display.now()) is None:
                        await self._display.changed()
                if seen is None:
                    raise DeviceTimeoutError(f"expected QEMU's picture within {PICTURE_DEADLINE_S:g} s")
            if not (isinstance(seen, NoSignal) and seen is self._last):
                return seen
            await self._display.changed()


def _leaves(group: BaseExceptionGroup[DriverError]) -> list[DriverError]:
    leaves: list[DriverError] = []
    for each in group.exceptions:
        leaves += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return leaves
