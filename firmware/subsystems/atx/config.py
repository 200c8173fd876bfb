"""Section `kvmd/atx` (config.md 2, subsystems.md 4): the front panel's lines and press times."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from firmware.core.config.kinds import AbsolutePath, Interval, Pin, Seconds
from firmware.core.config.section import Section


class AtxConfig(Section, frozen=True):
    """`kvmd/atx`; delays and debounce times in seconds."""

    type: Literal["gpio", "disabled"] = "gpio"
    device: AbsolutePath = Path("/dev/gpiochip0")
    power_led_pin: Pin = 24
    hdd_led_pin: Pin = 22
    power_switch_pin: Pin = 23
    reset_switch_pin: Pin = 27
    power_led_inverted: bool = False
    hdd_led_inverted: bool = False
    power_led_debounce: Seconds = 0.1
    hdd_led_debounce: Seconds = 0.1
    click_delay: Interval = 0.1
    long_click_delay: Interval = 5.5
