"""Validators of keyboard and mouse parameters (contract http.md 4.2, websocket.md 1.5).

Key names are case-sensitive, everything else is not. Coordinates and deltas are clamped, never refused for
being out of range.
"""

from __future__ import annotations

from typing import Final

from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS
from firmware.core.validators.basic import (
    SCALAR_MAX_CHARS,
    fail,
    stripped,
    valid_choice,
    valid_clamped_int,
    valid_float,
    valid_int,
    valid_list,
)

COORD_MIN: Final = -32768
COORD_MAX: Final = 32767
DELTA_MAX: Final = 127
PRINT_DELAY_MAX_S: Final = 5.0
KEYBOARD_OUTPUTS: Final = ("usb", "ps2", "disabled")
MOUSE_OUTPUTS: Final = ("usb", "usb_win98", "usb_rel", "ps2", "disabled")

_POINTER_MAX_CHARS: Final = 8


def valid_key_name(raw: object, name: str = "key") -> str:
    """Return the name of a key of `drivers.wire.hid_usages.KEYS`; case-sensitive."""
    expected = 'a key name such as "KeyA" or "ControlLeft" (case matters)'
    text = stripped(raw, name, expected=expected, max_chars=SCALAR_MAX_CHARS)
    if text not in KEYS:
        fail(expected, raw, name)
    return text


def valid_shortcut_keys(raw: object, name: str = "keys") -> list[str]:
    """Return a list of key names in the order in which they are to be pressed; may be empty."""
    return valid_list(raw, name, item=valid_key_name)


def valid_mouse_button(raw: object, name: str = "button") -> str:
    """Return the name of a button of `drivers.wire.hid_usages.MOUSE_BUTTONS`."""
    return valid_choice(raw, name, allowed=MOUSE_BUTTONS)


def valid_coord(raw: object, name: str = "coord") -> int:
    """Return an absolute pointer coordinate, clamped to -32768..32767."""
    return valid_clamped_int(raw, name, minimum=COORD_MIN, maximum=COORD_MAX, max_chars=_POINTER_MAX_CHARS)


def valid_delta(raw: object, name: str = "delta") -> int:
    """Return a relative move or a wheel step, clamped to -127..127."""
    return valid_clamped_int(raw, name, minimum=-DELTA_MAX, maximum=DELTA_MAX, max_chars=_POINTER_MAX_CHARS)


def valid_keyboard_output(raw: object, name: str = "keyboard_output") -> str:
    """Return the name of a keyboard output."""
    return valid_choice(raw, name, allowed=KEYBOARD_OUTPUTS)


def valid_mouse_output(raw: object, name: str = "mouse_output") -> str:
    """Return the name of a mouse output."""
    return valid_choice(raw, name, allowed=MOUSE_OUTPUTS)


def valid_print_delay(raw: object, name: str = "delay") -> float:
    """Return the pause before each key event of typed text, 0..5 seconds."""
    return valid_float(raw, name, minimum=0.0, maximum=PRINT_DELAY_MAX_S)


def valid_print_limit(raw: object, name: str = "limit") -> int:
    """Return how many characters to type at most; 0 means all."""
    return valid_int(raw, name, minimum=0)
