"""Which thermal zone is the processor's (the kernel's Documentation/ABI/testing/sysfs-class-thermal).

Only reads. Zones are numbered in the order in which drivers came up, so number 0 may be a battery or a radio:
the type tells.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

THERMAL_CLASS: Final = Path("/sys/class/thermal")

CPU_ZONE_TYPES: Final = (
    re.compile(r"cpu[-_]?thermal"),  # Raspberry Pi, Allwinner, Amlogic
    re.compile(r"x86_pkg_temp"),
    re.compile(r"soc[-_]?thermal"),  # Rockchip before its processors had zones of their own
    re.compile(r"package[-_]?thermal"),  # Rockchip RK3588
    re.compile(r"(cpu|littlecore|bigcore)[-_]?[0-9]*[-_].*"),  # one of several clusters
    re.compile(r"acpitz"),  # what a PC's firmware calls its processor, or its case
)
"""The types of a processor's zone, the surest first; the whole type matches, in lower case."""

_ZONE: Final = re.compile(r"thermal_zone([0-9]+)")


def find_cpu_zone(thermal_class: Path = THERMAL_CLASS) -> Path | None:
    """Return the directory of the processor's zone, blocking; None if there is no zone at all.

    Of several that fit, the lowest number; if none fits, the lowest number of all.
    """
    zones = sorted(
        (int(match[1]), entry) for entry in _entries(thermal_class) if (match := _ZONE.fullmatch(entry.name))
    )
    types = [(_read_type(zone), zone) for _, zone in zones]
    for known in CPU_ZONE_TYPES:
        for zone_type, zone in types:
            if known.fullmatch(zone_type):
                return zone
    return types[0][1] if types else None


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _read_type(zone: Path) -> str:
    try:
        return (zone / "type").read_text("utf-8", errors="replace").strip().lower()
    except OSError:
        # It went away in between, or its driver fails: one of an unknown type.
        return ""
