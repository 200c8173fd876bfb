"""Automatic snapshots: a picture every so often, kept to be loaded (contract subsystems.md 8).

Makes the streamer run for the time that it takes, and wakes the target up if nobody is working with it. Must
never type or point while somebody is.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import trio

from firmware.core.errors import UnavailableError
from firmware.subsystems.snapshot.config import SnapshotConfig

logger = logging.getLogger(__name__)

# A queue that is full because the host takes nothing is no reason to give the picture up: who does not take
# a key in this time does not wake up by it.
WAKE_UP_DEADLINE_S = 5.0
# An interval below this would be a video.
SHORTEST_PERIOD_S = 0.1
# Sums of intervals are compared, which are not exact: what is early by this is due.
_EARLY_S = 1e-6


class Video(Protocol):
    """What snapshots need of the streamer."""

    def held_running(self) -> AbstractContextManager[None]:
        """Make it run meanwhile; clients are told their number at both ends."""
        ...

    async def take_snapshot(self, *, save: bool = False, allow_offline: bool = False) -> object:
        """Take a picture and keep it if *save*. Raises UnavailableError."""
        ...


class InputDevices(Protocol):
    """What wakes the target up."""

    async def send_shortcut(self, names: list[str]) -> None:
        """Press and release keys."""
        ...

    async def send_mouse_move(self, x: int, y: int) -> None:
        """Move the pointer, if the mouse is absolute."""
        ...


class SnapshotService:
    """Takes snapshots while `run` runs; `is_live` says whether somebody watches."""

    def __init__(
        self,
        config: SnapshotConfig,
        *,
        video: Video,
        input_devices: InputDevices,
        is_live: Callable[[], bool],
    ) -> None:
        self._config = config
        self._video = video
        self._input_devices = input_devices
        self._is_live = is_live
        # Of two intervals one is enough.
        self._idle_interval_s = config.idle_interval or config.live_interval
        self._live_interval_s = config.live_interval or config.idle_interval
        self._taken = self._failed = 0

    @property
    def enabled(self) -> bool:
        """Whether snapshots are wanted at all; `run` is for those only."""
        return self._idle_interval_s > 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take a snapshot right away and then each time the interval has passed, until cancelled."""
        period_s = max(SHORTEST_PERIOD_S, min(self._idle_interval_s, self._live_interval_s))
        task_status.started()
        beat_s, last_s = trio.current_time(), -math.inf
        while True:
            live = self._is_live()
            interval_s = self._live_interval_s if live else self._idle_interval_s
            if beat_s - last_s >= interval_s - _EARLY_S:
                last_s = beat_s
                await self._attempt(live=live)
            # A steady beat, whatever an attempt takes; beats that went by meanwhile are lost.
            beat_s += period_s * max(1, math.ceil((trio.current_time() - beat_s) / period_s))
            await trio.sleep_until(beat_s)

    async def _attempt(self, *, live: bool) -> None:
        config = self._config
        with self._video.held_running():
            if not live:
                await self._wake_up()
                await trio.sleep(config.online_delay)
            reason = ""
            for attempt in range(config.retries):
                if attempt > 0:
                    await trio.sleep(config.retries_delay)
                try:
                    await self._video.take_snapshot(save=True)
                except UnavailableError as exc:
                    reason = str(exc)
                else:
                    self._taken += 1
                    return
        self._failed += 1
        logger.warning("no automatic snapshot in %d attempts: %s", config.retries, reason)

    async def _wake_up(self) -> None:
        key, distance = self._config.wakeup_key, self._config.wakeup_move
        with trio.move_on_after(WAKE_UP_DEADLINE_S):
            if key:
                await self._input_devices.send_shortcut([key])
            if distance:
                for to in (0, distance, 0):
                    await self._input_devices.send_mouse_move(to, to)

    def statistics(self) -> dict[str, int]:
        """Return how many snapshots were taken, and how often there was no picture to take."""
        return {"taken": self._taken, "failed": self._failed}
