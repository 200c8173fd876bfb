"""The kernel's software watchdog: all that a watchdog card does, but that it only says when it would
reset."""

from __future__ import annotations

import time
from pathlib import Path

from peers import modules

_CLASS = Path("/sys/class/watchdog")
_IDENTITY = "Software Watchdog"
DEADLINE_S = 60.0


class Softdog:
    """The loaded module's device.

    With *nowayout* it cannot be disarmed, nor can its module be unloaded once it was armed.
    """

    def __init__(self, *, nowayout: bool = False) -> None:
        modules.load("softdog", soft_noboot=1, nowayout=int(nowayout))
        self.sysfs = next(entry for entry in _CLASS.iterdir() if self._text(entry, "identity") == _IDENTITY)
        self.node = Path("/dev", self.sysfs.name)
        if self._text(self.sysfs, "nowayout") != str(int(nowayout)):
            raise RuntimeError("softdog has been armed with nowayout by another test; boot a fresh guest")

    def is_armed(self) -> bool:
        """Whether it counts."""
        return self._text(self.sysfs, "state") == "active"

    @property
    def timeout_s(self) -> int:
        """What it counts to."""
        return int(self._text(self.sysfs, "timeout"))

    def unload(self) -> None:
        """Take it away; a device that was just closed is let go a little later."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                modules.unload("softdog")
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _text(self, entry: Path, attribute: str) -> str:
        return (entry / attribute).read_text().strip()
