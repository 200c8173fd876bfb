"""Programs of the user's as channels: their exit status is all that is looked at.

Each run is bounded, and ended with everything that it started. Never a shell, never any input; what a program
prints goes nowhere, since it may be anything and of any length.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio

from drivers.errors import DeviceTimeoutError, os_errors

RUN_DEADLINE_S: Final = 30.0
"""What a program gets: enough to reach another machine, and well below what somebody would wait for."""


async def exit_status(argv: Sequence[str]) -> int:
    """Run *argv* and return its exit status, negative for a signal.

    Raises DeviceGoneError if there is no such program, DeviceTimeoutError if it runs too long, DriverError.
    """
    name = argv[0]
    with trio.move_on_after(RUN_DEADLINE_S), os_errors(name):
        done = await trio.run_process(
            list(argv),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            start_new_session=True,
            deliver_cancel=_end_all,
        )
        return done.returncode
    raise DeviceTimeoutError(f"expected {name} to end within {RUN_DEADLINE_S} s, and ended it")


async def _end_all(process: trio.Process) -> None:
    # The whole session that it leads; a polite signal would keep whoever is cancelled waiting.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
