"""HID report descriptors of the keyboard and the mice that the target sees.

Built item by item from the contract's subsystems.md 2.3. Item coding: USB HID 1.11, 6.2.2; usages: HID Usage
Tables 1.4. No report ids, so that every report is exactly the bytes of the contract.
"""

from __future__ import annotations

from typing import Final

# Global, local and main items, as the upper six bits of the prefix (HID 1.11, 6.2.2.4 to 6.2.2.8).
USAGE_PAGE: Final = 0x04
LOGICAL_MINIMUM: Final = 0x14
LOGICAL_MAXIMUM: Final = 0x24
REPORT_SIZE: Final = 0x74
REPORT_COUNT: Final = 0x94
USAGE: Final = 0x08
USAGE_MINIMUM: Final = 0x18
USAGE_MAXIMUM: Final = 0x28
INPUT: Final = 0x80
OUTPUT: Final = 0x90
COLLECTION: Final = 0xA0
END_COLLECTION: Final = 0xC0

_SIGNED: Final = frozenset({LOGICAL_MINIMUM, LOGICAL_MAXIMUM})

PAGE_GENERIC_DESKTOP: Final = 0x01
PAGE_KEYBOARD: Final = 0x07
PAGE_LEDS: Final = 0x08
PAGE_BUTTON: Final = 0x09
PAGE_CONSUMER: Final = 0x0C

USAGE_POINTER: Final = 0x01
USAGE_MOUSE: Final = 0x02
USAGE_KEYBOARD: Final = 0x06
USAGE_X: Final = 0x30
USAGE_Y: Final = 0x31
USAGE_WHEEL: Final = 0x38
USAGE_AC_PAN: Final = 0x0238

PHYSICAL: Final = 0x00
APPLICATION: Final = 0x01

DATA_ARRAY: Final = 0x00
CONSTANT: Final = 0x01
DATA_VARIABLE_ABSOLUTE: Final = 0x02
DATA_VARIABLE_RELATIVE: Final = 0x06

KEYBOARD_REPORT_BYTES: Final = 8


def item(prefix: int, value: int | None = None) -> bytes:
    """Return a short item with the least data bytes that hold *value* (HID 1.11, 6.2.2.2)."""
    if value is None:
        return bytes((prefix,))
    for code, size in ((1, 1), (2, 2), (3, 4)):
        low, high = (-(1 << size * 8 - 1), 1 << size * 8 - 1) if prefix in _SIGNED else (0, 1 << size * 8)
        if low <= value < high:
            return bytes((prefix | code,)) + value.to_bytes(size, "little", signed=value < 0)
    raise ValueError(f"expected an item value of at most 32 bits, got {value}")


def _items(*pairs: tuple[int, int] | tuple[int]) -> bytes:
    return b"".join(item(*pair) for pair in pairs)


def keyboard_descriptor() -> bytes:
    """Return the boot keyboard's: modifiers, a reserved byte, six key usages 0..255; five LEDs out."""
    return _items(
        (USAGE_PAGE, PAGE_GENERIC_DESKTOP),
        (USAGE, USAGE_KEYBOARD),
        (COLLECTION, APPLICATION),
        # Byte 0: one bit for each modifier.
        (USAGE_PAGE, PAGE_KEYBOARD),
        (USAGE_MINIMUM, 0xE0),
        (USAGE_MAXIMUM, 0xE7),
        (LOGICAL_MINIMUM, 0),
        (LOGICAL_MAXIMUM, 1),
        (REPORT_SIZE, 1),
        (REPORT_COUNT, 8),
        (INPUT, DATA_VARIABLE_ABSOLUTE),
        # Byte 1: reserved.
        (REPORT_SIZE, 8),
        (REPORT_COUNT, 1),
        (INPUT, CONSTANT),
        # Output byte: Num Lock, Caps Lock, Scroll Lock, Compose, Kana, and three bits of padding.
        (USAGE_PAGE, PAGE_LEDS),
        (USAGE_MINIMUM, 1),
        (USAGE_MAXIMUM, 5),
        (REPORT_SIZE, 1),
        (REPORT_COUNT, 5),
        (OUTPUT, DATA_VARIABLE_ABSOLUTE),
        (REPORT_SIZE, 3),
        (REPORT_COUNT, 1),
        (OUTPUT, CONSTANT),
        # Bytes 2 to 7: the keys that are down.
        (USAGE_PAGE, PAGE_KEYBOARD),
        (USAGE_MINIMUM, 0),
        (USAGE_MAXIMUM, 255),
        # The minimum is 0 still. Said again, the whole would be exactly one packet of 64 bytes, which the
        # kernel's usbip-vudc never finishes sending: the next control transfer then crashes it.
        (LOGICAL_MAXIMUM, 255),
        (REPORT_SIZE, 8),
        (REPORT_COUNT, 6),
        (INPUT, DATA_ARRAY),
        (END_COLLECTION,),
    )


def pointer_descriptor(*, absolute: bool, horizontal_wheel: bool) -> bytes:
    """Return a mouse's: eight buttons, X and Y, the wheel and, if wanted, AC Pan.

    Application(Mouse) holds Physical(Pointer), which some hosts insist on.
    """
    axes: tuple[tuple[int, int], ...]
    if absolute:
        axes = (
            (LOGICAL_MINIMUM, 0),
            (LOGICAL_MAXIMUM, 32767),
            (REPORT_SIZE, 16),
            (REPORT_COUNT, 2),
            (INPUT, DATA_VARIABLE_ABSOLUTE),
        )
    else:
        axes = (
            (LOGICAL_MINIMUM, -127),
            (LOGICAL_MAXIMUM, 127),
            (REPORT_SIZE, 8),
            (REPORT_COUNT, 2),
            (INPUT, DATA_VARIABLE_RELATIVE),
        )
    pan = _items(
        (USAGE_PAGE, PAGE_CONSUMER),
        (USAGE, USAGE_AC_PAN),
        (LOGICAL_MINIMUM, -127),
        (LOGICAL_MAXIMUM, 127),
        (REPORT_SIZE, 8),
        (REPORT_COUNT, 1),
        (INPUT, DATA_VARIABLE_RELATIVE),
    )
    return (
        _items(
            (USAGE_PAGE, PAGE_GENERIC_DESKTOP),
            (USAGE, USAGE_MOUSE),
            (COLLECTION, APPLICATION),
            (USAGE, USAGE_POINTER),
            (COLLECTION, PHYSICAL),
            (USAGE_PAGE, PAGE_BUTTON),
            (USAGE_MINIMUM, 1),
            (USAGE_MAXIMUM, 8),
            (LOGICAL_MINIMUM, 0),
            (LOGICAL_MAXIMUM, 1),
            (REPORT_SIZE, 1),
            (REPORT_COUNT, 8),
            (INPUT, DATA_VARIABLE_ABSOLUTE),
            (USAGE_PAGE, PAGE_GENERIC_DESKTOP),
            (USAGE, USAGE_X),
            (USAGE, USAGE_Y),
            *axes,
            (USAGE, USAGE_WHEEL),
            (LOGICAL_MINIMUM, -127),
            (LOGICAL_MAXIMUM, 127),
            (REPORT_SIZE, 8),
            (REPORT_COUNT, 1),
            (INPUT, DATA_VARIABLE_RELATIVE),
        )
        + (pan if horizontal_wheel else b"")
        + _items((END_COLLECTION,), (END_COLLECTION,))
    )


def pointer_report_bytes(*, absolute: bool, horizontal_wheel: bool) -> int:
    """Return the length of a mouse's report."""
    return (6 if absolute else 4) + horizontal_wheel
