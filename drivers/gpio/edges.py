"""From the kernel's edge events to changes of a level: repeats, losses and clocks.

The kernel keeps a bounded number of events per line and drops the oldest (`EVENT_BUFFER`); it numbers them,
so that a gap shows. It looks at the level when it gets to an interrupt, which may be one for several edges,
so that two events in a row can say the same. Values only: it neither reads a line nor knows what time it is.
Source: struct gpio_v2_line_event of <linux/gpio.h>; Documentation/userspace-api/gpio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Self

EVENT_BUFFER: Final = 64
"""Events that the kernel keeps per line: four times what a listener holds; a busy disk LED can be faster."""

_SEQNO_BITS: Final = 32
_CLOCK_READINGS: Final = 5


@dataclass(frozen=True, slots=True)
class KernelEdge:
    """One edge event: the logical level after it, when (CLOCK_MONOTONIC), and its number on this line."""

    level: bool
    time_ns: int
    seqno: int


@dataclass(slots=True)
class EdgeTracker:
    """Follows the events of one request of one line, from the *level* that the line had at *since_ns*.

    `unsure` is true after a loss, until `settle` is told the level itself. Counters: events `seen`, events
    `lost` in gaps, `blinks` of which only the end was seen, `corrections` that only the level itself told.
    """

    level: bool
    since_ns: int = 0
    unsure: bool = False
    seen: int = 0
    lost: int = 0
    blinks: int = 0
    corrections: int = 0
    _last_seqno: int = field(default=0, init=False)

    def take(self, events: Iterable[KernelEdge]) -> list[KernelEdge]:
        """Return the changes that *events* tell of: each level is the opposite of the one before."""
        changes = []
        for event in events:
            # Modulo, since the number wraps around.
            missing = (event.seqno - self._last_seqno - 1) % 2**_SEQNO_BITS
            self._last_seqno = event.seqno
            self.seen += 1
            if missing:
                self.lost += missing
                self.unsure = True
            if event.time_ns < self.since_ns:
                # From before the level was read, which therefore knows it.
                continue
            if event.level == self.level:
                # There and back, before the kernel looked: what a disk LED does, and worth showing.
                self.blinks += 1
                changes.append(replace(event, level=not event.level))
            self.level = event.level
            changes.append(event)
        return changes

    def settle(self, level: bool) -> bool:
        """Take the level itself, read when no event was left; return whether it is a change."""
        self.unsure = False
        if level == self.level:
            return False
        self.level = level
        self.corrections += 1
        return True


@dataclass(frozen=True, slots=True)
class EventClock:
    """From CLOCK_MONOTONIC, by which the kernel dates events, to another clock that runs alike.

    The offset is measured once, so that what is in order stays in order.
    """

    offset_s: float

    @classmethod
    def measure(cls, monotonic_ns: Callable[[], int], other_s: Callable[[], float]) -> Self:
        """Read both clocks a few times; the reading that took least is the best."""
        readings = []
        for _ in range(_CLOCK_READINGS):
            before_ns = monotonic_ns()
            now_s = other_s()
            took_ns = monotonic_ns() - before_ns
            readings.append((took_ns, now_s - (before_ns + took_ns / 2) / 1e9))
        return cls(min(readings)[1])

    def seconds(self, time_ns: int, *, now_s: float) -> float:
        """Return *time_ns* on the other clock, which is at *now_s*; never in the future."""
        return min(now_s, time_ns / 1e9 + self.offset_s)
