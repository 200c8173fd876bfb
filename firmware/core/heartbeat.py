"""Signs of life of a loop that goes round by itself; `firmware.liveness` looks at them."""

from __future__ import annotations

from typing import Final

import trio

MAX_AGE_S: Final = 60.0
"""A loop that beats each time round does so every few seconds; a minute without is no slow device, since
every wait for one has a deadline below it."""


class Heartbeat:
    """Beaten by a task's own loop each time round; *max_age_s* is how old the last beat may be."""

    def __init__(self, *, max_age_s: float = MAX_AGE_S) -> None:
        self.max_age_s = max_age_s
        self._last_s: float | None = None

    def beat(self) -> None:
        """Say that the loop goes round."""
        self._last_s = trio.current_time()

    @property
    def last_s(self) -> float | None:
        """Trio's time of the last beat, None if there was none."""
        return self._last_s
