"""The board's health from Linux: temperature, processor load, memory, throttling (contract subsystems.md 12).

Implements `drivers.ports.Sensors`: whatever cannot be read is None. Sources: proc(5) for /proc/stat and
/proc/meminfo, the kernel's sysfs documentation for the thermal class, and Raspberry Pi's documentation of
`vcgencmd get_throttled` for the flags.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from drivers.errors import BadReplyError, DriverError
from drivers.ports import Health
from drivers.system.blocking import BlockingCalls
from drivers.system.command import run_command

logger = logging.getLogger(__name__)

VCGENCMD_DEADLINE_S: Final = 2.0
"""The Raspberry Pi's firmware answers its mailbox in milliseconds."""

THERMAL_ZONE: Final = Path("/sys/class/thermal/thermal_zone0/temp")
PROC: Final = Path("/proc")

_MILLIDEGREES_PER_DEGREE: Final = 1000
_BYTES_PER_KIB: Final = 1024
# user nice system idle iowait irq softirq steal; guest time, which follows, is part of user already.
_CPU_FIELDS: Final = 8
_CPU_IDLE: Final = 3
_CPU_IOWAIT: Final = 4
_MEMINFO_LINE: Final = re.compile(r"^(MemTotal|MemAvailable):\s+([0-9]+) kB$", re.MULTILINE)
_THROTTLED: Final = re.compile(r"throttled=(0x[0-9a-fA-F]{1,8})\s*")


class LinuxSensors:
    """Reads the sensors of the machine it runs on.

    *thermal_zone* is a file with millidegrees, *proc* where procfs is mounted. *vcgencmd* is the command,
    without arguments, that asks a Raspberry Pi's firmware; empty for none.
    """

    def __init__(
        self, *, thermal_zone: Path = THERMAL_ZONE, proc: Path = PROC, vcgencmd: Sequence[str] = ()
    ) -> None:
        self._thermal_zone = thermal_zone
        self._proc = proc
        self._vcgencmd = tuple(vcgencmd)
        # Apart, so that a sensor chip that hangs on its bus does not take procfs with it.
        self._thermal_calls = BlockingCalls(threads=1)
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
        flags = await self._or_none("throttling", self._read_throttling) if self._vcgencmd else None
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
        text = await self._thermal_calls.read_text(self._thermal_zone)
        try:
            return int(text) / _MILLIDEGREES_PER_DEGREE
        except ValueError:
            raise _bad("millidegrees", text, self._thermal_zone) from None

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
        argv = [*self._vcgencmd, "get_throttled"]
        result = await run_command(argv, deadline_s=VCGENCMD_DEADLINE_S)
        match = _THROTTLED.fullmatch(result.output)
        if match is None:
            raise _bad("throttled=0x...", result.output, argv[0])
        return int(match[1], 16)


def _bad(expected: str, got: str, where: object) -> BadReplyError:
    return BadReplyError(f"expected {expected}, got {got[:64]!r} - at {where}")
