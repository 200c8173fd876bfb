"""Small helper programs that answer a question: run, read the answer, done.

For programs that only read (vcgencmd, systemctl show): a late one is killed. Never runs a shell, never passes
anything on the standard input.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import trio

from drivers.errors import DeviceTimeoutError, os_errors

COMMAND_DEADLINE_S: Final = 5.0
"""systemctl takes some 30 ms, seconds on a board that is swapping or still booting; beyond this it hangs."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a program said."""

    exit_status: int
    output: str


async def run_command(argv: Sequence[str], *, deadline_s: float = COMMAND_DEADLINE_S) -> CommandResult:
    """Run *argv* and return its exit status and standard output.

    Raises DeviceGoneError if the program is missing, DeviceTimeoutError if it is late, DriverError otherwise.
    """
    name = argv[0]
    try:
        with os_errors(name), trio.fail_after(deadline_s):
            done = await trio.run_process(
                list(argv),
                capture_stdout=True,
                stderr=subprocess.DEVNULL,
                check=False,
                deliver_cancel=_kill,
            )
    except trio.TooSlowError:
        raise DeviceTimeoutError(f"expected {name} to end within {deadline_s} s, got nothing") from None
    return CommandResult(done.returncode, done.stdout.decode("utf-8", errors="replace"))


async def _kill(process: trio.Process) -> None:
    # These programs have nothing to tidy up, and a polite signal would keep a cancelled caller waiting.
    process.kill()
