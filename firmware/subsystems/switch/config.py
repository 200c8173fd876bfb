"""Section `kvmd/switch` (config.md 2, subsystems.md 9)."""

from __future__ import annotations

from pathlib import Path

from firmware.core.config.kinds import AbsolutePath
from firmware.core.config.section import Section


class SwitchConfig(Section, frozen=True):
    """`kvmd/switch`."""

    device: AbsolutePath = Path("/dev/kvmd-switch")
    default_edid: AbsolutePath = Path("/etc/kvmd/switch-edid.hex")
    ignore_hpd_on_top: bool = False
