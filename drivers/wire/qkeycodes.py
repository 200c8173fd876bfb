"""Which QKeyCode stands for which HID usage of page 0x07: a table and nothing else.

Sources: the USB-IF's HID Usage Tables 1.x and the QKeyCode enumeration of QEMU's QMP reference manual. Every
row was checked on QEMU 7.2 and 10.0: the usage that goes in is the usage that the guest fetches from QEMU's
usb-kbd (`drivers/qemu/tests/test_qemu_hid.py` checks it again).

F13 to F24 (usages 0x68 to 0x73) are missing on purpose: QEMU before 8.0 has no codes for them, and later
ones translate them into other keys (F13 arrives as F17).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


def _run(first_usage: int, codes: str) -> dict[int, str]:
    """Number *codes* consecutively."""
    return dict(enumerate(codes.split(), first_usage))


_LETTERS = _run(0x04, "a b c d e f g h i j k l m n o p q r s t u v w x y z")
_DIGITS = _run(0x1E, "1 2 3 4 5 6 7 8 9 0")
_CONTROLS = _run(0x28, "ret esc backspace tab spc")
_PUNCTUATION = _run(0x2D, "minus equal bracket_left bracket_right backslash") | _run(
    0x33, "semicolon apostrophe grave_accent comma dot slash caps_lock"
)
_FUNCTIONS = _run(0x3A, "f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12")
_NAVIGATION = _run(
    0x46, "print scroll_lock pause insert home pgup delete end pgdn right left down up num_lock"
)
_KEYPAD = _run(
    0x54,
    "kp_divide kp_multiply kp_subtract kp_add kp_enter kp_1 kp_2 kp_3 kp_4 kp_5 kp_6 kp_7 kp_8 kp_9 kp_0"
    " kp_decimal",
)
_OTHERS = {
    0x64: "less",  # the key between left Shift and Z of 102-key keyboards
    0x65: "compose",  # the context menu key; "menu" is another
    0x66: "power",
    0x7F: "audiomute",
    0x80: "volumeup",
    0x81: "volumedown",
    0x87: "ro",
    0x88: "katakanahiragana",
    0x89: "yen",
    0x8A: "henkan",
    0x8B: "muhenkan",
}
_MODIFIERS = _run(0xE0, "ctrl shift alt meta_l ctrl_r shift_r alt_r meta_r")

QKEYCODES: Final[Mapping[int, str]] = MappingProxyType(
    _LETTERS | _DIGITS | _CONTROLS | _PUNCTUATION | _FUNCTIONS | _NAVIGATION | _KEYPAD | _OTHERS | _MODIFIERS
)
"""HID usage to QKeyCode; a usage that is not here cannot be pressed in QEMU."""
