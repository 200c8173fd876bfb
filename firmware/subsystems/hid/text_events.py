"""From text to key events on a host of a given keymap (contract subsystems.md 3); no clock, no device.

Beyond the reference it types with dead keys, and puts accents that stand behind their letter (as in names of
files from a Mac) together with it. What cannot be typed is left out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from firmware.subsystems.hid.keymap import SPACE, Keymap, Stroke

SHIFT: Final = "ShiftLeft"
ALTGR: Final = "AltRight"

_FIXED: Final = {"\n": Stroke("Enter"), "\t": Stroke("Tab"), " ": Stroke(SPACE)}
# What word processors make of what was typed; shells and editors want the plain characters.
_SUBSTITUTES: Final = str.maketrans(
    {
        "\N{SINGLE LOW-9 QUOTATION MARK}": "'",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{DOUBLE LOW-9 QUOTATION MARK}": '"',
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "--",
    }
)


class KeyEvent(NamedTuple):
    """A key goes down or up."""

    key: str
    pressed: bool


def key_events(text: str, keymap: Keymap) -> Iterator[KeyEvent]:
    """Yield the events that type *text*; Shift and AltGr stay down as long as the next key wants them."""
    shift = altgr = False
    for stroke in _strokes(text.translate(_SUBSTITUTES), keymap):
        if shift != stroke.shift:
            shift = stroke.shift
            yield KeyEvent(SHIFT, shift)
        if altgr != stroke.altgr:
            altgr = stroke.altgr
            yield KeyEvent(ALTGR, altgr)
        yield KeyEvent(stroke.key, True)
        yield KeyEvent(stroke.key, False)
    if shift:
        yield KeyEvent(SHIFT, False)
    if altgr:
        yield KeyEvent(ALTGR, False)


def _strokes(text: str, keymap: Keymap) -> Iterator[Stroke]:
    for character in _characters(text, keymap):
        if character in _FIXED:
            yield _FIXED[character]
        else:
            yield from keymap.strokes_of(character)


def _characters(text: str, keymap: Keymap) -> Iterator[str]:
    """Yield the characters of *text*, with an accent that no key types put on the letter before it."""
    letter = ""
    for character in text:
        if letter and unicodedata.combining(character) and not keymap.strokes_of(character):
            composed = unicodedata.normalize("NFC", letter + character)
            if len(composed) == 1 and keymap.strokes_of(composed):
                letter = composed
            continue
        if letter:
            yield letter
        letter = character
    if letter:
        yield letter
