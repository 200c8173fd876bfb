"""Reports of HID devices through hidraw nodes, for devices that are asked now and then.

A node is opened for each call and closed by the thread that made it: nothing is held, so that a device can be
unplugged at any time and no call meets a number that has become another file.
Source: Documentation/hid/hidraw.rst; <linux/hidraw.h>, <asm-generic/ioctl.h>.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from drivers.errors import BadReplyError
from drivers.system.blocking import BlockingCalls

CALL_DEADLINE_S: Final = 6.0
"""The kernel gives a control transfer 5 s (USB_CTRL_GET_TIMEOUT); its own error is the better one."""

_READ_WRITE: Final = 3
_SIZE_SHIFT, _DIRECTION_SHIFT, _TYPE_SHIFT = 16, 30, 8
_SET_FEATURE: Final = 0x06
_GET_FEATURE: Final = 0x07


class HidDevice(Protocol):
    """A HID device; every report begins with its number, 0 if the device has only one.

    Everything raises DriverError; calls are made one after the other, late ones included.
    """

    async def set_feature(self, report: bytes) -> None:
        """Send a feature report."""
        ...

    async def get_feature(self, number: int, length: int) -> bytes:
        """Return feature report *number*, of *length* bytes with its number."""
        ...

    async def write(self, report: bytes) -> None:
        """Send an output report."""
        ...

    async def check(self) -> None:
        """See whether it is there."""
        ...


class HidrawNode:
    """The device behind a node such as /dev/hidraw0; implements `HidDevice`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # One, so that a call never overtakes one that hangs before it.
        self._calls = BlockingCalls(threads=1, deadline_s=CALL_DEADLINE_S)

    async def set_feature(self, report: bytes) -> None:
        """See `HidDevice.set_feature`."""
        buffer = bytearray(report)
        await self._run(lambda fd: fcntl.ioctl(fd, _request(_SET_FEATURE, len(buffer)), buffer))

    async def get_feature(self, number: int, length: int) -> bytes:
        """See `HidDevice.get_feature`."""
        buffer = bytearray(length)
        buffer[0] = number
        got = await self._run(lambda fd: fcntl.ioctl(fd, _request(_GET_FEATURE, length), buffer))
        if got != length:
            raise BadReplyError(f"expected a feature report of {length} bytes, got {got} - at {self._path}")
        return bytes(buffer)

    async def write(self, report: bytes) -> None:
        """See `HidDevice.write`."""
        await self._run(lambda fd: os.write(fd, report))

    async def check(self) -> None:
        """See `HidDevice.check`."""
        await self._run(lambda _fd: None)

    async def _run[T](self, call: Callable[[int], T]) -> T:
        return await self._calls.run(str(self._path), partial(self._opened, call))

    def _opened[T](self, call: Callable[[int], T]) -> T:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return call(descriptor)
        finally:
            os.close(descriptor)


def _request(number: int, length: int) -> int:
    """Return the ioctl of hidraw, which carries the buffer's length."""
    return _READ_WRITE << _DIRECTION_SHIFT | length << _SIZE_SHIFT | ord("H") << _TYPE_SHIFT | number
