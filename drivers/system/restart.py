"""Restarts the machine through systemd, which ends every service in order first."""

from __future__ import annotations

from typing import Final

from drivers.errors import DriverError
from drivers.system.command import run_command

REBOOT: Final = ("systemctl", "--no-block", "reboot")


async def restart_machine() -> None:
    """Ask for the restart and return before it happens. Raises DriverError."""
    result = await run_command(REBOOT)
    if result.exit_status != 0:
        raise DriverError(f"systemd does not restart the machine (exit status {result.exit_status})")
