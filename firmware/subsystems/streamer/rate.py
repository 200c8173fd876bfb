"""Counting events per second, in whole seconds as the contract shows them."""

from __future__ import annotations


class RateMeter:
    """Events in the last whole second and in all; times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._second = 0
        self._count = 0
        self._last = 0
        self.total = 0
        """Events since the start."""

    def tick(self, now: float, count: int = 1) -> None:
        """Count one event, or several."""
        self._roll(now)
        self._count += count
        self.total += count

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
