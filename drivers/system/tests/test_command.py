"""Helper programs, as real processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio.testing

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.system.command import COMMAND_DEADLINE_S, CommandResult, run_command


async def test_output_and_exit_status_are_returned() -> None:
    argv = ["sh", "-c", "echo answer; echo noise >&2; exit 3"]
    assert await run_command(argv) == CommandResult(3, "answer\n")


async def test_the_program_gets_no_input() -> None:
    assert await run_command([sys.executable, "-c", "print(len(input()))"]) == CommandResult(1, "")


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match="no-such-program"):
        await run_command([str(tmp_path / "no-such-program")])


async def test_a_file_that_is_no_program_is_a_driver_error(tmp_path: Path) -> None:
    path = tmp_path / "plain-file"
    path.touch()
    with pytest.raises(DriverError, match="plain-file"):
        await run_command([str(path)])


async def test_a_late_program_is_killed(mock_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:

        async def expire() -> None:
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(COMMAND_DEADLINE_S)

        nursery.start_soon(expire)
        # It ignores the polite signal; the call ends only once the process is gone.
        with pytest.raises(DeviceTimeoutError, match=r"expected sh to end within 5.0 s"):
            await run_command(["sh", "-c", "trap '' TERM; while :; do sleep 1000; done"])
