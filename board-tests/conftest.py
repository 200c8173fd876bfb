"""The boards that one suite of behaviour is run against: what holds for one holds for all.

On any machine: `emulated` and `qemu`. Inside the rig: `rig`, the same drivers as on a real board. With
`--board NAME`: that board on the bench, whose target will be switched on and off; nobody sees what its target
sees, so tests that ask for that are skipped and say so.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from observers.of_emulated import EmulatedView
from observers.of_qemu import QemuView
from observers.view import TargetView

from drivers.emulated.pc import EmulatedPc
from drivers.qemu.machine import QemuMachine
from firmware.board_needs import board_needs
from firmware.boards.board import Board
from firmware.boards.data import read_board
from firmware.boards.load import compose_board
from firmware.core.supervise import Supervisor, TaskPhase
from firmware.settings import load

START_DEADLINE_S = 30
INSIDE_THE_RIG = "FARHAND_RIG" in os.environ


@dataclass
class Bench:
    """A board whose tasks run, and the view from its target, if anybody has it."""

    board: Board
    view: TargetView | None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--board", help="run against this board on the bench: its target is switched on and off")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bench" not in metafunc.fixturenames:
        return
    named = metafunc.config.getoption("--board")
    if named is not None:
        boards = [named]
    elif INSIDE_THE_RIG:
        boards = ["rig"]
    else:
        boards = ["emulated", pytest.param("qemu", marks=pytest.mark.qemu)]
    metafunc.parametrize("bench", boards, indirect=True)


@pytest.fixture
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """A board whose own tasks run, and whose target is off."""
    name: str = request.param
    data = read_board(name)
    needs = board_needs(load(tmp_path, base=data.settings))
    async with AsyncExitStack() as stack:
        view: TargetView | None = None
        if name == "rig":
            # Only inside the rig are there modules to load.
            from observers import of_rig  # noqa: PLC0415
            from peers import rig_pc  # noqa: PLC0415

            pc = await stack.enter_async_context(rig_pc.powered_off())
            spec = needs.gadget
            assert spec.serial is not None
            view = await stack.enter_async_context(
                of_rig.watched(pc, vendor=spec.vendor_id, product=spec.product_id, serial=spec.serial)
            )
        board = compose_board(name, data, needs)
        if isinstance(board.target, EmulatedPc):
            view = EmulatedView(board.target)
        elif isinstance(board.target, QemuMachine):
            view = QemuView(board.target)
        supervisor = Supervisor()
        async with trio.open_nursery() as nursery:
            for task_name, task in board.tasks.items():
                nursery.start_soon(supervisor.supervise, task_name, task)
            with trio.fail_after(START_DEADLINE_S):
                await supervisor.settled(board.tasks.keys())
            faults = {task: state.last_error for task, state in supervisor.tasks.value.items()}
            assert {state.phase for state in supervisor.tasks.value.values()} == {TaskPhase.ONLINE}, faults
            if await board.power_led.read():
                # Longer than the four seconds after which every PC cuts its power.
                await board.power_switch.pulse(4.5)
            yield Bench(board, view)
            nursery.cancel_scope.cancel()


@pytest.fixture
def board(bench: Bench) -> Board:
    """The board alone, for what its ports show by themselves."""
    return bench.board


@pytest.fixture
def view(bench: Bench) -> TargetView:
    """What the target sees; tests that ask for it are skipped where nobody can tell."""
    if bench.view is None:
        pytest.skip(f"nobody sees what the target of {bench.board.name} sees")
    return bench.view


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """Skip, with the reason, what a target cannot show."""
    from observers.view import CannotSeeError  # noqa: PLC0415 - the wrapper is the only one that wants it

    try:
        return (yield)
    except CannotSeeError as exc:
        pytest.skip(str(exc))
    except BaseExceptionGroup as group:
        if (reasons := group.subgroup(CannotSeeError)) is not None and group.split(CannotSeeError)[1] is None:
            pytest.skip(str(reasons.exceptions[0]))
        raise
