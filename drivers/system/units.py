"""Whether services of systemd are enabled and running.

Only asks, through `systemctl show` (systemctl(1)). On a machine without systemd nothing is enabled and
nothing runs; that is an answer, not an error.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.errors import DriverError
from drivers.system.command import run_command

logger = logging.getLogger(__name__)

SYSTEMCTL: Final = ("systemctl",)
SERVICE_SUFFIX: Final = ".service"

# Characters of unit names (systemd.unit(5)) but no leading dash, which would be an option, and no glob.
_NAME: Final = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*")
_ENABLED: Final = frozenset({"enabled", "enabled-runtime"})
_STARTED: Final = frozenset({"active", "reloading", "refreshing"})


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """Whether a service starts at boot, and whether it runs now."""

    enabled: bool = False
    started: bool = False


class SystemdUnits:
    """Asks systemd; *systemctl* is the command without arguments."""

    def __init__(self, *, systemctl: Sequence[str] = SYSTEMCTL) -> None:
        self._systemctl = tuple(systemctl)
        self._is_failing = False

    async def statuses(self, names: Sequence[str]) -> dict[str, UnitStatus]:
        """Return the status of each service of *names* ("kvmd-vnc"); never raises a DriverError.

        A service that does not exist, or whose name is none, is neither enabled nor started.
        """
        statuses = dict.fromkeys(names, UnitStatus())
        asked = [name for name in statuses if _NAME.fullmatch(name)]
        if not asked:
            return statuses
        units = [name if name.endswith(SERVICE_SUFFIX) else name + SERVICE_SUFFIX for name in asked]
        try:
            result = await run_command(
                [*self._systemctl, "show", "--property=UnitFileState,ActiveState", "--", *units]
            )
        except DriverError as exc:
            self._log_failure(str(exc))
            return statuses
        answers = parse_show(result.output)
        if len(answers) != len(asked):
            self._log_failure(f"expected {len(asked)} answers of systemctl, got {len(answers)}")
            return statuses
        self._is_failing = False
        for name, answer in zip(asked, answers, strict=True):
            statuses[name] = UnitStatus(
                enabled=answer.get("UnitFileState") in _ENABLED, started=answer.get("ActiveState") in _STARTED
            )
        return statuses

    def _log_failure(self, why: str) -> None:
        # Once per outage: this is asked again and again, and a container has no systemd for all its life.
        if not self._is_failing:
            self._is_failing = True
            logger.info("systemd does not tell about its services, they are shown as stopped: %s", why)


def parse_show(output: str) -> list[Mapping[str, str]]:
    """Return the properties of each unit of an output of `systemctl show`: blocks apart by empty lines."""
    blocks = [block for block in re.split(r"\n\s*\n", output.strip()) if block]
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
