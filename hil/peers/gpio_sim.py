"""The other side of GPIO lines: chips of the kernel's gpio-sim, whose lines are driven and watched from here.

Made through configfs, driven and read through sysfs (Documentation/admin-guide/gpio/gpio-sim.rst), and
recorded by the kernel's trace of gpio:gpio_value. It must leave nothing behind: `GpioSim` is a context
manager, and `remove` works on a chip that is live or unbound.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Literal, Self

import trio

from peers import modules

CONFIGFS = Path("/sys/kernel/config/gpio-sim")
DRIVER = Path("/sys/bus/platform/drivers/gpio-sim")
DEVICES = Path("/sys/devices/platform")
TRACING = Path("/sys/kernel/tracing")

# A line of the kernel's trace: when, which line, and to which level.
SET_EVENT = re.compile(r"\s(\d+\.\d+): gpio_value: (\d+) set (\d)")

# A level that a driver sets is there at once, but a guest that shares its processors may not run for a while.
DEADLINE_S = 30.0
POLL_S = 0.001

HogDirection = Literal["input", "output-high", "output-low"]


@dataclass(frozen=True)
class Hog:
    """A line that the kernel itself holds, as *name*."""

    name: str
    direction: HogDirection = "input"


@dataclass(frozen=True)
class Change:
    """A line was driven to *level*, at *at_s* of CLOCK_MONOTONIC (`time.monotonic`)."""

    level: bool
    at_s: float


@dataclass
class Transitions:
    """What a line did: its level at first, and, once recorded, each change with the kernel's time of it."""

    first: bool
    changes: list[Change] = field(default_factory=list)

    @property
    def pulses_s(self) -> list[float]:
        """How long the line was high each time, the last one only if it ended."""
        return [fell.at_s - rose.at_s for rose, fell in pairwise(self.changes) if rose.level]


class SimLine:
    """One line as the world outside the chip sees it; levels are electrical ones."""

    def __init__(self, directory: Callable[[], Path], name: str) -> None:
        self._directory = directory
        self.name = name

    def pull(self, level: bool) -> None:
        """Pull the line: an input then reads *level*, and an output shows it once nobody drives it."""
        (self._directory() / "pull").write_text("pull-up" if level else "pull-down")

    @contextmanager
    def burst(self) -> Iterator[Callable[[bool], None]]:
        """Pull the line as fast as can be: the body gets a function that does what `pull` does."""
        with (self._directory() / "pull").open("wb", buffering=0) as file:
            yield lambda level: _write_from_start(file, b"pull-up" if level else b"pull-down")

    def pulled(self) -> bool:
        """Which way it is pulled, from here or by the bias of the line's user."""
        return (self._directory() / "pull").read_text().strip() == "pull-up"

    def level(self) -> bool:
        """The level that the line has."""
        return (self._directory() / "value").read_text().strip() == "1"

    def wait(self, level: bool, deadline_s: float = DEADLINE_S) -> None:
        """Wait for a level, blocking; `becomes` is the same for Trio. Raises TimeoutError."""
        until = time.monotonic() + deadline_s
        while self.level() is not level:
            if time.monotonic() > until:
                raise TimeoutError(f"expected {self.name} to become {level} within {deadline_s} s")
            time.sleep(POLL_S)

    async def becomes(self, level: bool) -> None:
        """Wait for a level. Raises TimeoutError."""
        await trio.to_thread.run_sync(self.wait, level)

    @contextmanager
    def record(self) -> Iterator[Transitions]:
        """Record to which levels the line is driven during the body; the changes are there after it.

        By the kernel's trace, which misses nothing however busy the machine is and dates it to the
        microsecond. A line that falls back to its pull, because whoever drove it let go, is not in it.
        """
        number = self._number()
        trace = _trace()
        began_s = time.monotonic()
        transitions = Transitions(first=self.level())
        yield transitions
        last = transitions.first
        for at_s, line, level in SET_EVENT.findall(trace.read_text()):
            if float(at_s) >= began_s and int(line) == number and (level == "1") is not last:
                last = not last
                transitions.changes.append(Change(last, float(at_s)))

    def _number(self) -> int:
        """The line's number among those of all chips, which the trace names it by."""
        directory = self._directory()
        (base,) = (directory.parent.parent / "gpio").glob("gpiochip*/base")
        return int(base.read_text()) + int(directory.name.removeprefix("sim_gpio"))


