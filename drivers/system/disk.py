"""How much room there is on a file system, statvfs(3)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers.system.blocking import BlockingCalls


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The size of a file system and the room left on it.

    `free_bytes` leaves out the blocks that are kept back for root.
    """

    total_bytes: int
    free_bytes: int
    is_read_only: bool

    @property
    def used_percent(self) -> float | None:
        """How full it is for us, in percent; None for a file system without a size."""
        if self.total_bytes <= 0:
            return None
        return round((self.total_bytes - self.free_bytes) * 100 / self.total_bytes, 1)


class LinuxDisks:
    """Asks file systems; one that hangs (a worn card, a network share) does not hold up the others."""

    def __init__(self) -> None:
        # Two, so that one file system that hangs leaves a thread for the other ones.
        self._calls = BlockingCalls(threads=2)

    async def space(self, path: Path) -> DiskSpace:
        """Return the room on the file system that *path* is on. Raises DriverError: gone, too slow."""
        facts = await self._calls.run(f"the file system of {path}", partial(os.statvfs, path))
        return DiskSpace(
            total_bytes=facts.f_blocks * facts.f_frsize,
            free_bytes=facts.f_bavail * facts.f_frsize,
            is_read_only=bool(facts.f_flag & os.ST_RDONLY),
        )
