"""Keymaps as values: which keys, with Shift or AltGr, type a character on a host of a given layout.

Responsible for turning a layout (what each key types at each level) into strokes per character, dead keys
included (contract subsystems.md 3). It reads no file and never decides in which order modifiers move.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from drivers.wire.hid_usages import KEYS

SPACE: Final = "Space"
_LEVELS: Final = 4
_DEAD_PREFIX: Final = "dead_"
_EXOTIC_KEYS: Final = frozenset({"IntlRo", "IntlYen"})


class KeymapError(Exception):
    """A layout cannot be used; the message says what is wrong where."""


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A keymap file: per key what it types by itself, with Shift, with AltGr, with both.

    Each is one character, the name of a dead key (`dead_acute`), or "" for nothing; missing ones at the end
    are nothing. Where several keys type a character, one without AltGr is used before one with it, since
    other systems know fewer of AltGr's levels than XKB does; then the one that comes first on the keyboard.
    The keys that only Japanese and Brazilian keyboards have come last.
    """

    keys: dict[str, list[str]]


type DeadKeys = Mapping[str, Sequence[str]]
"""By the name of a dead key: pairs of a character typed after it and what the host then shows."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One key, pressed and released while Shift and AltGr are down or not."""

    key: str
    shift: bool = False
    altgr: bool = False


@dataclass(frozen=True, slots=True)
class Keymap:
    """The strokes of every character that a layout can type."""

    name: str
    strokes: Mapping[str, tuple[Stroke, ...]]
    """By character; a dead key and what follows it are two strokes."""
    fallback: Mapping[str, tuple[Stroke, ...]]
    """Where the US layout has a character that this one lacks, so that Latin text works with `ru`."""
    legends: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What stands on each key, as `Layout.keys` has it."""

    def strokes_of(self, character: str) -> tuple[Stroke, ...]:
        """Return how *character* is typed, empty if it cannot be."""
        return self.strokes.get(character) or self.fallback.get(character, ())


def make_keymap(name: str, layout: Layout, dead_keys: DeadKeys, fallback: Keymap | None = None) -> Keymap:
    """Make the keymap of *layout*; what it lacks is taken of *fallback*. Raises KeymapError.

    A key that types a character directly wins over dead keys, and these over the fallback.
    """
    direct: dict[str, Stroke] = {}
    for symbol, stroke in sorted(_symbols(layout, dead_keys), key=lambda found: _rank(found[1])):
        direct.setdefault(symbol, stroke)
    strokes: dict[str, tuple[Stroke, ...]] = {
        symbol: (stroke,) for symbol, stroke in direct.items() if symbol not in dead_keys
    }
    followers = {symbol: direct[symbol] for symbol in strokes} | {" ": Stroke(SPACE)}
    for dead in (symbol for symbol in direct if symbol in dead_keys):
        for pair in dead_keys[dead]:
            base, result = pair[0], pair[1]
            if base in followers:
                strokes.setdefault(result, (direct[dead], followers[base]))
    return Keymap(name, strokes, {} if fallback is None else fallback.strokes, layout.keys)


def _rank(stroke: Stroke) -> tuple[bool, bool, int, bool]:
    """Return a sort key: the least is the stroke to use."""
    # The two keys that only Japanese and Brazilian keyboards have come last of all (vectors `print`, pt-br).
    exotic = stroke.key in _EXOTIC_KEYS
    return exotic, stroke.altgr, KEYS[stroke.key].linux_code, stroke.shift


def _symbols(layout: Layout, dead_keys: DeadKeys) -> Iterator[tuple[str, Stroke]]:
    for key, symbols in layout.keys.items():
        if key not in KEYS or KEYS[key].modifier_bit:
            raise KeymapError(f"expected the name of a key that types, got {key!r} - at keys")
        if len(symbols) > _LEVELS:
            raise KeymapError(f"expected at most {_LEVELS} symbols, got {len(symbols)} - at keys/{key}")
        for level, symbol in enumerate(symbols):
            if symbol.startswith(_DEAD_PREFIX):
                if symbol not in dead_keys:
                    raise KeymapError(f"expected the name of a dead key, got {symbol!r} - at keys/{key}")
            elif len(symbol) > 1:
                raise KeymapError(f"expected one character or a dead key, got {symbol!r} - at keys/{key}")
            if symbol:
                yield symbol, Stroke(key, shift=bool(level & 1), altgr=bool(level & 2))
