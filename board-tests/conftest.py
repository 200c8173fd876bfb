"""The boards that one suite of behaviour is run against: what holds for one holds for all.

A real board joins by its name; nothing in the tests knows which one it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from firmware.boards.data import read_board
from firmware.boards.load import Board, compose_board
from firmware.core.supervise import Supervisor, TaskPhase

START_DEADLINE_S = 30


@pytest.fixture(params=["emulated", pytest.param("qemu", marks=pytest.mark.qemu)])
async def board(request: pytest.FixtureRequest) -> AsyncIterator[Board]:
    """A board whose own tasks run, and whose target is off."""
    name: str = request.param
    composed = compose_board(name, read_board(name), arguments=(), absolute_first=True)
    supervisor = Supervisor()
    async with trio.open_nursery() as nursery:
        for task_name, task in composed.tasks.items():
            nursery.start_soon(supervisor.supervise, task_name, task)
        with trio.fail_after(START_DEADLINE_S):
            await supervisor.settled(composed.tasks.keys())
        assert {state.phase for state in supervisor.tasks.value.values()} == {TaskPhase.ONLINE}
        if await composed.power_led.read():
            # Longer than the four seconds after which every PC cuts its power.
            await composed.power_switch.pulse(4.5)
        yield composed
        nursery.cancel_scope.cancel()
