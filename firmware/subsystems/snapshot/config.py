"""Section `kvmd/snapshot` (config.md 2, subsystems.md 8): snapshots on a schedule."""

from __future__ import annotations

from typing import Annotated

from firmware.core.config.kinds import OPTIONAL_KEY_NAME, Coordinate, Interval, Seconds, integer
from firmware.core.config.section import Section


class SnapshotConfig(Section, frozen=True):
    """`kvmd/snapshot`; times in seconds, both intervals 0 = off."""

    idle_interval: Seconds = 0.0
    live_interval: Seconds = 0.0
    wakeup_key: Annotated[str, OPTIONAL_KEY_NAME] = ""
    wakeup_move: Coordinate = 0
    online_delay: Seconds = 5.0
    retries: Annotated[int, integer(1)] = 10
    retries_delay: Interval = 3.0
