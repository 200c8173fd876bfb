"""Waiting for POLLPRI, which Trio's own `wait_readable` does not watch.

sysfs attributes that notify (the UDC's `state`) and V4L2 events (a change of the source) say so by POLLPRI.
An epoll instance of our own watches for that and is itself readable when there is news, which Trio can wait
for. Never reads the file: whoever waits does, and for sysfs must, from its start, or it stays ready.
Sources: epoll(7) on nesting, Documentation/filesystems/sysfs.rst, V4L2's VIDIOC_DQEVENT.
"""

from __future__ import annotations

import select
from typing import Self

import trio

from drivers.errors import os_errors


class PriorityReadiness:
    """Watches one open file; a context manager, which closes the watch and not the file."""

    def __init__(self, fd: int) -> None:
        """Watch *fd*. Raises DriverError if the kernel cannot poll that file."""
        self._epoll = select.epoll()
        try:
            with os_errors(f"watching file descriptor {fd}"):
                self._epoll.register(fd, select.EPOLLPRI)
        except BaseException:
            self._epoll.close()
            raise

    async def wait(self) -> None:
        """Wait until there is news, or the device is in error. One task at a time."""
        await trio.lowlevel.wait_readable(self._epoll.fileno())

    def close(self) -> None:
        """Stop watching."""
        self._epoll.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
