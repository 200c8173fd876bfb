"""How long the machine has been running, from /proc/uptime (proc(5))."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from drivers.errors import BadReplyError
from drivers.system.blocking import BlockingCalls

PROC_UPTIME: Final = Path("/proc/uptime")


class LinuxUptime:
    """Reads the uptime."""

    def __init__(self, *, path: Path = PROC_UPTIME) -> None:
        self._path = path
        self._calls = BlockingCalls(threads=1)

    async def read_s(self) -> int:
        """Return whole seconds since boot. Raises DriverError."""
        text = await self._calls.read_text(self._path)
        try:
            return int(float(text.split()[0]))
        except (ValueError, IndexError, OverflowError):
            raise BadReplyError(f"expected seconds since boot, got {text[:64]!r} - at {self._path}") from None
