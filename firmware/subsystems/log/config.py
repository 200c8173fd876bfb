"""Section `kvmd/log_reader` (config.md 2, subsystems.md 13)."""

from __future__ import annotations

from firmware.core.config.section import Section


class LogConfig(Section, frozen=True):
    """`kvmd/log_reader`."""

    enabled: bool = True
