"""Looks at the machine that the appliance runs on: encoder, temperature, disk, service manager."""

from __future__ import annotations

import os
import platform
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from drivers.errors import DriverError
from drivers.ports import Sensors
from drivers.system.disk import LinuxDisks
from drivers.system.sd_notify import ServiceManager
from drivers.video.jpeg import backend
from firmware.core.version import farhand_version
from firmware.doctor.findings import Finding, bad, note, ok

_HOT_C: Final = 80.0
"""Raspberry Pis slow down from here on."""
_SLOWED: Final = 0b111
"""get_throttled: under-voltage, frequency capped, throttled, each now."""
_SLOWED_BEFORE: Final = _SLOWED << 16
_LITTLE_ROOM_BYTES: Final = 64 * 1024 * 1024


async def look_at_machine(sensors: Sensors, state_dir: Path) -> AsyncIterator[Finding]:
    """Yield what there is to say about the machine; *state_dir* is where the appliance keeps its state."""
    yield ok(
        "software", f"farhand {farhand_version()}, Python {platform.python_version()}, {os.uname().release}"
    )
    for finding in _of_process():
        yield finding
    async for finding in _of_sensors(sensors):
        yield finding
    yield await _of_disk(state_dir)


def _of_process() -> Iterator[Finding]:
    engine = backend()
    if engine == "Pillow":
        yield note(
            "JPEG engine",
            "Pillow, several times slower",
            "install libjpeg62-turbo, libturbojpeg0 and the wheel with the extension",
        )
    else:
        yield ok("JPEG engine", engine)
    manager = ServiceManager.from_environment()
    if manager.watchdog_timeout_s is not None:
        yield ok("service manager", f"watches us, every {manager.watchdog_timeout_s:g} s")
    else:
        yield note("service manager", "does not watch this process, which was started by hand")


async def _of_sensors(sensors: Sensors) -> AsyncIterator[Finding]:
    health = await sensors.read()
    if health.cpu_temp_c is None:
        yield note("temperature", "this machine does not tell")
    elif health.cpu_temp_c >= _HOT_C:
        yield bad("temperature", f"{health.cpu_temp_c:.0f} °C", "cool it: it slows down")
    else:
        yield ok("temperature", f"{health.cpu_temp_c:.0f} °C")
    flags = health.throttling_flags
    if flags is not None and flags & _SLOWED:
        yield bad(
            "power supply", f"slowed down now (flags {flags:#x})", "use a stronger power supply and cable"
        )
    elif flags is not None and flags & _SLOWED_BEFORE:
        yield note(
            "power supply",
            f"was slowed down since its start (flags {flags:#x})",
            "see to its power and cooling",
        )
    elif flags is not None:
        yield ok("power supply", "never slowed down since its start")


async def _of_disk(state_dir: Path) -> Finding:
    there = state_dir
    while not there.exists():
        there = there.parent
    try:
        space = await LinuxDisks().space(there)
    except DriverError as exc:
        return bad("state directory", str(exc), "check the disk")
    free = f"{space.free_bytes // (1024 * 1024)} MiB free for {state_dir}"
    if space.is_read_only:
        return bad(
            "state directory",
            f"{there} is mounted read-only",
            "mount it read-write, or choose another --state",
        )
    if not os.access(there, os.W_OK):
        return bad(
            "state directory",
            f"{there} may not be written by this user",
            "see whose it is, or choose --state",
        )
    if space.free_bytes < _LITTLE_ROOM_BYTES:
        return bad("state directory", free, "make room")
    return ok("state directory", free)
