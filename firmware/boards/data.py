"""What boards are made of, as data: one TOML file each, which may patch another one (`base`).

Only reads and checks; `firmware.boards.load` turns data into ports.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final, Literal

import msgspec

from firmware.core.errors import SetupError

_DATA: Final = files("firmware.boards")
_SUFFIX: Final = ".toml"
_BASE: Final = "base"

type Table = dict[str, object]


class EmulatedData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Data of a board whose target is emulated."""

    start_powered: bool = True


class QemuData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Data of a board whose target is a QEMU machine."""

    binary: str
    arguments: tuple[str, ...] = ()


class VideoData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a board captures: the kernel driver of its capture device."""

    driver: str
    hint: str
    """What to do if there is none, for `farhand doctor`."""
    edid: tuple[Literal["1080p60", "1080p50", "1080p30", "720p60", "720p50"], ...] = ()
    """The modes of our own EDID, most wanted first; empty = the adapter has an EDID of its own."""


class LinuxData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Data of a board that drives real kernel interfaces."""

    video: VideoData
    gpio_chip: str = ""
    """Label of the chip that has the header's lines; empty = the configured device as it is."""
    udc: str = ""
    """Shell pattern of the USB device controller's name; empty = the first found."""
    udc_hint: str = ""
    """What makes the USB port a device port, for `farhand doctor`."""
    vcgencmd: bool = False
    """Whether the firmware tells about throttling by the command in the configuration."""


class BoardData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A board's file; `settings` are configuration values at the contract's key paths."""

    description: str
    kind: Literal["emulated", "qemu", "linux"]
    demo: bool = False
    """Whether admin/admin is admitted on loopback, because there is no real machine behind it."""
    models: tuple[str, ...] = ()
    """Device-tree models that are this board; a model may go on behind it ("Rev 1.4")."""
    compatible: tuple[str, ...] = ()
    """What must be in the device tree too, such as a capture chip."""
    settings: Mapping[str, object] = msgspec.field(default_factory=dict)
    emulated: EmulatedData = EmulatedData()
    qemu: QemuData | None = None
    linux: LinuxData | None = None


def board_names() -> list[str]:
    """Return the names of the known boards."""
    names = (entry.name for entry in _DATA.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def read_board(name: str) -> BoardData:
    """Read a board's data. Raises SetupError if there is no such board."""
    if name not in board_names():
        known = ", ".join(board_names())
        raise SetupError(f"expected one of the boards {known}, got {name!r}; choose one with --board")
    return msgspec.convert(_table(name), BoardData)


def _table(name: str) -> Table:
    table: Table = tomllib.loads(_DATA.joinpath(name + _SUFFIX).read_text("utf-8"))
    base = table.pop(_BASE, None)
    return table if base is None else _patched(_table(str(base)), table)


def _patched(base: Table, patch: Table) -> Table:
    """Return *base* with the values of *patch*; tables merge, all else is replaced."""
    merged = dict(base)
    for key, value in patch.items():
        below = merged.get(key)
        merged[key] = _patched(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
