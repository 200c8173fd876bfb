"""Counts that drain with time: how much of something is free at once, and how fast it comes back.

Pure: times go in (seconds, monotonic), decisions come out.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many are free at once, and after how many seconds one of them is forgotten."""

    at_once: int
    forgotten_s: float


class DrainingCounts[Key]:
    """Counts that drain, one for each key, the longest untouched first; what is drained is not kept."""

    def __init__(self, allowance: Allowance, capacity: int) -> None:
        self._allowance = allowance
        self._capacity = capacity
        # When the count will have drained wholly: one number says it all.
        self._drained_at: OrderedDict[Key, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._drained_at)

    def wait_s(self, key: Key, now_s: float) -> float:
        """Return in how many seconds there is room for one more; 0 = now."""
        backlog_s = self._drained_at.get(key, now_s) - now_s
        room_s = (self._allowance.at_once - 1) * self._allowance.forgotten_s
        return max(0.0, backlog_s - room_s)

    def add(self, key: Key, now_s: float) -> float:
        """Count one, up to what the allowance holds; return what to give to `take_back`."""
        full_at = now_s + self._allowance.at_once * self._allowance.forgotten_s
        before = max(self._drained_at.get(key, now_s), now_s)
        drained_at = min(before + self._allowance.forgotten_s, full_at)
        self._drained_at[key] = drained_at
        self._drained_at.move_to_end(key)
        while self._drained_at and (
            len(self._drained_at) > self._capacity or next(iter(self._drained_at.values())) <= now_s
        ):
            self._drained_at.popitem(last=False)
        return drained_at - before

    def take_back(self, key: Key, added: float, now_s: float) -> None:
        """Undo what `add` did: of a count that was full already, nothing."""
        drained_at = self._drained_at.get(key, now_s) - added
        if drained_at > now_s:
            self._drained_at[key] = drained_at
        else:
            self._drained_at.pop(key, None)

    def forget(self, key: Key) -> None:
        """Count from nothing again."""
        self._drained_at.pop(key, None)
