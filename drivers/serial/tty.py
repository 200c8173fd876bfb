"""A tty as a file: opened exclusively, raw, read and written without ever waiting, and its errors by name.

Three things of pySerial are replaced here, because in an event loop they hold up the whole program: its
write spins while the kernel's buffer is full, its `flush` waits in tcdrain(3) without a deadline when a port
closes, and its reads use select(2), which ends at descriptor 1023. It knows no event loop and no protocol.
Sources: termios(3), ioctl_tty(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import termios
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, override

import serial  # type: ignore[import-untyped]  # pySerial has no types

from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DriverError,
    NotSupportedError,
    from_os_error,
)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the line is driven. *dtr* and *rts* are the levels that the port is opened with."""

    baud_rate: int = 115200
    data_bits: Literal[5, 6, 7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    dtr: bool = True
    rts: bool = True


def tty_error(exc: OSError | termios.error, what: str) -> DriverError:
    """Name *what* failed; pySerial hides the number in the exception's context, termios in its arguments."""
    number = errno_of(exc)
    match number:
        case None:
            return DriverError(f"{what}: {exc}")
        case errno.EIO:
            return DeviceGoneError(f"{what}: it hung up; it was unplugged, or its other end was closed")
        case errno.ENOENT:
            return DeviceGoneError(f"{what}: there is no such device; is it plugged in?")
        case errno.EBUSY | errno.EAGAIN:
            return DeviceBusyError(f"{what}: another program has it open; stop that one first")
        case errno.EACCES | errno.EPERM:
            return DriverError(
                f"{what}: not permitted; the appliance's user must be in the group that owns it (dialout)"
            )
        case errno.ENOTTY:
            return NotSupportedError(f"{what}: expected a serial port, got something else")
        case _:
            return from_os_error(OSError(number, os.strerror(number)), what)


def errno_of(exc: BaseException | None) -> int | None:
    """Return the error number of *exc* or of what it came from, if there is one."""
    while exc is not None:
        if isinstance(exc, OSError) and exc.errno is not None:
            return exc.errno
        if isinstance(exc, termios.error) and exc.args and isinstance(exc.args[0], int):
            return exc.args[0]
        exc = exc.__context__
    return None


@contextmanager
def tty_errors(what: str) -> Generator[None]:
    """Turn an OSError or termios.error of the body into the DriverError that names *what*."""
    try:
        yield
    # termios.error is no OSError; pySerial's SerialException is one.
    except (OSError, termios.error) as exc:
        raise tty_error(exc, what) from exc


class Tty(serial.Serial):  # type: ignore[misc]  # an untyped base
    """pySerial's port with reads and writes that never wait, closed by its owner and not by the transport."""

    @override
    def read(self, size: int = 1, /) -> bytes:
        """Return what is there, up to *size* bytes; b"" if nothing. Raises SerialException at a hang-up."""
        assert self.fd is not None
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        # Raw ttys read 0 bytes both when there is nothing and at a hang-up: polling tells which.
        ready = poll.poll(0)
        if not ready:
            return b""
        try:
            data = os.read(self.fd, size)
        except BlockingIOError:
            return b""
        except OSError as exc:
            raise serial.SerialException(exc.errno, exc.strerror) from exc
        if not data:
            raise serial.SerialException(errno.EIO, "the port hung up")
        return data

    @override
    def write(self, data: bytes, /) -> int:
        """Give what the kernel takes at once. Raises BlockingIOError if that is nothing, SerialException."""
        assert self.fd is not None
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            raise  # The transport's way to hear that the kernel's buffer is full.
        except OSError as exc:
            raise serial.SerialException(exc.errno, exc.strerror) from exc

    @override
    def flush(self) -> None:
        """The transport calls this when it ends; there is nothing to wait for any more."""

    @override
    def close(self) -> None:
        """The transport calls this when it ends; see `release`."""

    def release(self) -> None:
        """Let go of the device; may wait for the kernel."""
        if self.fd is not None:
            # What has not left by now shall not hold up the close. Ports without the ioctl have no buffer.
            with suppress(OSError, termios.error):
                termios.tcflush(self.fd, termios.TCIOFLUSH)
            with suppress(OSError):
                fcntl.ioctl(self.fd, termios.TIOCNXCL)
        super().close()


def open_tty(path: str, settings: LineSettings) -> Tty:
    """Open the port; for a thread, since a USB adapter takes its settings by control transfers."""
    tty = Tty()
    tty.port = path
    tty.baudrate = settings.baud_rate
    tty.bytesize = settings.data_bits
    tty.parity = settings.parity
    tty.stopbits = settings.stop_bits
    # An flock, for programs that ask, and below TIOCEXCL, which the kernel enforces (except for root).
    tty.exclusive = True
    tty.dtr = settings.dtr
    tty.rts = settings.rts
    with tty_errors(f"opening the serial port {path}"):
        tty.open()
        try:
            assert tty.fd is not None
            with suppress(OSError):  # Not every tty knows it; the lock above remains.
                fcntl.ioctl(tty.fd, termios.TIOCEXCL)
        except BaseException:
            tty.release()
            raise
    return tty
