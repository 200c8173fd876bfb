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


class LeftOut(NamedTuple):
    """A character that cannot be typed; *at* counts the text's characters from 0."""

    at: int
    character: str


class TextEvents:
    """Turns text that comes in pieces into events; Shift and AltGr stay down as long as they are wanted."""

    def __init__(self, keymap: Keymap) -> None:
        self._keymap = keymap
        self._shift = self._altgr = False
        # The last letter waits for the accents that may follow it.
        self._letter = ""
        self._letter_at = self._at = 0
        self.left_out: list[LeftOut] = []
        """What could not be typed so far."""

    def feed(self, text: str) -> list[KeyEvent]:
        """Take the next piece and return the events that are certain by now."""
        events: list[KeyEvent] = []
        for at, original in enumerate(text, self._at):
            events += self._fed(at, original)
        self._at += len(text)
        return events

    def _fed(self, at: int, original: str) -> Iterator[KeyEvent]:
        for character in original.translate(_SUBSTITUTES):
            if self._letter and unicodedata.combining(character) and not self._keymap.strokes_of(character):
                composed = unicodedata.normalize("NFC", self._letter + character)
                if len(composed) == 1 and self._keymap.strokes_of(composed):
                    self._letter = composed
            else:
                yield from self._typed(self._letter)
                self._letter, self._letter_at = character, at

    def end(self) -> list[KeyEvent]:
        """Return the events that are left: of the last character, and of modifiers that are still down."""
        events = [*self._typed(self._letter), *self._held(Stroke(SPACE))]
        self._letter = ""
        return events

    def _typed(self, character: str) -> Iterator[KeyEvent]:
        fixed = _FIXED.get(character)
        strokes = self._keymap.strokes_of(character) if fixed is None else (fixed,)
        # A carriage return is a half of a line's end.
        if character and not strokes and character != "\r":
            self.left_out.append(LeftOut(self._letter_at, character))
        for stroke in strokes:
            yield from self._held(stroke)
            yield KeyEvent(stroke.key, True)
            yield KeyEvent(stroke.key, False)

    def _held(self, stroke: Stroke) -> Iterator[KeyEvent]:
        """Bring the modifiers to where *stroke* wants them."""
        if self._shift != stroke.shift:
            self._shift = stroke.shift
            yield KeyEvent(SHIFT, stroke.shift)
        if self._altgr != stroke.altgr:
            self._altgr = stroke.altgr
            yield KeyEvent(ALTGR, stroke.altgr)


def key_events(text: str, keymap: Keymap) -> list[KeyEvent]:
    """Return the events that type all of *text*."""
    typing = TextEvents(keymap)
    return [*typing.feed(text), *typing.end()]
