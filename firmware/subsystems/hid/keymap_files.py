"""The keymaps that there are: our own, which come with the program, and the user's.

The configuration names the default keymap as a path (`kvmd/hid/keymap`): its base name selects the keymap,
and its directory, if there is one, may hold keymaps of the user's own as `NAME.toml`, in the format of ours.
Ours are always available; a user's file of the same name takes the place of ours. Files in other formats,
such as the reference's, are not looked at. The directory is read once, at the start.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec
import trio

from firmware.core.cell import Cell
from firmware.core.errors import ValidatorError
from firmware.core.validators import valid_printable_filename
from firmware.state.hid import KeymapNames, KeymapsState
from firmware.subsystems.hid.keymap import DeadKeys, Keymap, KeymapError, Layout, make_keymap

logger = logging.getLogger(__name__)

US: Final = "en-us"
MAX_OWN_FILES: Final = 64
"""More are no keymaps that a person wrote."""
MAX_FILE_BYTES: Final = 64 * 1024
"""Ours have 3 KiB."""

_DATA: Final = files("firmware.subsystems.hid")
_SUFFIX: Final = ".toml"
_DEAD_KEYS: Final = "dead_keys.toml"
_OWN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Keymaps:
    """The available keymaps by name; each of ours is read when it is first asked for."""

    def __init__(self, configured: Path) -> None:
        """Find what there is; reads files, so it belongs into a thread where anything else waits."""
        self._dead_keys = msgspec.toml.decode(
            _DATA.joinpath(_DEAD_KEYS).read_bytes(), type=dict[str, list[str]]
        )
        self._us = make_keymap(US, _our_layout(US), self._dead_keys)
        self._made: dict[str, Keymap] = {US: self._us}
        self._made |= _own_keymaps(configured.parent, self._dead_keys, self._us)
        names = sorted({*our_names(), *self._made})
        # `firmware.usable` says so where there is none of that name.
        default = configured.name if configured.name in names else US
        self.state = Cell(KeymapsState(KeymapNames(default, tuple(names))))

    @property
    def default(self) -> str:
        """The name of the keymap that is used where nobody asks for another one."""
        return self.state.value.keymaps.default

    def valid_name(self, raw: object, name: str = "keymap") -> str:
        """Return the name of an available keymap. Raises ValidatorError."""
        text = valid_printable_filename(raw, name)
        available = self.state.value.keymaps.available
        if text not in available:
            raise ValidatorError(f"expected one of {', '.join(available)}, got {text!r} - at {name}")
        return text

    async def get(self, name: str) -> Keymap:
        """Return an available keymap."""
        if name not in self._made:
            self._made[name] = await trio.to_thread.run_sync(self._ours, name)
        return self._made[name]

    def _ours(self, name: str) -> Keymap:
        return make_keymap(name, _our_layout(name), self._dead_keys, self._us)


def is_available(configured: Path) -> bool:
    """Return whether the keymap of that path is one of ours, or a file of the user's own."""
    return configured.name in our_names() or configured.with_name(configured.name + _SUFFIX).is_file()


def our_names() -> list[str]:
    """Return the names of the keymaps that come with the program."""
    names = (entry.name for entry in _DATA.joinpath("keymaps").iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def _our_layout(name: str) -> Layout:
    return msgspec.toml.decode(_DATA.joinpath("keymaps", name + _SUFFIX).read_bytes(), type=Layout)


def _own_keymaps(directory: Path, dead_keys: DeadKeys, us: Keymap) -> Mapping[str, Keymap]:
    """Read the user's keymaps; one that is broken is said, and is not available."""
    found: dict[str, Keymap] = {}
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == _SUFFIX)
    except OSError:
        # Not having any is the normal case.
        return found
    for path in paths[:MAX_OWN_FILES]:
        try:
            found[path.stem] = make_keymap(path.stem, _own_layout(path), dead_keys, us)
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError, KeymapError) as exc:
            logger.warning("the keymap %s is left out: %s", path, exc)
    return found


def _own_layout(path: Path) -> Layout:
    if not _OWN_NAME.fullmatch(path.stem):
        raise KeymapError("expected letters, digits, '.', '_' and '-' as its name")
    if not path.is_file():
        raise KeymapError("expected a regular file")
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise KeymapError(f"expected at most {MAX_FILE_BYTES} bytes, got more")
    return msgspec.toml.decode(data, type=Layout)
