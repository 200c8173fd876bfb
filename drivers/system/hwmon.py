"""A fan that the kernel drives: rotation and duty cycle from the hwmon class.

Only reads; the kernel's thermal governor controls the fan. Source: Documentation/hwmon/sysfs-interface.rst.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from drivers.errors import BadReplyError, DeviceGoneError
from drivers.system.blocking import BlockingCalls, read_text

HWMON_CLASS: Final = Path("/sys/class/hwmon")

PWM_MAX: Final = 255
"""A duty cycle is 0 to 255, whatever the chip's own resolution."""

_CHIP: Final = re.compile(r"hwmon([0-9]+)")
_FAN: Final = re.compile(r"fan([0-9]+)_input|pwm([0-9]+)")
_FULL_SPEED: Final = 0


@dataclass(frozen=True, slots=True)
class HwmonFanState:
    """What the kernel tells of one fan; None where it does not.

    `chip` is the driver's name ("pwmfan"), `number` which of its fans it is. `rpm` is the rotation measured.
    `pwm` is the duty cycle, 0 to 255, and `pwm_percent` the same in percent. `is_faulty` is the chip's own
    word.
    """

    chip: str
    number: int
    rpm: int | None
    pwm: int | None
    is_faulty: bool | None

    @property
    def pwm_percent(self) -> float | None:
        """The duty cycle in percent."""
        return None if self.pwm is None else round(self.pwm * 100 / PWM_MAX, 1)


class HwmonFan:
    """The first fan of the chips of this machine, or of the chips called *chip*.

    Numbers of hwmon chips differ from boot to boot, so it is looked for at each reading.
    """

    def __init__(self, *, chip: str | None = None, hwmon_class: Path = HWMON_CLASS) -> None:
        self._chip = chip
        self._class = hwmon_class
        # Of its own, since a chip may hang on its bus.
        self._calls = BlockingCalls(threads=1)

    async def read(self) -> HwmonFanState:
        """Return the present state.

        Raises DeviceGoneError if there is no fan, DeviceTimeoutError if its chip hangs, BadReplyError.
        """
        return await self._calls.run(
            f"the fan in {self._class}", partial(_read_first, self._class, self._chip)
        )


def _read_first(hwmon_class: Path, wanted: str | None) -> HwmonFanState:
    chips = sorted((int(match[1]), entry) for entry, match in _matches(hwmon_class, _CHIP))
    for _, chip in chips:
        name = read_text(chip / "name").strip()
        if wanted is not None and name != wanted:
            continue
        numbers = {int(match[1] or match[2]) for _, match in _matches(chip, _FAN)}
        if numbers:
            return _read_fan(chip, name, min(numbers))
    whose = "" if wanted is None else f" of a chip {wanted!r}"
    raise DeviceGoneError(f"expected a fan{whose}, got none among {len(chips)} chips - at {hwmon_class}")


def _matches(directory: Path, pattern: re.Pattern[str]) -> list[tuple[Path, re.Match[str]]]:
    entries = directory.iterdir() if directory.exists() else ()
    return [(entry, match) for entry in entries if (match := pattern.fullmatch(entry.name))]


def _read_fan(chip: Path, name: str, number: int) -> HwmonFanState:
    pwm = _read_int(chip / f"pwm{number}")
    if _read_int(chip / f"pwm{number}_enable") == _FULL_SPEED and pwm is not None:
        # Control is off, which is full speed whatever the duty cycle would be.
        pwm = PWM_MAX
    fault = _read_int(chip / f"fan{number}_fault")
    return HwmonFanState(
        chip=name,
        number=number,
        rpm=_read_int(chip / f"fan{number}_input"),
        pwm=pwm,
        is_faulty=None if fault is None else bool(fault),
    )


def _read_int(path: Path) -> int | None:
    try:
        text = read_text(path)
    except OSError:
        # Not there, or the chip has no reading now (ENODATA, EIO): not known.
        return None
    try:
        return int(text)
    except ValueError:
        raise BadReplyError(f"expected a number, got {text[:64]!r} - at {path}") from None
