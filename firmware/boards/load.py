"""From a board's data to its ports and driver tasks.

It never falls back to another board: one that is not known or cannot be told is a `SetupError`.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from drivers.emulated.gpio_chip import EmulatedChips
from drivers.emulated.measured_picture import Additions
from drivers.emulated.pc import EmulatedPc
from drivers.emulated.switch import EmulatedSwitch
from drivers.emulated.switch_chain import EmulatedSwitchChain
from drivers.ports import PointerPort
from drivers.qemu.machine import QemuMachine
from drivers.system.health import LinuxSensors
from drivers.wire.edid import build_edid
from firmware.boards.board import Board
from firmware.boards.data import BoardData
from firmware.boards.edid_keeper import EdidKeeper
from firmware.boards.linux import linux_board
from firmware.boards.needs import BoardNeeds
from firmware.core.errors import SetupError

ATTACH = "--attach"
"""Instead of arguments for a QEMU of our own: `-- --attach SOCKET`, for one that runs already."""


def compose_board(name: str, data: BoardData, needs: BoardNeeds) -> Board:
    """Compose the ports of *data* as *needs* wants them; starts nothing.

    Raises SetupError if the board cannot work on this machine.
    """
    if needs.arguments and data.kind != "qemu":
        given = " ".join(needs.arguments)
        raise SetupError(f"the board {name} takes no arguments of its own, got {given!r} after --")
    if data.kind == "linux":
        return linux_board(name, data, needs)
    if data.kind == "emulated":
        return _emulated(name, data, needs)
    return _qemu(name, data, needs.arguments, absolute_first=needs.absolute_first)


def _emulated(name: str, data: BoardData, needs: BoardNeeds) -> Board:
    pc = EmulatedPc(
        start_powered=data.emulated.start_powered,
        additions=Additions(time_stripe=needs.emulated_time_stripe, moving=needs.emulated_motion),
        hid_trace=needs.emulated_hid_trace,
    )
    mice = (pc.mouse_absolute, pc.mouse_relative)
    board = _board_of(name, data, pc, "board.pc", mice if needs.absolute_first else mice[::-1])
    keeper = EdidKeeper(pc.edid, needs.edid_file, own=build_edid())
    tasks = {**board.tasks, "board.edid": keeper.run}
    board = dataclasses.replace(board, edid=pc.edid, edid_keeper=keeper, tasks=tasks)
    if not needs.emulated_switch_units:
        return board
    switch = EmulatedSwitch(EmulatedSwitchChain(needs.emulated_switch_units))
    tasks = {**board.tasks, "board.switch": switch.run}
    return dataclasses.replace(board, switch=switch, emulated_switch=switch, tasks=tasks)


def _qemu(name: str, data: BoardData, arguments: Sequence[str], *, absolute_first: bool) -> Board:
    assert data.qemu is not None, f"the data of the board {name} lacks its qemu table"
    if arguments and arguments[0] == ATTACH:
        machine = QemuMachine(attach=_socket(arguments[1:]))
    elif shutil.which(data.qemu.binary) is None:
        raise SetupError(
            f"{data.qemu.binary} is not installed; install it (Debian: apt-get install qemu-system-x86)"
        )
    else:
        machine = QemuMachine(data.qemu.binary, (*data.qemu.arguments, *arguments))
    mice = (machine.absolute_pointer, machine.relative_pointer)
    return _board_of(name, data, machine, "board.qemu", mice if absolute_first else mice[::-1])


def _socket(arguments: Sequence[str]) -> Path:
    """Return the QMP socket that is to be attached to."""
    if len(arguments) != 1 or not Path(arguments[0]).is_socket():
        given = " ".join(arguments)
        raise SetupError(f"expected the QMP socket of a running QEMU after {ATTACH}, got {given!r}")
    return Path(arguments[0])


def _board_of(
    name: str,
    data: BoardData,
    target: EmulatedPc | QemuMachine,
    task_name: str,
    mice: tuple[PointerPort, PointerPort],
) -> Board:
    return Board(
        name=name,
        description=data.description,
        demo=data.demo,
        keyboard=target.keyboard,
        mouse=mice[0],
        mouse_alt=mice[1],
        power_led=target.power_led,
        hdd_led=target.hdd_led,
        power_switch=target.power_switch,
        reset_switch=target.reset_switch,
        video=target.video,
        media=target.media,
        sensors=LinuxSensors(),
        gpio_chip=EmulatedChips(),
        tasks={task_name: target.run},
        target=target,
    )
