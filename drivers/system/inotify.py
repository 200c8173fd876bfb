"""Watching directories for changes, inotify(7), by its system calls.

Tells that something changed in one of the watched directories and not what: whoever wants to know looks,
which is also right after the kernel's queue overflowed. It does not see changes made by other machines of a
network file system, nor mounts. Owns its descriptor, and closes it with its context.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Final, Self

import trio

from drivers.errors import DriverError, os_errors
from drivers.wire.inotify import (
    IN_ATTRIB,
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_DONT_FOLLOW,
    IN_IGNORED,
    IN_MOVE_SELF,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    IN_ONLYDIR,
    InotifyEvent,
    parse_events,
)

# Not IN_MODIFY: a file that is being written would report every piece.
_MASK: Final = (
    IN_ATTRIB
    | IN_CLOSE_WRITE
    | IN_CREATE
    | IN_DELETE
    | IN_DELETE_SELF
    | IN_MOVE_SELF
    | IN_MOVED_FROM
    | IN_MOVED_TO
    | IN_ONLYDIR
    | IN_DONT_FOLLOW
)
# Some hundred events with long names; what does not fit waits for the next read.
_READ_BYTES: Final = 64 * 1024


class DirectoryWatch:
    """Watches any number of directories; a context manager, which owns the kernel's queue."""

    def __init__(self) -> None:
        """Make the queue. Raises DriverError if the kernel gives none."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        with os_errors("inotify"):
            self._fd = _checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._watches: set[int] = set()

    def add(self, directory: Path) -> int:
        """Watch *directory* itself, not what is below it; return the number of the watch. Blocking.

        A directory that is watched already keeps its number. Raises OSError if it is gone or no directory,
        DriverError if the kernel allows no more watches.
        """
        try:
            watch = _checked(self._libc.inotify_add_watch(self._fd, os.fsencode(directory), _MASK))
        except OSError as exc:
            if exc.errno == errno.ENOSPC:
                raise DriverError(
                    "expected room for a watch of one more directory, got none"
                    " - see fs.inotify.max_user_watches"
                ) from exc
            raise
        self._watches.add(watch)
        return watch

    def keep_only(self, watches: set[int]) -> None:
        """Stop watching all others, such as a directory that was moved away."""
        for watch in self._watches - watches:
            self._libc.inotify_rm_watch(self._fd, watch)  # fails if the kernel has removed it by itself
        self._watches &= watches

    async def changed(self) -> list[InotifyEvent]:
        """Wait for changes and return what the kernel says of them; at least one. Raises DriverError."""
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            with os_errors("inotify"):
                data = os.read(self._fd, _READ_BYTES)
            # That a watch has ended is no change: what ended it is one, and was told.
            events = [event for event in parse_events(data) if not event.mask & IN_IGNORED]
            if events:
                return events

    def close(self) -> None:
        """Stop watching. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def statistics(self) -> dict[str, int]:
        """Return how many directories are watched."""
        return {"directories_watched": len(self._watches)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
