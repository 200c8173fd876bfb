"""Blocking calls in threads: reading small files of sysfs, procfs and the disk, with a deadline.

Never lets a driver that hangs behind a sysfs file hang the appliance: a call that misses its deadline is
abandoned, and the number of threads that can be lost that way is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.errors import BadReplyError, DeviceTimeoutError, os_errors

READ_DEADLINE_S: Final = 2.0
"""A file in memory answers in microseconds, a worn SD card in tenths of a second; beyond this it hangs."""

MAX_FILE_BYTES: Final = 1024 * 1024
"""Far above any file read here (/proc/stat of a large host is some 100 KiB); a bound for what is not ours."""


class BlockingCalls:
    """Runs blocking, side-effect-free calls in threads of its own.

    *threads* bounds the calls in progress, abandoned ones included: when all hang, further calls wait for
    their deadline and fail, and the threads of the rest of the appliance are not touched.
    """

    def __init__(self, *, threads: int = 2, deadline_s: float = READ_DEADLINE_S) -> None:
        self._limiter = trio.CapacityLimiter(threads)
        self._deadline_s = deadline_s

    async def run[T](self, what: str, call: Callable[[], T]) -> T:
        """Return what *call* returns. *what* names it in errors.

        Raises DeviceTimeoutError after the deadline, and the DriverError that fits an OSError.
        """
        try:
            with os_errors(what), trio.fail_after(self._deadline_s):
                # Abandoning is safe: the calls only read, and nobody sees the result of an abandoned one.
                return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"expected {what} to answer within {self._deadline_s} s, got nothing - look at the kernel log"
            ) from None

    async def read_text(self, path: Path) -> str:
        """Return the text of a file; what is not UTF-8 becomes U+FFFD.

        Raises DriverError: gone, too slow, or longer than `MAX_FILE_BYTES`.
        """
        return await self.run(str(path), partial(read_text, path))

    def statistics(self) -> dict[str, int]:
        """Return how many threads are busy (hanging ones included) and how many calls wait for one."""
        limiter = self._limiter.statistics()
        return {"threads_busy": int(limiter.borrowed_tokens), "calls_waiting": limiter.tasks_waiting}


def read_text(path: Path) -> str:
    """Read a small file, blocking. Raises OSError, or BadReplyError if it is too long."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BadReplyError(f"expected at most {MAX_FILE_BYTES} bytes, got more - at {path}")
    return data.decode("utf-8", errors="replace")
