"""A serial port as a Trio byte stream, over pyserial-asyncio behind trio-asyncio.

Responsible for opening a tty exclusively and raw, for bounded buffers both ways and for saying what went
wrong with it. Owns the file descriptor, the asyncio loop and everything that runs on it: this module is the
only place with asyncio in it, and nothing of asyncio leaves it. It knows no protocol.
"""

from __future__ import annotations

import asyncio
import errno
import warnings
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, override

import trio
from serial_asyncio import SerialTransport

from drivers.errors import DeviceTimeoutError, DriverError, NotSupportedError
from drivers.serial.tty import LineSettings, Tty, errno_of, open_tty, tty_error, tty_errors

with warnings.catch_warnings():
    # trio-asyncio derives from a class that Python 3.14 drops, and does so at import.
    warnings.filterwarnings("ignore", message=r"'AbstractChildWatcher' is deprecated")
    import trio_asyncio  # type: ignore[import-untyped]  # nor has trio-asyncio

RECEIVE_BOUND_BYTES: Final = 16 * 1024
"""1.4 s of 115200 Bd. Beyond it reading pauses, and what the kernel cannot hold either is lost, as it is for
any reader that is too slow on a line without flow control."""

_RESUME_BELOW_BYTES: Final = RECEIVE_BOUND_BYTES // 2

WRITE_DEADLINE_S: Final = 2.0
"""The kernel takes a frame of these protocols at once and 4 KiB in 0.4 s of 115200 Bd; a device that has
taken nothing for this long holds the line (flow control, a dead USB adapter)."""

CLOSE_DEADLINE_S: Final = 2.0
"""close(2) of a tty may wait 30 s for output that nobody takes (`closing_wait`); it goes on in its thread."""

_SEND_BYTES: Final = 4096


