"""When the streamer runs: the rules of contract websocket.md 1.8, as a state machine without a clock.

The owner tells it what happens and when, calls `poll`, carries out the actions and comes back at `deadline`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

PARAMS_QUIET_S = 1.0


class Action(enum.Enum):
    """What the owner has to do, in this order."""

    STOP = "stop"
    APPLY_PARAMS = "apply params"
    START = "start"


@dataclass(slots=True)
class StreamerControl:
    """Decides on starts, delayed stops, and restarts for new parameters; times are seconds."""

    shutdown_delay_s: float
    reset_delay_s: float
    running: bool = False
    _wanted: bool = False
    _start_at: float | None = field(default=None)
    _stop_at: float | None = field(default=None)
    _apply_at: float | None = field(default=None)
    _reset_asked: bool = False

    @property
    def deadline(self) -> float | None:
        """When `poll` has something to do, if nothing happens before."""
        times = [at for at in (self._start_at, self._stop_at, self._apply_at) if at is not None]
        return min(times, default=None)

    def set_wanted(self, wanted: bool, now: float) -> None:
        """Take that somebody wants the picture, or that nobody does any more."""
        self._wanted = wanted
        if wanted:
            self._stop_at = None
            if not self.running and self._start_at is None:
                self._start_at = now
        elif (self.running or self._start_at is not None) and self._stop_at is None:
            self._stop_at = now + self.shutdown_delay_s

    def params_staged(self, now: float) -> None:
        """Take that a parameter was staged: it is applied after a second without another one."""
        self._apply_at = now + PARAMS_QUIET_S

    def reset(self) -> None:
        """Restart at the next poll if it runs."""
        self._reset_asked = True

    def poll(self, now: float) -> list[Action]:
        """Return what is due at *now*; the actions are taken as carried out."""
        actions: list[Action] = []
        applying = self._apply_at is not None and now >= self._apply_at
        if applying:
            self._apply_at = None
        if (applying or self._reset_asked) and self.running:
            actions.append(Action.STOP)
            self.running = False
            # A streamer that was about to stop anyway is not started for the sake of a parameter.
            if self._stop_at is None:
                self._start_at = now + self.reset_delay_s
            self._stop_at = None
        self._reset_asked = False
        if applying:
            actions.append(Action.APPLY_PARAMS)
        if self._stop_at is not None and now >= self._stop_at:
            self._stop_at = self._start_at = None
            if self.running:
                actions.append(Action.STOP)
                self.running = False
        if self._start_at is not None and now >= self._start_at:
            self._start_at = None
            actions.append(Action.START)
            self.running = True
        return actions
