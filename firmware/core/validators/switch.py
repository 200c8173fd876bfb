"""Validators of the KVM switch's parameters (contract http.md 2.4 and 4.7)."""

from __future__ import annotations

import re
from typing import Final

from firmware.core.validators.basic import fail, stripped, valid_float

ATX_DELAY_MAX_S: Final = 10.0
NAME_MAX_CHARS: Final = 255
DEFAULT: Final = "default"
"""The word that stands for the built-in EDID or colour."""

_NAME_RAW_MAX_CHARS: Final = 512
_WORD_MAX_CHARS: Final = 64
_EDID_RAW_MAX_CHARS: Final = 1024
# One block of 128 bytes, or two.
_EDID_HEX_DIGITS: Final = frozenset({256, 512})
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX: Final = re.compile(r"[0-9A-F]+")
_COLOUR: Final = re.compile(r"[0-9A-F]{6}:[0-9A-F]{2}:[0-9A-F]{4}")


def valid_switch_port(raw: object, name: str = "port") -> float:
    """Return a port argument: N is a 0-based virtual port, U.C is 1-based unit and channel.

    Its upper range is not checked: the switch ignores ports that it does not have. A number that has no
    plain decimal form (1e-7) is refused: there is no unit and channel to read from it.
    """
    value = valid_float(raw, name, minimum=0.0)
    if "e" in repr(value):
        fail("a port such as 3 or 2.4", raw, name)
    return value


def valid_switch_port_name(raw: object, name: str = "name") -> str:
    """Return a port's name: runs of white space and control characters become one space; may be empty."""
    text = stripped(raw, name, expected="a name", max_chars=_NAME_RAW_MAX_CHARS)
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:NAME_MAX_CHARS].rstrip()


def valid_switch_edid_name(raw: object, name: str = "name") -> str:
    """Return an EDID's name: as a port's name, but not empty."""
    text = valid_switch_port_name(raw, name)
    if not text:
        fail("a name that is not empty", raw, name)
    return text


def valid_switch_edid_id(raw: object, name: str = "edid_id", *, default_allowed: bool = False) -> str:
    """Return an EDID's identifier: a UUID in lower case, or "default" where that is allowed."""
    expected = f"a UUID{' or default' if default_allowed else ''}"
    text = stripped(raw, name, expected=expected, max_chars=_WORD_MAX_CHARS).lower()
    if text == DEFAULT and default_allowed:
        return DEFAULT
    if _UUID.fullmatch(text) is None:
        fail(expected, raw, name)
    return text


def valid_switch_edid_data(raw: object, name: str = "data") -> str:
    """Return an EDID of 128 or 256 bytes as upper-case hexadecimal digits; white space in it is dropped."""
    expected = "256 or 512 hexadecimal digits"
    text = stripped(raw, name, expected=expected, max_chars=_EDID_RAW_MAX_CHARS)
    digits = "".join(text.split()).upper()
    if len(digits) not in _EDID_HEX_DIGITS or _HEX.fullmatch(digits) is None:
        fail(expected, raw, name)
    return digits


def valid_switch_colour(raw: object, name: str = "colour") -> str:
    """Return "RRGGBB:BB:TTTT" (colour, brightness, blink milliseconds) in upper case, or "default"."""
    expected = "a colour such as FFA500:BF:0028, or default"
    text = stripped(raw, name, expected=expected, max_chars=_WORD_MAX_CHARS)
    if text.lower() == DEFAULT:
        return DEFAULT
    colour = text.upper()
    if _COLOUR.fullmatch(colour) is None:
        fail(expected, raw, name)
    return colour


def valid_switch_atx_delay(raw: object, name: str = "delay") -> float:
    """Return how long a port's button is pressed, 0..10 seconds; 0 means the default."""
    return valid_float(raw, name, minimum=0.0, maximum=ATX_DELAY_MAX_S)
