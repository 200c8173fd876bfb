"""Counts of observations by size, for whoever shows them (metrics); no clock, no I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """How many observations there were up to each of *bounds*, which ascend, and above the last."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.total = 0.0
        """The sum of all observations."""

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[float, int]]:
        """Return each bound with the number of observations up to it, infinity last."""
        return list(zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True))
