"""Running a driver in a test until something happens to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from drivers.errors import DriverError
from firmware.core.supervise import Supervisor, TaskPhase
from peers.serial_line import DEADLINE_S, Runs, until


@asynccontextmanager
async def running(run: Runs) -> AsyncIterator[None]:
    """Run the driver while the body runs, by the deadline."""
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield
            nursery.cancel_scope.cancel()


async def fault_of(run: Runs, spoil: Callable[[], object]) -> DriverError:
    """Run the driver, spoil something once it works, and return the DriverError that it then ends with."""
    faults: list[DriverError] = []

    async def run_to_its_end(*, task_status: trio.TaskStatus[None]) -> None:
        try:
            await run(task_status=task_status)
        except DriverError as fault:
            faults.append(fault)

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(run_to_its_end)
            spoil()
    (fault,) = faults
    return fault


async def until_phase(supervisor: Supervisor, phase: TaskPhase) -> None:
    """Wait until one of the supervised tasks is in *phase*."""
    await until(lambda: any(task.phase is phase for task in supervisor.tasks.value.values()))
