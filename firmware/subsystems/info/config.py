"""Section `kvmd/info` (config.md 2, subsystems.md 12): where the appliance learns about itself."""

from __future__ import annotations

from pathlib import Path

from firmware.core.config.kinds import AbsolutePath, Command, Interval, NonEmptyText, OptionalPath
from firmware.core.config.section import Section


class InfoHwConfig(Section, frozen=True):
    """`hw`: platform and health."""

    platform: AbsolutePath = Path("/usr/lib/kvmd/platform")
    vcgencmd_cmd: Command = ("/usr/bin/vcgencmd",)
    ignore_past: bool = False
    state_poll: Interval = 5.0


class InfoFanConfig(Section, frozen=True):
    """`fan`: the fan daemon; `unix` None means there is none."""

    daemon: NonEmptyText = "kvmd-fan"
    unix: OptionalPath = None
    timeout: Interval = 5.0
    state_poll: Interval = 5.0


class InfoConfig(Section, frozen=True):
    """`kvmd/info`."""

    meta: AbsolutePath = Path("/etc/kvmd/meta.yaml")
    extras: AbsolutePath = Path("/usr/share/kvmd/extras")
    hw: InfoHwConfig = InfoHwConfig()
    fan: InfoFanConfig = InfoFanConfig()
