"""Counting events per second: in whole seconds as the contract shows them, or the mean of the last ones."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_S: Final = 2.0
"""The mean of so many seconds is shown of events that come in lots."""

PATIENCE_S: Final = 1.5
"""After so long without an event there are none any more."""


class RateMeter:
    """Events in the last whole second and in all; times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._second = 0
        self._count = 0
        self._last = 0
        self.total = 0
        """Events since the start."""

    def tick(self, now: float) -> None:
        """Count one event."""
        self._roll(now)
        self._count += 1
        self.total += 1

    def per_second(self, now: float) -> int:
        """Return the count of the last completed second."""
        self._roll(now)
        return self._last

    def _roll(self, now: float) -> None:
        second = int(now)
        if second != self._second:
            self._last = self._count if second == self._second + 1 else 0
            self._count = 0
            self._second = second


class SpacedRate:
    """Events that are told in lots, such as pictures of which many are counted at once; seconds as above."""

    def __init__(self) -> None:
        # When a lot was told, and how many events since the one before are in it.
        self._lots: deque[tuple[float, int]] = deque()
        self.total = 0
        """Events since the start."""

    def tick(self, now: float, count: int) -> None:
        """Count *count* events since the last lot."""
        while self._lots and self._lots[0][0] < now - WINDOW_S:
            self._lots.popleft()
        self._lots.append((now, count))
        self.total += count

    def per_second(self, now: float) -> int:
        """Return the mean of the last seconds."""
        if not self._lots or self._lots[-1][0] < now - PATIENCE_S:
            return 0
        (first, _), (last, _) = self._lots[0], self._lots[-1]
        # What the first lot counts was before its time.
        events = sum(count for _, count in self._lots) - self._lots[0][1]
        return round(events / (last - first)) if last > first else 0
