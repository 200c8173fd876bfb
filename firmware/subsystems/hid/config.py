"""Section `kvmd/hid` (config.md 2, subsystems.md 2): keyboard, mice, jiggler."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, override

from firmware.core.config.kinds import (
    KEY_NAME,
    AbsolutePath,
    Checked,
    Coordinate,
    Interval,
    ListOf,
    Nullable,
    OptionalPath,
    integer,
    number,
)
from firmware.core.config.section import Notes, Section
from firmware.core.validators import valid_tty_speed


class HidRangeConfig(Section, frozen=True):
    """`mouse_x_range`, `mouse_y_range`: the part of the axis that the target's screen takes."""

    min: Coordinate = -32768
    max: Coordinate = 32767

    @override
    def settle(self, notes: Notes) -> Self:
        if self.min > self.max:
            notes.error("min", f"expected at most max ({self.max}), got {self.min}")
        return self


class HidJigglerConfig(Section, frozen=True):
    """`jiggler`: small moves that keep the target awake."""

    enabled: bool = True
    active: bool = False
    interval: Annotated[int, integer(1)] = 60
    """Seconds without input before it moves."""


class HidKeyboardConfig(Section, frozen=True):
    """`keyboard`."""

    device: AbsolutePath = Path("/dev/kvmd-hid-keyboard")
    select_timeout: Interval = 0.1
    queue_timeout: Interval = 0.1
    write_retries: Annotated[int, integer(1)] = 150


class HidMouseConfig(Section, frozen=True):
    """`mouse`: the first mouse."""

    device: AbsolutePath = Path("/dev/kvmd-hid-mouse")
    select_timeout: Interval = 0.1
    queue_timeout: Interval = 0.1
    write_retries: Annotated[int, integer(1)] = 150
    absolute: bool = True
    absolute_win98_fix: bool = False
    horizontal_wheel: bool = True


class HidMouseAltConfig(Section, frozen=True):
    """`mouse_alt`: the second mouse, of the other sort; `device` None means there is none."""

    device: OptionalPath = Path("/dev/kvmd-hid-mouse-alt")
    select_timeout: Interval = 0.1
    queue_timeout: Interval = 0.1
    write_retries: Annotated[int, integer(1)] = 150
    horizontal_wheel: bool = True


class HidConfig(Section, frozen=True):
    """`kvmd/hid`.

    `device` and what follows it are for HID chips at a serial port (`serial`, `ch9329`); a speed or a timeout
    that is null is the one of that kind of chip. `reset_pin` -1 = the microcontroller has no reset line.
    """

    type: Literal["otg", "serial", "spi", "ch9329", "bt"] = "otg"
    device: AbsolutePath = Path("/dev/kvmd-hid")
    speed: Annotated[int | None, Nullable(Checked(valid_tty_speed))] = None
    read_timeout: Annotated[float | None, Nullable(number(0.1))] = None
    read_retries: Annotated[int, integer(1)] = 5
    common_retries: Annotated[int, integer(1)] = 5
    retries_delay: Interval = 0.5
    errors_threshold: Annotated[int, integer(0)] = 5
    gpio_device: AbsolutePath = Path("/dev/gpiochip0")
    reset_pin: Annotated[int, integer(-1)] = -1
    reset_inverted: bool = False
    keymap: AbsolutePath = Path("/usr/share/kvmd/keymaps/en-us")
    ignore_keys: Annotated[tuple[str, ...], ListOf(KEY_NAME)] = ()
    mouse_x_range: HidRangeConfig = HidRangeConfig()
    mouse_y_range: HidRangeConfig = HidRangeConfig()
    jiggler: HidJigglerConfig = HidJigglerConfig()
    keyboard: HidKeyboardConfig = HidKeyboardConfig()
    mouse: HidMouseConfig = HidMouseConfig()
    mouse_alt: HidMouseAltConfig = HidMouseAltConfig()
    noop: bool = False
