"""One open device node: ioctl, mmap, and calls that may block, in threads with a deadline.

Responsible for the file descriptor's life: a call that missed its deadline keeps running in its thread, and
the descriptor is closed only when that has returned, so that its number never belongs to another file by
then. Never interprets what passes through it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import trio

from drivers.errors import DeviceBusyError, DeviceTimeoutError, DriverError, os_errors
from drivers.system.blocking import BlockingCalls

CALL_DEADLINE_S: Final = 8.0
"""USB devices are given 5 s by the kernel to start or stop streaming; its own error is the better one."""

CLOSE_DEADLINE_S: Final = 3.0
"""Closing takes milliseconds; it delays the end of the appliance, which must not wait for a broken device."""

HOLDERS_DEADLINE_S: Final = 2.0
"""Reading /proc takes milliseconds; naming who holds a device is not worth waiting longer."""


class Node(Protocol):
    """What the code above needs of an open device; tests put a kernel of their own behind it."""

    @property
    def path(self) -> Path:
        """The device node."""
        ...

    def fileno(self) -> int:
        """The descriptor, to wait for it."""
        ...

    def ioctl(self, request: int, argument: ctypes.Structure | ctypes.c_uint32) -> None:
        """Perform a request, which may change *argument*. May block. Raises OSError."""
        ...

    def map(self, offset: int, length: int) -> mmap.mmap:
        """Map a buffer of the device, read-only. Raises OSError."""
        ...

    async def run[T](self, call: Callable[[], T]) -> T:
        """Return what *call*, which uses this node and may block, returns. Raises DriverError."""
        ...

    async def aclose(self) -> None:
        """Close it."""
        ...


class DeviceNode:
    """A node of the kernel."""

    def __init__(self, path: Path, fd: int) -> None:
        """Own the descriptor *fd*, opened non-blocking."""
        self._path = path
        self._fd = fd
        self._lock = threading.Lock()
        self._in_use = 0
        self._closing = False
        # Two: the one call that is made at a time, and the one that stops the device after it hung.
        self._calls = BlockingCalls(threads=2, deadline_s=CALL_DEADLINE_S)
        # Apart, since all of the others may hang.
        self._closes = BlockingCalls(threads=1, deadline_s=CLOSE_DEADLINE_S)

    @property
    def path(self) -> Path:
        """The device node."""
        return self._path

    def fileno(self) -> int:
        """The descriptor, to wait for it."""
        return self._fd

    def ioctl(self, request: int, argument: ctypes.Structure | ctypes.c_uint32) -> None:
        """Perform a request; see `Node.ioctl`. A request interrupted by a signal is repeated."""
        with self._use() as fd:
            while True:
                try:
                    fcntl.ioctl(fd, request, argument, True)
                except InterruptedError:
                    continue
                return

    def map(self, offset: int, length: int) -> mmap.mmap:
        """Map a buffer of the device, read-only; see `Node.map`."""
        with self._use() as fd:
            return mmap.mmap(
                fd, length, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=offset, trackfd=False
            )

    async def run[T](self, call: Callable[[], T]) -> T:
        """Run *call* in a thread; see `Node.run`.

        Raises DeviceTimeoutError after the deadline, DeviceBusyError that names the processes that have the
        node open, and the DriverError that fits any other OSError.
        """
        try:
            return await self._calls.run(str(self._path), call)
        except DeviceBusyError as exc:
            raise DeviceBusyError(f"{exc}{await self._held_by()}") from exc

    async def aclose(self) -> None:
        """Close the node, in a thread: the last close of a USB camera talks to it."""
        # Shielded: a cancelled capture must leave the device free for the next one. A close that hangs is
        # left to its thread.
        with trio.move_on_after(CLOSE_DEADLINE_S, shield=True):
            await self._closes.run(str(self._path), self._close)

    def _close(self) -> None:
        with self._lock:
            if self._closing:
                return
            self._closing = True
            last = not self._in_use
        if last:
            os.close(self._fd)

    @contextmanager
    def _use(self) -> Iterator[int]:
        with self._lock:
            if self._closing:
                raise OSError(errno.ENODEV, "the device has been closed")
            self._in_use += 1
        try:
            yield self._fd
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._in_use -= 1
            last = self._closing and not self._in_use
        if last:
            os.close(self._fd)

    async def _held_by(self) -> str:
        try:
            names = await BlockingCalls(threads=1, deadline_s=HOLDERS_DEADLINE_S).run(
                "/proc", partial(holders, self._path)
            )
        except DeviceTimeoutError:
            return ""
        return f" - it is in use by {', '.join(names)}" if names else ""


async def open_node(path: Path) -> Node:
    """Open a device node for reading, writing and control, without waiting for data.

    Raises DriverError: DeviceGoneError if there is none; a lack of permission says which group helps.
    """
    lock, arrived, abandoned = threading.Lock(), list[int](), False

    def opened() -> DeviceNode:
        try:
            fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            raise DriverError(f"{path}: expected to be let in - add the user to the group video") from None
        with lock:
            arrived.append(fd)
            if abandoned:
                os.close(fd)
        return DeviceNode(path, fd)

    try:
        return await BlockingCalls(threads=1, deadline_s=CALL_DEADLINE_S).run(str(path), opened)
    except BaseException:
        # The thread may have opened it in spite of our being cancelled, or may do so yet.
        with lock:
            abandoned = True
            for fd in arrived:
                os.close(fd)
        raise


def holders(path: Path, proc: Path = Path("/proc")) -> list[str]:
    """Return the other processes that have *path* open, as "name (pid 1)"; of those that we may look at.

    Blocking. What ends or hides while we look is left out.
    """
    target, found = os.path.realpath(path), []
    for directory in sorted(proc.glob("[0-9]*")):
        if directory.name == str(os.getpid()):
            continue
        try:
            if any(str(descriptor.readlink()) == target for descriptor in (directory / "fd").iterdir()):
                found.append(f"{(directory / 'comm').read_text().strip()} (pid {directory.name})")
        except OSError:
            continue
    return found


@contextmanager
def node_errors(node: Node, doing: str) -> Iterator[None]:
    """Turn an OSError of the body into the DriverError that names the node and what was done."""
    with os_errors(f"{node.path}: {doing}"):
        yield
