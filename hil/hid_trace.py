"""What the emulated PC's HID trace says (`drivers.emulated.report_trace`): reports, and what is held."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drivers.emulated.hid_host import KeyboardDecoder
from drivers.wire.hid_usages import KEYS

_NAMES = {key.usage: name for name, key in KEYS.items()}


@dataclass(frozen=True, slots=True)
class TracedReport:
    """One report; *device* is `keyboard` or `pointer`."""

    device: str
    at_ns: int
    report: bytes


class HidTrace:
    """A trace that is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def reports(self, device: str) -> list[TracedReport]:
        """All whole lines so far of one device."""
        text = self._path.read_text()
        lines = (line.split() for line in text[: text.rfind("\n") + 1].splitlines())
        return [
            TracedReport(name, int(ns), bytes.fromhex(data)) for name, ns, data in lines if name == device
        ]

    def keyboard(self) -> list[bytes]:
        """All keyboard reports."""
        return [traced.report for traced in self.reports("keyboard")]

    def held_keys(self) -> set[str]:
        """The keys that are down after the last report."""
        decoder = KeyboardDecoder()
        for report in self.keyboard():
            decoder.feed(report)
        return {_NAMES.get(usage, hex(usage)) for usage in decoder.held}

    def held_buttons(self) -> int:
        """The button bits of the last pointer report."""
        reports = self.reports("pointer")
        return reports[-1].report[0] if reports else 0
