"""When to jiggle and how far: the schedule of contract subsystems.md 2.1, without a clock or a device."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

STEPS = 10
STEP_PAUSE_S = 0.1
ABSOLUTE_STEP = 100
RELATIVE_STEP = 10
INTERVAL_SPREAD = 0.25


@dataclass(slots=True)
class JiggleSchedule:
    """Decides when the next jiggle is due; the first one as soon as it is switched on."""

    interval_s: int
    rng: random.Random = field(repr=False)
    _wanted_idle_s: int = 0

    def is_due(self, idle_s: float) -> bool:
        """Say whether so many seconds without an event are enough."""
        return idle_s > self._wanted_idle_s

    def jiggled(self) -> None:
        """Draw how long to stay quiet before the next jiggle."""
        spread = int(self.interval_s * INTERVAL_SPREAD)
        self._wanted_idle_s = self.rng.randint(self.interval_s - spread, self.interval_s + spread)


def absolute_steps(x: int, y: int) -> Iterator[tuple[int, int]]:
    """Positions around (x, y), and back to it at the end."""
    for number in range(STEPS):
        offset = ABSOLUTE_STEP if number % 2 == 0 else -ABSOLUTE_STEP
        yield x + offset, y + offset
    yield x, y


def relative_steps() -> Iterator[tuple[int, int]]:
    """Deltas that add up to nothing."""
    for number in range(STEPS):
        delta = RELATIVE_STEP if number % 2 == 0 else -RELATIVE_STEP
        yield delta, delta
