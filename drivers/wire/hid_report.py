"""Report state machines of the USB HID keyboard and mice: events in, report bytes out.

The layouts are those of the boot keyboard (USB HID 1.11, appendix B) and of the two mice in the contract's
subsystems.md 2.3; the rules that turn events into reports are its 2.4. Every method returns the reports that
the event causes, in order; no report means that nothing changed.
"""

from __future__ import annotations

import struct

from drivers.wire.hid_usages import Key, MouseButton

KEY_SLOTS = 6
COORD_MIN, COORD_MAX = -32768, 32767
DELTA_MIN, DELTA_MAX = -127, 127
_REPORT_COORD_MAX = 0x7FFF


def clamp(value: int, low: int, high: int) -> int:
    """Return *value*, or the bound that it is beyond."""
    return min(max(value, low), high)


def remap_coord(value: int, low: int, high: int) -> int:
    """Squeeze a coordinate of the full range into low..high (contract subsystems.md 2.1)."""
    return clamp((value - COORD_MIN) * (high - low) // 65535 + low, low, high)


def report_coord(value: int) -> int:
    """Return the logical 0..32767 coordinate of a report for -32768..32767 (subsystems.md 2.3)."""
    return clamp((value - COORD_MIN) * _REPORT_COORD_MAX // 65535, 0, _REPORT_COORD_MAX)


def squash_deltas(deltas: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Add up runs of deltas as long as each sum fits one report (contract websocket.md 1.5)."""
    squashed: list[tuple[int, int]] = []
    sum_x = sum_y = 0
    for dx, dy in deltas:
        if abs(sum_x + dx) > DELTA_MAX or abs(sum_y + dy) > DELTA_MAX:
            squashed.append((sum_x, sum_y))
            sum_x, sum_y = dx, dy
        else:
            sum_x, sum_y = sum_x + dx, sum_y + dy
    if (sum_x, sum_y) != (0, 0):
        squashed.append((sum_x, sum_y))
    return squashed


class KeyboardReports:
    """Keyboard state: the modifiers and six stable slots of held keys."""

    def __init__(self) -> None:
        self._modifiers = 0
        self._slots = [0] * KEY_SLOTS

    @property
    def report(self) -> bytes:
        """The 8-byte report of the present state."""
        return bytes((self._modifiers, 0, *self._slots))

    @property
    def cleared_report(self) -> bytes:
        """The report of nothing held, whatever is; the state stays."""
        return bytes(2 + KEY_SLOTS)

    @property
    def is_clear(self) -> bool:
        """Whether nothing is held."""
        return not self._modifiers and not any(self._slots)

    def holds(self, key: Key) -> bool:
        """Return whether *key* is down."""
        return bool(self._modifiers & key.modifier_bit) if key.modifier_bit else key.usage in self._slots

    def press(self, key: Key) -> list[bytes]:
        """Press *key*; a key that is already down is released first, a seventh one clears the other six."""
        reports = self.release(key)
        if key.modifier_bit:
            self._modifiers |= key.modifier_bit
        else:
            if all(self._slots):
                self._slots = [0] * KEY_SLOTS
                reports.append(self.report)
            self._slots[self._slots.index(0)] = key.usage
        reports.append(self.report)
        return reports

    def release(self, key: Key) -> list[bytes]:
        """Release *key*; it leaves a hole, so that the other keys keep their slots."""
        if not self.holds(key):
            return []
        if key.modifier_bit:
            self._modifiers &= ~key.modifier_bit
        else:
            self._slots[self._slots.index(key.usage)] = 0
        return [self.report]

    def clear(self) -> list[bytes]:
        """Release everything; the report is given even if nothing was held, since the host may think so."""
        self._modifiers = 0
        self._slots = [0] * KEY_SLOTS
        return [self.report]


class PointerReports:
    """State of one mouse, absolute or relative.

    `win98` doubles absolute coordinates, as Windows 98 expects; *horizontal_wheel* adds the AC Pan byte.
    An absolute pointer starts at the centre, because a corner is where desktops keep their hot spots.
    """

    def __init__(self, *, absolute: bool, horizontal_wheel: bool, win98: bool = False) -> None:
        self.absolute = absolute
        self._horizontal_wheel = horizontal_wheel
        self.win98 = win98
        self._buttons = 0
        self._x = self._y = 0

    @property
    def position(self) -> tuple[int, int]:
        """The last absolute position in contract coordinates."""
        return self._x, self._y

    @property
    def report(self) -> bytes:
        """The report of the present state, without motion."""
        return self._report()

    @property
    def cleared_report(self) -> bytes:
        """The report of no button held, whatever is; the state stays."""
        return self._report(buttons=0)

    def _report(
        self, dx: int = 0, dy: int = 0, wheel_x: int = 0, wheel_y: int = 0, buttons: int | None = None
    ) -> bytes:
        buttons = self._buttons if buttons is None else buttons
        if self.absolute:
            shift = 1 if self.win98 else 0
            head = struct.pack(
                "<BHH", buttons, report_coord(self._x) << shift, report_coord(self._y) << shift
            )
        else:
            head = struct.pack("<Bbb", buttons, dx, dy)
        tail = struct.pack("<bb", wheel_y, wheel_x) if self._horizontal_wheel else struct.pack("<b", wheel_y)
        return head + tail

    def move(self, x: int, y: int) -> list[bytes]:
        """Move to an absolute position; a relative mouse drops it."""
        if not self.absolute:
            return []
        self._x, self._y = clamp(x, COORD_MIN, COORD_MAX), clamp(y, COORD_MIN, COORD_MAX)
        return [self._report()]

    def relative(self, dx: int, dy: int) -> list[bytes]:
        """Move by a delta; an absolute mouse drops it."""
        if self.absolute:
            return []
        return [self._report(clamp(dx, DELTA_MIN, DELTA_MAX), clamp(dy, DELTA_MIN, DELTA_MAX))]

    def wheel(self, dx: int, dy: int) -> list[bytes]:
        """Turn the wheel; positive *dy* scrolls up."""
        wheel_x, wheel_y = clamp(dx, DELTA_MIN, DELTA_MAX), clamp(dy, DELTA_MIN, DELTA_MAX)
        return [self._report(wheel_x=wheel_x, wheel_y=wheel_y)]

    def press(self, button: MouseButton) -> list[bytes]:
        """Press *button*; one that is already down is released first."""
        reports = self.release(button)
        self._buttons |= button.report_bit
        reports.append(self._report())
        return reports

    def release(self, button: MouseButton) -> list[bytes]:
        """Release *button*; no report if it is not down."""
        if not self._buttons & button.report_bit:
            return []
        self._buttons &= ~button.report_bit
        return [self._report()]

    def clear(self) -> list[bytes]:
        """Release all buttons and stay where we are."""
        self._buttons = 0
        return [self._report()]
