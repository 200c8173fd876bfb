"""The board's health from Linux: temperature, processor load, memory, throttling (contract subsystems.md 12).

Implements `drivers.ports.Sensors`: whatever cannot be read is None. Sources: proc(5) for /proc/stat and
/proc/meminfo, the kernel's sysfs documentation for the thermal class, and Raspberry Pi's documentation of
`vcgencmd get_throttled` for the flags, which its kernel's firmware driver gives as a file too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from drivers.errors import BadReplyError, DeviceGoneError, DriverError
from drivers.ports import Health
from drivers.system.blocking import BlockingCalls
from drivers.system.command import run_command
from drivers.system.thermal import THERMAL_CLASS, find_cpu_zone

logger = logging.getLogger(__name__)

VCGENCMD_DEADLINE_S: Final = 2.0
"""The Raspberry Pi's firmware answers its mailbox in milliseconds."""

SYS_PLATFORM: Final = Path("/sys/devices/platform")
PROC: Final = Path("/proc")

_MILLIDEGREES_PER_DEGREE: Final = 1000
_BYTES_PER_KIB: Final = 1024
# user nice system idle iowait irq softirq steal; guest time, which follows, is part of user already.
_CPU_FIELDS: Final = 8
_CPU_IDLE: Final = 3
_CPU_IOWAIT: Final = 4
_MEMINFO_LINE: Final = re.compile(r"^(MemTotal|MemAvailable):\s+([0-9]+) kB$", re.MULTILINE)
# One hexadecimal number, without a prefix.
_THROTTLED_FILE: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{1,8})\s*")
_THROTTLED: Final = re.compile(r"throttled=(0x[0-9a-fA-F]{1,8})\s*")


class LinuxSensors:
    """Reads the sensors of the machine it runs on.

    *thermal_zone* is a file with millidegrees; without one the processor's zone of *thermal_class* is looked
    for. *proc* is where procfs is mounted. Throttling is asked of *throttled_file* (`find_throttled_file`),
    else of the command *vcgencmd*, without arguments; None and empty for none.
    """

    def __init__(
        self,
        *,
        thermal_zone: Path | None = None,
        thermal_class: Path = THERMAL_CLASS,
        proc: Path = PROC,
        throttled_file: Path | None = None,
        vcgencmd: Sequence[str] = (),
    ) -> None:
        self._given_zone = thermal_zone
        self._thermal_class = thermal_class
        self._found_zone: Path | None = None
        self._proc = proc
        self._throttled_file = throttled_file
        self._vcgencmd = tuple(vcgencmd)
        # Apart, so that a sensor chip that hangs on its bus does not take procfs with it.
        self._thermal_calls = BlockingCalls(threads=1)
        self._throttled_calls = BlockingCalls(threads=1)
        self._proc_calls = BlockingCalls(threads=1)
        self._cpu_before = (0, 0)
        self._failing: set[str] = set()

    async def read(self) -> Health:
        """Return the present readings; never raises a DriverError.

        The processor load is the mean since the previous call; of the first call, the mean since boot.
        """
        temperature_c = await self._or_none("temperature", self._read_temperature_c)
        load_percent = await self._or_none("processor load", self._read_load_percent)
        memory = await self._or_none("memory", self._read_memory_bytes)
        has_flags = self._vcgencmd or self._throttled_file is not None
        flags = await self._or_none("throttling", self._read_throttling) if has_flags else None
        total_bytes, available_bytes = memory or (None, None)
        used_percent = None
        if total_bytes and available_bytes is not None:
            used_percent = round((total_bytes - available_bytes) * 100 / total_bytes, 1)
        return Health(
            cpu_temp_c=temperature_c,
            cpu_percent=load_percent,
            mem_percent=used_percent,
            mem_total_bytes=total_bytes,
            mem_available_bytes=available_bytes,
            throttling_flags=flags,
        )

    async def _or_none[T](self, what: str, reader: Callable[[], Awaitable[T]]) -> T | None:
        try:
            value = await reader()
        except DriverError as exc:
            if what not in self._failing:
                # Once per outage: many boards simply do not have the sensor.
                self._failing.add(what)
                logger.info("no reading of the %s: %s", what, exc)
            return None
        self._failing.discard(what)
        return value

    async def _read_temperature_c(self) -> float:
        path = self._given_zone or self._found_zone or await self._find_zone()
        # Anew next time if this fails: zones come and go with their drivers.
        self._found_zone = None
        text = await self._thermal_calls.read_text(path)
        try:
            temperature_c = int(text) / _MILLIDEGREES_PER_DEGREE
        except ValueError:
            raise _bad("millidegrees", text, path) from None
        self._found_zone = path
        return temperature_c

    async def _find_zone(self) -> Path:
        what = f"the thermal zones of {self._thermal_class}"
        zone = await self._thermal_calls.run(what, partial(find_cpu_zone, self._thermal_class))
        if zone is None:
            raise DeviceGoneError(f"this machine has no thermal zone - at {self._thermal_class}")
        return zone / "temp"

    async def _read_load_percent(self) -> int | None:
        path = self._proc / "stat"
        text = await self._proc_calls.read_text(path)
        words = text.partition("\n")[0].split()
        try:
            ticks = [int(word) for word in words[1 : 1 + _CPU_FIELDS]]
            total, idle = sum(ticks), ticks[_CPU_IDLE] + ticks[_CPU_IOWAIT]
        except (ValueError, IndexError):
            raise _bad('a line "cpu" with its times', text, path) from None
        total_before, idle_before = self._cpu_before
        self._cpu_before = (total, idle)
        elapsed = total - total_before
        if elapsed <= 0:
            # Two calls in one tick, or counters that went back: nothing can be said this time.
            return None
        # iowait may go back a little (proc(5)), which must not show as a load outside 0..100.
        return min(max(round((elapsed - (idle - idle_before)) * 100 / elapsed), 0), 100)

    async def _read_memory_bytes(self) -> tuple[int, int]:
        """Return total and available memory."""
        path = self._proc / "meminfo"
        text = await self._proc_calls.read_text(path)
        found = {match[1]: int(match[2]) * _BYTES_PER_KIB for match in _MEMINFO_LINE.finditer(text)}
        try:
            return found["MemTotal"], found["MemAvailable"]
        except KeyError as exc:
            raise _bad(f"a line {exc}", text, path) from None

    async def _read_throttling(self) -> int:
        if self._throttled_file is not None:
            text = await self._throttled_calls.read_text(self._throttled_file)
            found = _THROTTLED_FILE.fullmatch(text)
            if found is None:
                raise _bad("a hexadecimal number", text, self._throttled_file)
            return int(found[1], 16)
        argv = [*self._vcgencmd, "get_throttled"]
        result = await run_command(argv, deadline_s=VCGENCMD_DEADLINE_S)
        match = _THROTTLED.fullmatch(result.output)
        if match is None:
            raise _bad("throttled=0x...", result.output, argv[0])
        return int(match[1], 16)


def find_throttled_file(platform: Path = SYS_PLATFORM) -> Path | None:
    """Return the file of a Raspberry Pi's firmware driver that tells of throttling; None if there is none.

    Only the vendor's kernel has it, under the node of the system on chip, whose name differs between models.
    """
    return next(iter(sorted(platform.glob("soc*/*firmware/get_throttled"))), None)


def _bad(expected: str, got: str, where: object) -> BadReplyError:
    return BadReplyError(f"expected {expected}, got {got[:64]!r} - at {where}")
