from __future__ import annotations

import socket
from pathlib import Path

import pytest

from drivers.emulated.pc import EmulatedPc
from drivers.gadget.spec import GadgetSpec
from drivers.qemu.machine import QemuMachine
from firmware.boards.data import board_names, read_board
from firmware.boards.load import compose_board
from firmware.boards.needs import BoardNeeds
from firmware.core.errors import SetupError

NO_GADGET = GadgetSpec(functions=())


def test_the_boards_that_need_no_hardware() -> None:
    assert {"emulated", "qemu"} <= set(board_names())


@pytest.mark.parametrize("name", board_names())
def test_every_boards_data_is_well_formed(name: str) -> None:
    assert read_board(name).description


def test_an_unknown_board_names_the_known_ones() -> None:
    with pytest.raises(SetupError, match=r"emulated, generic, qemu"):
        read_board("nosuch")


@pytest.mark.parametrize("absolute_first", [True, False])
def test_the_first_mouse_is_the_one_that_was_asked_for(absolute_first: bool) -> None:
    data = read_board("emulated")
    board = compose_board("emulated", data, BoardNeeds(gadget=NO_GADGET, absolute_first=absolute_first))
    assert isinstance(board.target, EmulatedPc)
    assert board.mouse.absolute is absolute_first
    assert board.mouse_alt is not None
    assert board.mouse_alt.absolute is not absolute_first


def test_the_emulated_board_takes_no_arguments() -> None:
    with pytest.raises(SetupError, match="-m 512"):
        compose_board(
            "emulated", read_board("emulated"), BoardNeeds(gadget=NO_GADGET, arguments=("-m", "512"))
        )


def test_attaching_to_a_qemu_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "qmp.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        needs = BoardNeeds(gadget=NO_GADGET, arguments=("--attach", str(path)))
        board = compose_board("qemu", read_board("qemu"), needs)
    assert isinstance(board.target, QemuMachine)


@pytest.mark.parametrize("rest", [(), ("nowhere.sock",), ("a", "b")])
def test_attaching_to_nothing(rest: tuple[str, ...]) -> None:
    with pytest.raises(SetupError, match="QMP socket"):
        compose_board("qemu", read_board("qemu"), BoardNeeds(gadget=NO_GADGET, arguments=("--attach", *rest)))
