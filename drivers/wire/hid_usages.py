"""The keys and mouse buttons that the appliance can press: their names, HID usages and Linux codes.

Responsible for: one frozen table of 126 keys and one of five mouse buttons, indexed by name and by Linux
input event code. It never builds a report and never decides what is pressed.

Sources: the usages are page 0x07 (Keyboard/Keypad) of the USB-IF's HID Usage Tables 1.x; the Linux codes
are the KEY_* and BTN_* numbers of the kernel's user-space header `linux/input-event-codes.h`; the names are
the `code` values of the W3C's UI Events specification. Which keys there are follows the contract
(vectors.json `keys`, `mouse_buttons`; subsystems.md 2.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

USAGE_PAGE: Final = 0x07

_FIRST_MODIFIER_USAGE: Final = 0xE0
_LAST_MODIFIER_USAGE: Final = 0xE7


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    `usage` is its number on page 0x07, `linux_code` its KEY_* number. `modifier_bit` is its bit in byte 0 of
    the boot report, 0 for a key that travels in bytes 2 to 7. `finish_releases` tells whether a press "with
    finish" is followed by a release at once (contract subsystems.md 2.1).
    """

    name: str
    usage: int
    linux_code: int
    modifier_bit: int
    finish_releases: bool


@dataclass(frozen=True, slots=True)
class MouseButton:
    """One mouse button: its bit in byte 0 of a mouse report and its BTN_* number."""

    name: str
    report_bit: int
    linux_code: int


# Web name, usage, Linux code; in the order of the usages.
_KEY_ROWS: Final[tuple[tuple[str, int, int], ...]] = (
    # Letters.
    ("KeyA", 0x04, 30),
    ("KeyB", 0x05, 48),
    ("KeyC", 0x06, 46),
    ("KeyD", 0x07, 32),
    ("KeyE", 0x08, 18),
    ("KeyF", 0x09, 33),
    ("KeyG", 0x0A, 34),
    ("KeyH", 0x0B, 35),
    ("KeyI", 0x0C, 23),
    ("KeyJ", 0x0D, 36),
    ("KeyK", 0x0E, 37),
    ("KeyL", 0x0F, 38),
    ("KeyM", 0x10, 50),
    ("KeyN", 0x11, 49),
    ("KeyO", 0x12, 24),
    ("KeyP", 0x13, 25),
    ("KeyQ", 0x14, 16),
    ("KeyR", 0x15, 19),
    ("KeyS", 0x16, 31),
    ("KeyT", 0x17, 20),
    ("KeyU", 0x18, 22),
    ("KeyV", 0x19, 47),
    ("KeyW", 0x1A, 17),
    ("KeyX", 0x1B, 45),
    ("KeyY", 0x1C, 21),
    ("KeyZ", 0x1D, 44),
    # Digits, in the order of the keyboard.
    ("Digit1", 0x1E, 2),
    ("Digit2", 0x1F, 3),
    ("Digit3", 0x20, 4),
    ("Digit4", 0x21, 5),
    ("Digit5", 0x22, 6),
    ("Digit6", 0x23, 7),
    ("Digit7", 0x24, 8),
    ("Digit8", 0x25, 9),
    ("Digit9", 0x26, 10),
    ("Digit0", 0x27, 11),
    # Main block.
    ("Enter", 0x28, 28),
    ("Escape", 0x29, 1),
    ("Backspace", 0x2A, 14),
    ("Tab", 0x2B, 15),
    ("Space", 0x2C, 57),
    ("Minus", 0x2D, 12),
    ("Equal", 0x2E, 13),
    ("BracketLeft", 0x2F, 26),
    ("BracketRight", 0x30, 27),
    ("Backslash", 0x31, 43),
    ("Semicolon", 0x33, 39),
    ("Quote", 0x34, 40),
    ("Backquote", 0x35, 41),
    ("Comma", 0x36, 51),
    ("Period", 0x37, 52),
    ("Slash", 0x38, 53),
    ("CapsLock", 0x39, 58),
    # Function keys F1 to F12.
    ("F1", 0x3A, 59),
    ("F2", 0x3B, 60),
    ("F3", 0x3C, 61),
    ("F4", 0x3D, 62),
    ("F5", 0x3E, 63),
    ("F6", 0x3F, 64),
    ("F7", 0x40, 65),
    ("F8", 0x41, 66),
    ("F9", 0x42, 67),
    ("F10", 0x43, 68),
    ("F11", 0x44, 87),
    ("F12", 0x45, 88),
    # System keys, navigation and arrows.
    ("PrintScreen", 0x46, 99),
    ("ScrollLock", 0x47, 70),
    ("Pause", 0x48, 119),
    ("Insert", 0x49, 110),
    ("Home", 0x4A, 102),
    ("PageUp", 0x4B, 104),
    ("Delete", 0x4C, 111),
    ("End", 0x4D, 107),
    ("PageDown", 0x4E, 109),
    ("ArrowRight", 0x4F, 106),
    ("ArrowLeft", 0x50, 105),
    ("ArrowDown", 0x51, 108),
    ("ArrowUp", 0x52, 103),
    # Numeric keypad.
    ("NumLock", 0x53, 69),
    ("NumpadDivide", 0x54, 98),
    ("NumpadMultiply", 0x55, 55),
    ("NumpadSubtract", 0x56, 74),
    ("NumpadAdd", 0x57, 78),
    ("NumpadEnter", 0x58, 96),
    ("Numpad1", 0x59, 79),
    ("Numpad2", 0x5A, 80),
    ("Numpad3", 0x5B, 81),
    ("Numpad4", 0x5C, 75),
    ("Numpad5", 0x5D, 76),
    ("Numpad6", 0x5E, 77),
    ("Numpad7", 0x5F, 71),
    ("Numpad8", 0x60, 72),
    ("Numpad9", 0x61, 73),
    ("Numpad0", 0x62, 82),
    ("NumpadDecimal", 0x63, 83),
    # Keys of ISO and JIS layouts, menu, power, F13 to F24, volume (in usage order).
    ("IntlBackslash", 0x64, 86),
    ("ContextMenu", 0x65, 438),
    ("Power", 0x66, 116),
    ("F13", 0x68, 183),
    ("F14", 0x69, 184),
    ("F15", 0x6A, 185),
    ("F16", 0x6B, 186),
    ("F17", 0x6C, 187),
    ("F18", 0x6D, 188),
    ("F19", 0x6E, 189),
    ("F20", 0x6F, 190),
    ("F21", 0x70, 191),
    ("F22", 0x71, 192),
    ("F23", 0x72, 193),
    ("F24", 0x73, 194),
    ("AudioVolumeMute", 0x7F, 113),
    ("AudioVolumeUp", 0x80, 115),
    ("AudioVolumeDown", 0x81, 114),
    ("IntlRo", 0x87, 89),
    ("KanaMode", 0x88, 90),
    ("IntlYen", 0x89, 124),
    ("Convert", 0x8A, 92),
    ("NonConvert", 0x8B, 94),
    # Modifiers: E0 to E7, in the bit order of the report's first byte.
    ("ControlLeft", 0xE0, 29),
    ("ShiftLeft", 0xE1, 42),
    ("AltLeft", 0xE2, 56),
    ("MetaLeft", 0xE3, 125),
    ("ControlRight", 0xE4, 97),
    ("ShiftRight", 0xE5, 54),
    ("AltRight", 0xE6, 100),
    ("MetaRight", 0xE7, 126),
)

