"""A GPIO chip inside the process, so that channels can be tried out where there is none.

Its lines are wired in pairs: 0 with 1, 2 with 3, and so on; what one is driven to, the other reads. It stands
behind the same `LineSource` as a real chip, so that everything above it is the real thing: requests, events
with numbers and times, busy lines. A line that is let go stays as it was, as on most chips.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from typing import Final

from drivers.errors import DeviceBusyError, NotSupportedError
from drivers.gpio.calls import DirectCalls, LineCalls
from drivers.gpio.declarations import InputDeclaration, LineDeclaration, OutputDeclaration
from drivers.gpio.edges import EVENT_BUFFER, KernelEdge

LINES: Final = 64


class EmulatedChip:
    """A chip of `LINES` lines; implements `drivers.gpio.line.LineSource`."""

    def __init__(self, name: str = "emulated") -> None:
        self._name = name
        self._held: dict[int, EmulatedLine] = {}
        self._driven: dict[int, bool] = {}

    def __str__(self) -> str:
        return f"the emulated chip {self._name}"

    def calls(self) -> LineCalls:
        """Return what runs the calls of a line: they only touch memory."""
        return DirectCalls()

    def request(self, line: LineDeclaration) -> EmulatedLine:
        """Hold *line*. Raises DeviceBusyError, NotSupportedError if there is no such line."""
        if not isinstance(line.line, int) or line.line >= LINES:
            raise NotSupportedError(f"expected a line of 0 to {LINES - 1}, got {line.line} - at {self}")
        holder = self._held.get(line.line)
        if holder is not None:
            raise DeviceBusyError(f"line {line.line} of {self} is held by {holder.name}")
        held = self._held[line.line] = EmulatedLine(self, line, line.line)
        if isinstance(line, OutputDeclaration) and line.rest is not None:
            held.set(line.rest)
        return held

    def level(self, offset: int) -> bool:
        """Return the electrical level of a line: as it is driven, else as its partner drives it, else low."""
        return self._driven.get(offset, self._driven.get(_partner(offset), False))

    def drive(self, offset: int, level: bool) -> None:
        """Drive a line; its partner sees an edge."""
        other = _partner(offset)
        before = self.level(other)
        self._driven[offset] = level
        partner = self._held.get(other)
        if partner is not None and self.level(other) is not before:
            partner.notice(self.level(other))

    def let_go(self, offset: int) -> None:
        """Take back what `request` gave."""
        self._held.pop(offset, None)


class EmulatedLine:
    """A line that is held; implements `drivers.gpio.handle.LineHandle`."""

    def __init__(self, chip: EmulatedChip, declaration: LineDeclaration, offset: int) -> None:
        self.name = declaration.name
        self._chip = chip
        self._offset = offset
        self._active_low = declaration.active_low
        self._wants_edges = isinstance(declaration, InputDeclaration)
        # The kernel's bound, and its rule: the oldest go, and the numbers show it.
        self._events: deque[KernelEdge] = deque(maxlen=EVENT_BUFFER)
        self._seqno = 0
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return the file descriptor: readable when there are events."""
        self._require_held()
        return self._descriptor

    def get(self) -> bool:
        """Return the logical level."""
        self._require_held()
        return self._chip.level(self._offset) is not self._active_low

    def set(self, level: bool) -> None:
        """Drive the line."""
        self._require_held()
        self._chip.drive(self._offset, level is not self._active_low)

    def events(self) -> list[KernelEdge]:
        """Return the events that are there."""
        self._require_held()
        os.eventfd_read(self._descriptor)
        events = list(self._events)
        self._events.clear()
        return events

    def release(self) -> None:
        """Let the line go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._chip.let_go(self._offset)

    def notice(self, level: bool) -> None:
        """Take an edge to the electrical *level*, from inside the chip."""
        if self._wants_edges:
            self._seqno += 1
            self._events.append(KernelEdge(level is not self._active_low, time.monotonic_ns(), self._seqno))
            os.eventfd_write(self._descriptor, 1)

    def _require_held(self) -> None:
        if self._descriptor < 0:
            raise OSError(errno.ENODEV, "the line has been released")


class EmulatedChips:
    """Chips by their paths, each made when it is first asked for; None is the board's own."""

    def __init__(self) -> None:
        self._chips: dict[str | None, EmulatedChip] = {}

    def __call__(self, name: str | None) -> EmulatedChip:
        """Return the chip *name*."""
        if name not in self._chips:
            self._chips[name] = EmulatedChip(*([] if name is None else [name]))
        return self._chips[name]


def _partner(offset: int) -> int:
    return offset ^ 1
