"""The US keyboard layout: what a key types. A table and its look-up, nothing else.

Usages are those of page 0x07 of the HID Usage Tables.
"""

from __future__ import annotations

from typing import Final

DIGIT_1: Final = 0x1E
DIGIT_2: Final = 0x1F
DIGIT_3: Final = 0x20
ENTER: Final = 0x28
ESCAPE: Final = 0x29
BACKSPACE: Final = 0x2A
TAB: Final = 0x2B
CAPS_LOCK: Final = 0x39
F2: Final = 0x3B
F10: Final = 0x43
F12: Final = 0x45
SCROLL_LOCK: Final = 0x47
HOME: Final = 0x4A
PAGE_UP: Final = 0x4B
DELETE: Final = 0x4C
END: Final = 0x4D
PAGE_DOWN: Final = 0x4E
RIGHT: Final = 0x4F
LEFT: Final = 0x50
DOWN: Final = 0x51
UP: Final = 0x52
NUM_LOCK: Final = 0x53
KEYPAD_ENTER: Final = 0x58
KEYPAD_DOT: Final = 0x63

_LETTERS: Final = {0x04 + index: letter for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}

# Plain and shifted.
_SYMBOLS: Final = {
    **{0x1E + index: pair for index, pair in enumerate(zip("1234567890", "!@#$%^&*()", strict=True))},
    0x2C: (" ", " "),
    0x2D: ("-", "_"),
    0x2E: ("=", "+"),
    0x2F: ("[", "{"),
    0x30: ("]", "}"),
    0x31: ("\\", "|"),
    0x33: (";", ":"),
    0x34: ("'", '"'),
    0x35: ("`", "~"),
    0x36: (",", "<"),
    0x37: (".", ">"),
    0x38: ("/", "?"),
    0x64: ("\\", "|"),  # the key between left Shift and Z of ISO keyboards
}

_KEYPAD: Final = {0x54: "/", 0x55: "*", 0x56: "-", 0x57: "+", 0x67: "="}

# What a keypad key types with Num Lock, and which key it is without; 5 is none.
_KEYPAD_DIGITS: Final = {
    0x59: ("1", END),
    0x5A: ("2", DOWN),
    0x5B: ("3", PAGE_DOWN),
    0x5C: ("4", LEFT),
    0x5D: ("5", None),
    0x5E: ("6", RIGHT),
    0x5F: ("7", HOME),
    0x60: ("8", UP),
    0x61: ("9", PAGE_UP),
    0x62: ("0", None),
    KEYPAD_DOT: (".", DELETE),
}


def translate(usage: int, *, shift: bool, caps_lock: bool, num_lock: bool) -> tuple[int, str]:
    """Return the usage that the key acts as, and the character that it types ("" if none)."""
    if usage in _LETTERS:
        letter = _LETTERS[usage]
        return usage, letter.upper() if shift != caps_lock else letter
    if usage in _SYMBOLS:
        return usage, _SYMBOLS[usage][shift]
    if usage in _KEYPAD:
        return usage, _KEYPAD[usage]
    if usage in _KEYPAD_DIGITS:
        digit, key = _KEYPAD_DIGITS[usage]
        # Shift turns Num Lock around, as on a PC.
        if num_lock != shift:
            return usage, digit
        return (usage if key is None else key), ""
    return (ENTER if usage == KEYPAD_ENTER else usage), ""
