"""The host's side of a USB keyboard and of USB mice: from report bytes to keys and movements.

Written from the boot protocol and the descriptors' field lists (HID 1.11 appendix B; contract subsystems.md
2.3), not from the code that makes the reports, so that the two check each other. Does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

KEYBOARD_REPORT_BYTES = 8
AXIS_MAX = 32767
FIRST_MODIFIER = 0xE0
CONTROL = frozenset({0xE0, 0xE4})
SHIFT = frozenset({0xE1, 0xE5})
ALT = frozenset({0xE2, 0xE6})
META = frozenset({0xE3, 0xE7})

# Usages 1 to 3 are no keys but what a keyboard says when it cannot tell which keys are down.
_FIRST_KEY = 0x04


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A key went down or up; modifiers are usages 0xE0 to 0xE7."""

    usage: int
    pressed: bool


class KeyboardDecoder:
    """Finds out what changed between one boot keyboard report and the next."""

    def __init__(self) -> None:
        self.held: frozenset[int] = frozenset()

    def feed(self, report: bytes) -> list[KeyEvent]:
        """Return the changes: releases first, then modifiers, then keys in the order of their slots."""
        if any(0 < usage < _FIRST_KEY for usage in report[2:]):  # ErrorRollOver: the keys are unknown
            return []
        modifiers = [FIRST_MODIFIER + bit for bit in range(8) if report[0] >> bit & 1]
        now = dict.fromkeys((*modifiers, *filter(None, report[2:])))
        events = [KeyEvent(usage, pressed=False) for usage in sorted(self.held.difference(now))]
        events += [KeyEvent(usage, pressed=True) for usage in now if usage not in self.held]
        self.held = frozenset(now)
        return events

    def forget(self) -> None:
        """Forget what was held, as a host does that resets the bus."""
        self.held = frozenset()


@dataclass(frozen=True, slots=True)
class PointerReport:
    """One mouse report; x and y are 0..AXIS_MAX if absolute, else movements; up and right are positive."""

    buttons: int
    x: int
    y: int
    wheel: int
    pan: int
    absolute: bool


def pointer_report_bytes(*, absolute: bool, horizontal_wheel: bool) -> int:
    """Return the length of a report."""
    return (6 if absolute else 4) + horizontal_wheel


def decode_pointer(report: bytes, *, absolute: bool) -> PointerReport:
    """Decode a report of one of the lengths of `pointer_report_bytes`.

    Positions above the descriptor's maximum (the Windows 98 mode of the contract) are at the edge.
    """
    axis_bytes = 2 if absolute else 1

    def axis(at: int) -> int:
        return int.from_bytes(report[at : at + axis_bytes], "little", signed=not absolute)

    x, y = axis(1), axis(1 + axis_bytes)
    if absolute:
        x, y = min(x, AXIS_MAX), min(y, AXIS_MAX)
    wheels = report[1 + 2 * axis_bytes :]
    wheel = int.from_bytes(wheels[:1], "big", signed=True)
    pan = int.from_bytes(wheels[1:2], "big", signed=True)
    return PointerReport(report[0], x, y, wheel, pan, absolute)