def _trace() -> Path:
    """The file of a trace of how lines are driven; made at first use, and running until the guest ends.

    Starting and ending a trace patches the code of the running kernel, which QEMU's multi-threaded TCG does
    not survive each time if the place is a hot one: hence one trace for all, and none of the names of tasks,
    which hooks the scheduler.
    """
    if not (TRACING / "instances").exists():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", str(TRACING)], check=True)
    instance = TRACING / "instances/farhand"
    if not instance.exists():
        # Traces inherit it, and have no such option of their own.
        (TRACING / "options/record-cmd").write_text("0")
        instance.mkdir()
        (instance / "trace_clock").write_text("mono")
        event = instance / "events/gpio/gpio_value"
        (event / "filter").write_text("get == 0")
        (event / "enable").write_text("1")
    return instance / "trace"


def _write_from_start(file: BinaryIO, data: bytes) -> None:
    file.seek(0)
    file.write(data)


class GpioSim:
    """A simulated chip of one bank; a context manager.

    *lines* are offsets with the kernel's names of lines, *hogs* those that the kernel holds itself. *name* is
    its directory in configfs, and is also what tells two chips of the same *label* apart.
    """

    def __init__(
        self,
        name: str,
        *,
        label: str,
        size: int = 32,
        lines: Mapping[int, str] | None = None,
        hogs: Mapping[int, Hog] | None = None,
    ) -> None:
        self.label = label
        self._size = size
        self._lines = dict(lines or {})
        self._hogs = dict(hogs or {})
        self._device = CONFIGFS / name
        self._bank = self._device / "bank0"

    def create(self) -> None:
        """Make the chip, live."""
        modules.load("gpio-sim")
        self._device.mkdir()
        try:
            self._bank.mkdir()
            (self._bank / "num_lines").write_text(str(self._size))
            (self._bank / "label").write_text(self.label)
            for offset in sorted({*self._lines, *self._hogs}):
                (self._bank / f"line{offset}").mkdir()
            for offset, name in self._lines.items():
                (self._bank / f"line{offset}" / "name").write_text(name)
            for offset, hog in self._hogs.items():
                directory = self._bank / f"line{offset}" / "hog"
                directory.mkdir()
                (directory / "name").write_text(hog.name)
                (directory / "direction").write_text(hog.direction)
            self.plug()
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Take the chip away for good, whatever its condition."""
        self.unplug()
        for offset in {*self._lines, *self._hogs}:
            line = self._bank / f"line{offset}"
            for directory in (line / "hog", line):
                with suppress(FileNotFoundError):
                    directory.rmdir()
        for directory in (self._bank, self._device):
            with suppress(FileNotFoundError):
                directory.rmdir()

    def __enter__(self) -> Self:
        self.create()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def plug(self) -> None:
        """Make the chip appear; all lines are pulled down, and its number can be another one."""
        (self._device / "live").write_text("1")

    def unplug(self) -> None:
        """Make the chip vanish, also from under whoever holds its lines; no effect if it has."""
        live = self._device / "live"
        if live.exists() and live.read_text().strip() == "1":
            live.write_text("0")

    def unbind(self) -> None:
        """Take its driver away; the device stays."""
        (DRIVER / "unbind").write_text(self._device_name)

    def bind(self) -> None:
        """Give its driver back."""
        (DRIVER / "bind").write_text(self._device_name)

    @property
    def path(self) -> Path:
        """Its character device, while it is there."""
        return Path("/dev") / self._chip_name

    def line(self, line: int | str) -> SimLine:
        """One of its lines, by offset or by name; it stays the same line when the chip returns."""
        offset = (
            line if isinstance(line, int) else next(key for key, name in self._lines.items() if name == line)
        )
        return SimLine(lambda: self._sysfs / f"sim_gpio{offset}", self._lines.get(offset, f"line {offset}"))

    @property
    def _device_name(self) -> str:
        return (self._device / "dev_name").read_text().strip()

    @property
    def _chip_name(self) -> str:
        return (self._bank / "chip_name").read_text().strip()

    @property
    def _sysfs(self) -> Path:
        return DEVICES / self._device_name / self._chip_name
