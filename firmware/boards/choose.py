"""Which board this is: named by a person, or told by the device tree; never guessed, never emulated."""

from __future__ import annotations

from drivers.system.device_tree import DeviceTree
from firmware.boards.data import board_names, read_board
from firmware.core.errors import SetupError


def choose_board(named: str | None, device_tree: DeviceTree | None = None) -> str:
    """Return *named*, or the board that the device tree describes. Raises SetupError if there is none."""
    if named is not None:
        return named
    tree = device_tree or DeviceTree()
    return board_of_model(tree.model(), tree.compatible())


def board_of_model(model: str | None, compatible: frozenset[str]) -> str:
    """Return the board that the device tree describes: its *model* and all it is *compatible* with.

    Raises SetupError if there is none.
    """
    known = ", ".join(board_names())
    if model is None:
        raise SetupError(
            "no board is named and this machine has no device tree to tell it; "
            f"give one of {known} with --board or as farhand/board"
        )
    boards = {name: read_board(name) for name in board_names()}
    fitting = [
        name
        for name, data in boards.items()
        if any(model.startswith(start) for start in data.models) and compatible.issuperset(data.compatible)
    ]
    if not fitting:
        raise SetupError(
            f"no board is named and none is known for {model!r}; give one of {known} with --board or as "
            "farhand/board (generic is for any Linux board)"
        )
    # The one that asks for more is the better description: a capture chip that is there will be used.
    return max(fitting, key=lambda name: len(boards[name].compatible))