class _Protocol(asyncio.Protocol):
    """The asyncio side: fills the bounded buffer and remembers how the connection ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.buffer = bytearray()
        self.failure: DriverError | None = None
        self.lost = False
        self.reading_paused = False
        self.pauses = 0
        self.received_bytes = 0
        self.writing = False
        self.news = trio.lowlevel.ParkingLot()
        self.scopes: set[trio.CancelScope] = set()
        self.transport: SerialTransport | None = None

    @override
    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.received_bytes += len(data)
        if len(self.buffer) >= RECEIVE_BOUND_BYTES and not self.reading_paused:
            assert self.transport is not None
            self.transport.pause_reading()
            self.reading_paused = True
            self.pauses += 1
        self.news.unpark_all()

    def take(self, max_bytes: int) -> bytes:
        taken = bytes(self.buffer[:max_bytes])
        del self.buffer[:max_bytes]
        if self.reading_paused and len(self.buffer) < _RESUME_BELOW_BYTES and not self.lost:
            assert self.transport is not None
            self.reading_paused = False
            self.transport.resume_reading()
        return taken

    @override
    def pause_writing(self) -> None:
        self.writing = True

    @override
    def resume_writing(self) -> None:
        self.writing = False
        self.news.unpark_all()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError):
            self.fail(tty_error(exc, f"the serial port {self.name}"))
        elif exc is not None:
            self.fail(DriverError(f"the serial port {self.name}: {exc!r}"))
        self.lost = True
        self.news.unpark_all()

    def fail(self, error: DriverError) -> None:
        if self.failure is None and not self.lost:
            self.failure = error
            for scope in self.scopes:
                scope.cancel()


class SerialPort(trio.abc.Stream):
    """An open serial port; made by `open_serial`.

    It never ends with b"": when the device goes, the methods raise DeviceGoneError. `send_all` returns when
    the kernel has all bytes. One task may send and one may receive at a time.
    """

    def __init__(self, path: str, tty: Tty, transport: SerialTransport, protocol: _Protocol) -> None:
        self.path = path
        self._tty = tty
        self._transport = transport
        self._protocol = protocol
        self._closed = False
        self._sending = False
        self._receiving = False
        self._sent_bytes = 0

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes and return up to *max_bytes* of them.

        Raises DeviceGoneError when the device goes, trio.ClosedResourceError after `aclose`,
        trio.BusyResourceError if another task receives.
        """
        if max_bytes is not None and max_bytes < 1:
            raise ValueError(f"expected max_bytes of 1 or more, got {max_bytes}")
        if self._receiving:
            raise trio.BusyResourceError(f"another task receives from {self.path}")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint()
            # What came before the device went is delivered first.
            while not self._protocol.buffer or self._closed:
                self._check()
                await self._protocol.news.park()
            return self._protocol.take(max_bytes or RECEIVE_BOUND_BYTES)
        finally:
            self._receiving = False

    @override
    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Give all of *data* to the kernel; what it has not taken when cancelled or failed is dropped.

        Raises DeviceTimeoutError if the kernel takes no more for WRITE_DEADLINE_S, and as `receive_some`.
        """
        if self._sending:
            raise trio.BusyResourceError(f"another task sends to {self.path}")
        self._sending = True
        try:
            await trio.lowlevel.checkpoint()
            # In pieces, so that the deadline is one of progress, however much there is to send.
            for first in range(0, len(data), _SEND_BYTES):
                await self._send(bytes(data[first : first + _SEND_BYTES]))
        finally:
            self._sending = False

    async def _send(self, piece: bytes) -> None:
        self._check()
        with trio.move_on_after(WRITE_DEADLINE_S) as scope:
            self._transport.write(piece)
            try:
                await self._flushed()
            finally:
                if self._protocol.writing and not self._protocol.lost:
                    self._transport.flush()
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"the serial port {self.path} took no bytes for {WRITE_DEADLINE_S:g} s")
        self._sent_bytes += len(piece)

    async def _flushed(self) -> None:
        while self._protocol.writing:
            await self._protocol.news.park()
            self._check()

    @override
    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: `send_all` leaves nothing behind, so the kernel's buffer is all there is."""
        if self._sending:
            raise trio.BusyResourceError(f"another task sends to {self.path}")
        await trio.lowlevel.checkpoint()
        self._check()

    @override
    async def aclose(self) -> None:
        """Stop; whoever waits gets trio.ClosedResourceError. The device is let go when `open_serial` ends."""
        self._close()
        await trio.lowlevel.checkpoint()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            if not self._protocol.lost:
                self._transport.abort()
            self._protocol.news.unpark_all()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError(f"the serial port {self.path} is closed")
        if self._protocol.failure is not None:
            # A new one each time, so that tracebacks do not pile up in a shared one.
            raise type(self._protocol.failure)(*self._protocol.failure.args)

    def discard_input(self) -> None:
        """Forget the bytes that have come so far, here and in the kernel. Raises DeviceGoneError."""
        self._check()
        self._protocol.take(len(self._protocol.buffer))
        with tty_errors(f"the serial port {self.path}"):
            self._tty.reset_input_buffer()

    @contextmanager
    def ends_when_lost(self) -> Generator[None]:
        """Cancel the body as soon as the device goes, and raise its DeviceGoneError from here."""
        self._check()
        with trio.CancelScope() as scope:
            self._protocol.scopes.add(scope)
            try:
                yield
            finally:
                self._protocol.scopes.remove(scope)
        if scope.cancelled_caught:
            self._check()

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Set control lines (True = asserted, which is the low level on TTL adapters).

        Raises NotSupportedError if the port has none, DeviceGoneError.
        """

        def set_them() -> None:
            if dtr is not None:
                self._tty.dtr = dtr
            if rts is not None:
                self._tty.rts = rts

        await self._control(set_them, "has no DTR and RTS lines")

    async def send_break(self, seconds: float) -> None:
        """Hold the line in the break condition. Raises NotSupportedError if the port cannot."""

        def set_break(value: bool) -> None:
            self._tty.break_condition = value

        await self._control(lambda: set_break(True), "cannot send a break")
        try:
            await trio.sleep(seconds)
        finally:
            # Shielded: a line left in break is dead. One ioctl, which the kernel bounds (USB: 5 s).
            with trio.CancelScope(shield=True):
                await self._control(lambda: set_break(False), "cannot send a break")

    async def set_baud_rate(self, baud_rate: int) -> None:
        """Change the speed for what is sent and received from now on."""

        def set_it() -> None:
            self._tty.baudrate = baud_rate

        await self._control(set_it, f"cannot do {baud_rate} Bd")

    async def _control(self, change: Callable[[], None], lacking: str) -> None:
        """Change the port's state in a thread: for USB adapters that is a control transfer.

        Not abandoned when cancelled, since the descriptor must live until it ends; the kernel bounds it.
        """
        self._check()
        try:
            with tty_errors(f"the serial port {self.path}"):
                await trio.to_thread.run_sync(change)
        except DriverError as exc:
            if errno_of(exc.__cause__) in (errno.EINVAL, errno.ENOTTY):
                raise NotSupportedError(f"the serial port {self.path} {lacking}") from exc
            raise

    def statistics(self) -> dict[str, int]:
        """Return bytes sent, received and waiting, and how often reading had to pause."""
        return {
            "sent_bytes": self._sent_bytes,
            "received_bytes": self._protocol.received_bytes,
            "waiting_bytes": len(self._protocol.buffer),
            "pauses": self._protocol.pauses,
        }


def _report_unless_ours(
    transport: SerialTransport,
) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Make an exception handler that leaves our transport's failures to `connection_lost`."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("transport") is not transport:
            loop.default_exception_handler(context)

    return handle


@asynccontextmanager
async def open_serial(path: str, settings: LineSettings | None = None) -> AsyncGenerator[SerialPort]:
    """Open the serial port at *path* for as long as the body runs.

    Raises DeviceGoneError if there is none, DeviceBusyError if another program has it, NotSupportedError if
    it is no serial port, DriverError otherwise, each saying what to do. An exception of the body comes out as
    it is.
    """
    # Not abandoned when cancelled: the descriptor would leak with its lock. Opening a tty without waiting for
    # a carrier is bounded by the kernel.
    tty = await trio.to_thread.run_sync(open_tty, path, settings or LineSettings())
    failure: Exception | None = None
    try:
        async with trio_asyncio.open_loop() as loop:
            protocol = _Protocol(path)
            transport = SerialTransport(loop, protocol, tty)
            loop.set_exception_handler(_report_unless_ours(transport))
            # Nothing is left in the transport when `send_all` returns.
            transport.set_write_buffer_limits(high=0)
            protocol.transport = transport
            port = SerialPort(path, tty, transport, protocol)
            try:
                yield port
            except Exception as exc:  # noqa: BLE001 - raised again below, outside of the loop's nurseries
                failure = exc
            finally:
                port._close()  # noqa: SLF001 - we are its maker
    finally:
        # Shielded, or a cancelled appliance would leave the device locked; bounded by the deadline.
        with trio.move_on_after(CLOSE_DEADLINE_S, shield=True):
            await trio.to_thread.run_sync(tty.release, abandon_on_cancel=True)
    if failure is not None:
        raise failure
