"""What a configuration asks of a board, as plain values.

`firmware.board_needs` makes it from the configuration, `firmware.boards.load` turns it and the board's data
into ports; neither of the two knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from drivers.gadget.lun_inquiry import DriveInquiry
from drivers.gadget.spec import GadgetSpec


@dataclass(frozen=True, slots=True)
class LineNeeds:
    """A line of a GPIO chip by its offset."""

    pin: int
    inverted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AtxNeeds:
    """The front panel's lines; *chip* is a path or a label, None means the board's own chip."""

    chip: str | None
    power_led: LineNeeds
    hdd_led: LineNeeds
    power_switch: LineNeeds
    reset_switch: LineNeeds


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialHidNeeds:
    """A HID chip or microcontroller at a serial port, instead of the USB gadget's HID functions."""

    kind: Literal["serial", "ch9329"]
    device: Path
    speed: int | None
    """None = what this kind of chip speaks when it is new."""
    read_timeout_s: float | None
    read_retries: int
    common_retries: int
    retries_delay_s: float
    errors_threshold: int
    reset: LineNeeds | None
    reset_chip: str | None
    """As the chip of `AtxNeeds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardNeeds:
    """Everything that the configuration says about the board."""

    arguments: tuple[str, ...] = ()
    """For the board's own program, from the command line."""
    absolute_first: bool = True
    """Whether the first mouse is the absolute one."""
    gadget: GadgetSpec
    drives: Mapping[str, DriveInquiry] = field(default_factory=dict)
    """How the drives of the gadget's mass-storage functions name themselves."""
    serial_hid: SerialHidNeeds | None = None
    atx: AtxNeeds | None = None
    video_device: Path | None = None
    """The capture's node; None = found by the board's data."""
    edid_file: Path | None = None
    vcgencmd: tuple[str, ...] = ()
    switch_device: Path = Path("/dev/kvmd-switch")
    """Where a KVM switch is plugged in, if there is one."""
    emulated_switch_units: int = 0
    """How many units the switch of an emulated board has; 0 = it has none."""
    emulated_time_stripe: bool = False
    """Whether an emulated board's pictures tell when they were drawn."""
    emulated_hid_trace: Path | None = None
    """Where an emulated board writes down its HID reports; None = nowhere."""
    emulated_motion: bool = False
    """Whether an emulated board's whole picture moves."""
