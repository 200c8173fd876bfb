"""Debouncing of an input line, without a clock of its own.

After a change the next one is taken into account only once the debounce time has passed, and then it is the
latest level that counts (contract subsystems.md 4): a flickering LED shows its first change at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Debouncer:
    """The debounced level of one line; times are seconds of any monotonic clock.

    `level` is what the world may see, `deadline` is when the next change may show, or None if nothing waits.
    """

    level: bool
    period_s: float
    _raw: bool = field(init=False)
    _quiet_until: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._raw = self.level

    @property
    def deadline(self) -> float | None:
        """The time at which `settle` has something to do."""
        return self._quiet_until if self._raw != self.level else None

    def feed(self, raw: bool, now: float) -> bool:
        """Take the raw level seen at *now*; return whether `level` changed."""
        self._raw = raw
        return self.settle(now)

    def settle(self, now: float) -> bool:
        """Let a waiting change show if its time has come; return whether `level` changed."""
        if self._raw == self.level or now < self._quiet_until:
            return False
        self.level = self._raw
        self._quiet_until = now + self.period_s
        return True