# Name, report bit, Linux code. "up" is BTN_BACK and "down" BTN_FORWARD, the thumb buttons.
_BUTTON_ROWS: Final[tuple[tuple[str, int, int], ...]] = (
    ("left", 0x01, 0x110),
    ("right", 0x02, 0x111),
    ("middle", 0x04, 0x112),
    ("up", 0x08, 0x116),
    ("down", 0x10, 0x115),
)

# Together with Alt this key is SysRq, which is held while other keys are pressed: it chords like a modifier.
_HELD_ON_FINISH: Final = "PrintScreen"


def _key(name: str, usage: int, linux_code: int) -> Key:
    is_modifier = _FIRST_MODIFIER_USAGE <= usage <= _LAST_MODIFIER_USAGE
    return Key(
        name=name,
        usage=usage,
        linux_code=linux_code,
        modifier_bit=1 << (usage - _FIRST_MODIFIER_USAGE) if is_modifier else 0,
        finish_releases=not is_modifier and name != _HELD_ON_FINISH,
    )


KEYS: Final[Mapping[str, Key]] = MappingProxyType({row[0]: _key(*row) for row in _KEY_ROWS})
"""Every key by its web name; names are case-sensitive."""

KEYS_BY_LINUX_CODE: Final[Mapping[int, Key]] = MappingProxyType(
    {key.linux_code: key for key in KEYS.values()}
)
"""Every key by its KEY_* number (the binary WebSocket form with flag 0x80)."""

MOUSE_BUTTONS: Final[Mapping[str, MouseButton]] = MappingProxyType(
    {row[0]: MouseButton(*row) for row in _BUTTON_ROWS}
)
"""Every mouse button by its lower-case name."""

MOUSE_BUTTONS_BY_LINUX_CODE: Final[Mapping[int, MouseButton]] = MappingProxyType(
    {button.linux_code: button for button in MOUSE_BUTTONS.values()}
)
"""Every mouse button by its BTN_* number."""
