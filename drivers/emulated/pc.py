"""The emulated PC: a machine inside this process, with a port for every cable of the appliance.

The composition of its parts, and the only module that others need. Everything happens on Trio's clock. Must
never need hardware, the network or another process.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

import trio

from drivers.emulated.display import Display
from drivers.emulated.faults import FaultSwitchboard, PortName
from drivers.emulated.front_panel import Lamp, PowerButton, Switch
from drivers.emulated.machine import Machine, MachineOptions
from drivers.emulated.measured_picture import NOTHING, Additions
from drivers.emulated.media import UsbDrive
from drivers.emulated.monitor import Monitor
from drivers.emulated.records import Observer, Records
from drivers.emulated.report_trace import ReportTrace
from drivers.emulated.usb_ports import EmulatedKeyboard, EmulatedPointer

_USB_NAMES = {
    PortName.KEYBOARD: "Farhand keyboard",
    PortName.MOUSE_ABSOLUTE: "Farhand absolute mouse",
    PortName.MOUSE_RELATIVE: "Farhand relative mouse",
    PortName.MEDIA: "Farhand USB drive",
}


class EmulatedPc:
    """A PC. Its ports work while `run` runs; before and after they raise DeviceGoneError.

    *start_powered*: it is on, at its prompt, as soon as `run` has started. *horizontal_wheel*: both mice have
    one. *reset_on_ctrl_alt_del*: whether these keys reset it. *poll_interval_s*: how long a USB report takes
    (0 = as fast as it can be written). *usb_reset_s*: how long a reset takes the USB away; by default it is
    polled all along, so that no report is lost. *rtc_start*: its clock when `run` starts, UTC; by default
    the time of its making. *additions*: what each captured picture has on top of the screen. *hid_trace*: a
    file for every report that it takes.

    A second `run` after the first has ended starts a new machine at the same ports; records and faults stay.
    """

    def __init__(
        self,
        *,
        start_powered: bool = True,
        horizontal_wheel: bool = True,
        reset_on_ctrl_alt_del: bool = True,
        poll_interval_s: float = 0.0,
        usb_reset_s: float = 0.0,
        memory_mib: int = 2048,
        rtc_start: datetime | None = None,
        additions: Additions = NOTHING,
        hid_trace: Path | None = None,
    ) -> None:
        records = Records(None if hid_trace is None else ReportTrace(hid_trace))
        self.faults = FaultSwitchboard()
        gate = self.faults.gate
        self.power_led = Lamp(gate(PortName.POWER_LED), records)
        self.hdd_led = Lamp(gate(PortName.HDD_LED), records)
        self.video = Display(gate(PortName.VIDEO), records, additions)
        self.edid = Monitor(gate(PortName.VIDEO))
        self.media = UsbDrive(gate(PortName.MEDIA))
        options = MachineOptions(
            start_powered=start_powered,
            reset_on_ctrl_alt_del=reset_on_ctrl_alt_del,
            usb_reset_s=usb_reset_s,
            memory_mib=memory_mib,
            rtc_start=rtc_start,
        )
        machine = Machine(
            options, records, self.video, self.media, power_led=self.power_led, hdd_led=self.hdd_led
        )
        self._machine = machine
        self._power_button = PowerButton(machine)
        self.power_switch = Switch(gate(PortName.POWER_SWITCH), records, self._power_button.on_level)
        self.reset_switch = Switch(gate(PortName.RESET_SWITCH), records, self._reset_pressed)
        self.keyboard = EmulatedKeyboard(gate(PortName.KEYBOARD), machine, poll_interval_s)
        self.mouse_absolute, self.mouse_relative = (
            EmulatedPointer(
                gate(PortName.MOUSE_ABSOLUTE if absolute else PortName.MOUSE_RELATIVE),
                machine,
                poll_interval_s,
                absolute=absolute,
                horizontal_wheel=horizontal_wheel,
            )
            for absolute in (True, False)
        )
        self.observer = Observer(records, machine)
        self._running = False
        self._plugged: dict[PortName, bool] = dict.fromkeys(_USB_NAMES, True)
        machine.connect(self.keyboard.take_leds, self._usb_names, lambda: self.edid.edid)
        for name in _USB_NAMES:
            gate(name).on_change(partial(self._usb_changed, name))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the PC until cancelled; `started` is called when its ports work."""
        if self._running:
            raise RuntimeError(
                "expected an emulated PC that does not run, got a second run - at EmulatedPc.run"
            )
        self._running = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._power_button.run)
                await nursery.start(self._machine.run)
                self.faults.attach(True)
                task_status.started()
        finally:
            self._running = False
            # Ends all calls in progress with DeviceGoneError.
            self.faults.attach(False)

    def set_mode(self, width_px: int, height_px: int) -> None:
        """Have the target change its resolution, as its own command `mode` does."""
        self._machine.set_mode(width_px, height_px)

    def _reset_pressed(self, level: bool) -> None:
        if level:
            self._machine.reset()

    def _usb_names(self) -> list[str]:
        return [text for name, text in _USB_NAMES.items() if self._plugged[name]]

    def _usb_changed(self, name: PortName) -> None:
        # Only what the fault script does: that the whole PC stops is no unplugging.
        plugged = not self._running or self.faults.gate(name).plugged
        if plugged != self._plugged[name]:
            self._plugged[name] = plugged
            self._machine.usb_changed(name, plugged=plugged)
