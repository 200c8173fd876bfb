"""What the emulated PC's tests and demos look at: everything that came in at its ports, and its state.

Must never influence the PC. All records are bounded: the oldest go first, the counters keep counting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from drivers.emulated.faults import PortName
from drivers.emulated.report_trace import ReportTrace
from drivers.ports import Medium
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS

# More than the longest test sends (100,000 events make up to two reports each).
REPORTS_KEPT = 200_000
TRANSITIONS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class LineTransition:
    """A front panel line changed to *level* at *time* (Trio seconds)."""

    line: PortName
    level: bool
    time: float


class Records:
    """Where the PC's parts write down what happened."""

    def __init__(self, trace: ReportTrace | None = None) -> None:
        self._trace = trace
        self.keyboard_reports: deque[bytes] = deque(maxlen=REPORTS_KEPT)
        self.keyboard_report_count = 0
        self.pointer_reports: deque[bytes] = deque(maxlen=REPORTS_KEPT)
        self.pointer_report_count = 0
        self.transitions: deque[LineTransition] = deque(maxlen=TRANSITIONS_KEPT)
        self.power_offs: deque[str] = deque(maxlen=TRANSITIONS_KEPT)
        self.resets = 0
        self.changed = trio.lowlevel.ParkingLot()

    def keyboard_report(self, report: bytes) -> None:
        """Write down a report that the host took."""
        self.keyboard_reports.append(report)
        self.keyboard_report_count += 1
        if self._trace is not None:
            self._trace.write("keyboard", report)

    def pointer_report(self, report: bytes) -> None:
        """Write down a report that the host took."""
        self.pointer_reports.append(report)
        self.pointer_report_count += 1
        if self._trace is not None:
            self._trace.write("pointer", report)

    def transition(self, line: PortName, level: bool) -> None:
        """Write down a change of a front panel line."""
        self.transitions.append(LineTransition(line, level, trio.current_time()))
        self.touch()

    def touch(self) -> None:
        """Wake whoever waits for something to happen."""
        self.changed.unpark_all()


class ObservedMachine(Protocol):
    """What the observer needs of the machine."""

    @property
    def phase(self) -> str:
        """What it is doing."""
        ...

    @property
    def boot_source(self) -> str:
        """What it was started from."""
        ...

    @property
    def powered(self) -> bool:
        """Whether it is on."""
        ...

    @property
    def leds(self) -> int:
        """The keyboard's LED byte."""
        ...

    @property
    def held_usages(self) -> frozenset[int]:
        """The keys that the host believes down."""
        ...

    @property
    def held_button_bits(self) -> int:
        """The buttons of all mice that the host believes down."""
        ...

    @property
    def pointer_px(self) -> tuple[int, int]:
        """Where the pointer is."""
        ...

    @property
    def medium(self) -> Medium | None:
        """What is in the USB drive."""
        ...

    @property
    def medium_locked(self) -> bool:
        """Whether the host prevents its removal."""
        ...

    def screen_text(self) -> list[str]:
        """The rows of text on the screen."""
        ...


class Observer:
    """The inside of the PC, for tests and demos; read-only, but the records may be cleared."""

    def __init__(self, records: Records, machine: ObservedMachine) -> None:
        self._records = records
        self._machine = machine

    @property
    def keyboard_reports(self) -> deque[bytes]:
        """The reports that the host took, oldest first; the last 200,000."""
        return self._records.keyboard_reports

    @property
    def keyboard_report_count(self) -> int:
        """How many keyboard reports the host ever took."""
        return self._records.keyboard_report_count

    @property
    def pointer_reports(self) -> deque[bytes]:
        """The reports of both mice that the host took, oldest first; the last 200,000."""
        return self._records.pointer_reports

    @property
    def pointer_report_count(self) -> int:
        """How many mouse reports the host ever took."""
        return self._records.pointer_report_count

    @property
    def transitions(self) -> deque[LineTransition]:
        """Changes of the front panel's lines, oldest first; the last 10,000."""
        return self._records.transitions

    @property
    def power_offs(self) -> deque[str]:
        """Why it went off each time: "soft-off", "button", "hard-off"."""
        return self._records.power_offs

    @property
    def resets(self) -> int:
        """How often it was reset."""
        return self._records.resets

    @property
    def held_keys(self) -> set[str]:
        """The names of the keys that the host believes down."""
        held = self._machine.held_usages
        return {name for name, key in KEYS.items() if key.usage in held}

    @property
    def held_buttons(self) -> set[str]:
        """The names of the mouse buttons that the host believes down, of either mouse."""
        bits = self._machine.held_button_bits
        return {name for name, button in MOUSE_BUTTONS.items() if bits & button.report_bit}

    @property
    def pointer_position_px(self) -> tuple[int, int]:
        """Where the pointer is, in pixels from the top left corner."""
        return self._machine.pointer_px

    @property
    def leds(self) -> int:
        """The LED byte that the host last sent: 1 Num Lock, 2 Caps Lock, 4 Scroll Lock."""
        return self._machine.leds

    @property
    def powered(self) -> bool:
        """Whether it is on."""
        return self._machine.powered

    @property
    def phase(self) -> str:
        """One of `machine.Phase`: "off", "blank", "post", "setup", "booting", "running", "shutdown" ..."""
        return self._machine.phase

    @property
    def boot_source(self) -> str:
        """What it was last started from: "disk" or "usb"."""
        return self._machine.boot_source

    @property
    def screen_text(self) -> list[str]:
        """The rows of text on the screen, without blanks at their ends; empty without a signal."""
        return self._machine.screen_text()

    @property
    def medium(self) -> Medium | None:
        """What is in the USB drive."""
        return self._machine.medium

    @property
    def medium_locked(self) -> bool:
        """Whether the host prevents its removal."""
        return self._machine.medium_locked

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds; it is asked again whenever something has happened in the PC."""
        await trio.lowlevel.checkpoint()
        while not condition():
            await self._records.changed.park()
