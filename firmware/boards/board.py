"""One board as the appliance sees it: ports, and the tasks that drive what is behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drivers.emulated.pc import EmulatedPc
from drivers.emulated.switch import EmulatedSwitch
from drivers.gadget.gadget import UsbGadget
from drivers.gpio.line import LineSource
from drivers.ports import (
    EdidPort,
    HidController,
    KeyboardPort,
    LineInput,
    LineOutput,
    MediaSlot,
    PointerPort,
    Sensors,
    SwitchLink,
    UsbLink,
    VideoSource,
)
from drivers.qemu.machine import QemuMachine
from firmware.boards.edid_keeper import EdidKeeper
from firmware.core.supervise import SupervisedTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The ports of one board, and the tasks that drive them."""

    name: str
    description: str
    demo: bool
    keyboard: KeyboardPort
    mouse: PointerPort
    mouse_alt: PointerPort | None
    link: UsbLink | None = None
    hid_controller: HidController | None = None
    power_led: LineInput
    hdd_led: LineInput
    power_switch: LineOutput
    reset_switch: LineOutput
    video: VideoSource
    edid: EdidPort | None = None
    edid_keeper: EdidKeeper | None = None
    """What keeps an EDID in it; there if `edid` is."""
    media: MediaSlot
    switch: SwitchLink | None = None
    sensors: Sensors
    gpio_chip: Callable[[str | None], LineSource]
    """The chip with the lines of user-defined channels: a path, or None for the board's own."""
    gadget: UsbGadget | None = None
    tasks: Mapping[str, SupervisedTask] = field(default_factory=dict)
    target: EmulatedPc | QemuMachine | None = None
    """The machine at the other end, where it is in our hands: what tests and demos look at."""
    emulated_switch: EmulatedSwitch | None = None
    """The same of a KVM switch."""
