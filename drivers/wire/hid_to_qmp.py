"""From HID reports to the input events of QMP's `input-send-event`.

Responsible for finding what a report changes and for saying it in QEMU's words. Pure: it never sends
anything and keeps no state; who knows what QEMU was told last passes it in. Sources: contract subsystems.md
2.3 (reports), QEMU's QMP reference manual (InputEvent, InputButton, InputAxis).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from drivers.wire.qkeycodes import QKEYCODES
from drivers.wire.qmp import Json

KEYBOARD_REPORT_BYTES = 8
AXIS_MAX = 0x7FFF
"""The end of an absolute axis, in our reports and in QEMU alike."""

_FIRST_MODIFIER = 0xE0

# Report bit to InputButton. Back and forward are the buttons that Linux calls side and extra.
_BUTTONS = ((0x01, "left"), (0x02, "right"), (0x04, "middle"), (0x08, "side"), (0x10, "extra"))


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key going down or up, by its usage on page 0x07; modifiers are 0xE0 to 0xE7."""

    usage: int
    down: bool


def keys_of(report: bytes) -> frozenset[int]:
    """Return the usages that a keyboard report holds down, modifiers included.

    Raises ValueError if it is not 8 bytes long. The phantom codes 0x01 to 0x03 are no keys.
    """
    if len(report) != KEYBOARD_REPORT_BYTES:
        raise ValueError(f"expected a keyboard report of {KEYBOARD_REPORT_BYTES} bytes, got {len(report)}")
    modifiers = {_FIRST_MODIFIER + bit for bit in range(8) if report[0] & 1 << bit}
    return frozenset(modifiers | {usage for usage in report[2:] if usage > 0x03})


def key_changes(before: frozenset[int], after: frozenset[int]) -> list[KeyChange]:
    """Return the steps from one set of held keys to the other, in the order in which hosts read a report.

    Modifiers come first, so that a key that comes with one is typed with it; then keys that went up, then
    keys that came down.
    """
    changed = sorted(before ^ after)
    modifiers = [usage for usage in changed if usage >= _FIRST_MODIFIER]
    keys = [usage for usage in changed if usage < _FIRST_MODIFIER]
    released = [usage for usage in keys if usage in before]
    pressed = [usage for usage in keys if usage in after]
    return [KeyChange(usage, usage in after) for usage in (*modifiers, *released, *pressed)]


def key_events(changes: list[KeyChange]) -> list[Json]:
    """Say *changes* in QEMU's words; keys that QEMU does not have are left out."""
    return [
        {"type": "key", "data": {"down": change.down, "key": {"type": "qcode", "data": qcode}}}
        for change in changes
        if (qcode := QKEYCODES.get(change.usage)) is not None
    ]


@dataclass(frozen=True, slots=True)
class PointerReport:
    """A mouse report taken apart; *x* and *y* are a position if absolute, else a way."""

    buttons: int
    x: int
    y: int
    wheel_y: int
    wheel_x: int


def parse_pointer(report: bytes, *, absolute: bool) -> PointerReport:
    """Take a mouse report apart; the horizontal wheel may be missing.

    Raises ValueError if its length is not that of such a report.
    """
    head = struct.Struct("<BHH" if absolute else "<Bbb")
    if len(report) - head.size not in (1, 2):
        kind = "absolute" if absolute else "relative"
        raise ValueError(
            f"expected an {kind} report of {head.size + 1} or {head.size + 2} bytes, got {len(report)}"
        )
    buttons, x, y = head.unpack_from(report)
    wheels = struct.unpack_from(f"<{len(report) - head.size}b", report, head.size)
    return PointerReport(buttons, x, y, wheels[0], wheels[1] if len(wheels) > 1 else 0)


def pointer_events(buttons_before: int, report: PointerReport, *, absolute: bool) -> list[Json]:
    """Say *report* in QEMU's words: the motion, then changed buttons, then each step of the wheels."""
    events: list[Json] = []
    if absolute:
        # Windows 98 coordinates go up to 65534 although the axis ends at 32767: hosts clip them, so do we.
        events += [_axis("abs", "x", min(report.x, AXIS_MAX)), _axis("abs", "y", min(report.y, AXIS_MAX))]
    else:
        events += [_axis("rel", axis, way) for axis, way in (("x", report.x), ("y", report.y)) if way]
    for bit, name in _BUTTONS:
        if (buttons_before ^ report.buttons) & bit:
            events.append(_button(name, down=bool(report.buttons & bit)))
    events += _wheel(report.wheel_y, "wheel-up", "wheel-down")
    events += _wheel(report.wheel_x, "wheel-right", "wheel-left")
    return events


def _axis(kind: str, axis: str, value: int) -> Json:
    return {"type": kind, "data": {"axis": axis, "value": value}}


def _button(name: str, *, down: bool) -> Json:
    return {"type": "btn", "data": {"button": name, "down": down}}


def _wheel(steps: int, positive: str, negative: str) -> list[Json]:
    name = positive if steps > 0 else negative
    return [_button(name, down=down) for _ in range(abs(steps)) for down in (True, False)]
