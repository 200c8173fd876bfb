"""The emulated PC's main board: power, phases, and what runs in each of them.

Power changes are immediate, in the task that asks for them; what they start runs in one session, which the
next power change cancels. Must never know ports or faults: those are around it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import trio

from drivers.emulated import boot, us_layout
from drivers.emulated.commands import describe_medium, run_command
from drivers.emulated.console import Console, TextScreen
from drivers.emulated.display import Display
from drivers.emulated.front_panel import Lamp
from drivers.emulated.media import UsbDrive
from drivers.emulated.records import Records
from drivers.emulated.seat import KeySink, Seat
from drivers.emulated.shell import Shell
from drivers.errors import DriverError
from drivers.ports import Medium

# Seen as blinking, and longer than the usual debouncing of the LED (0.1 s, contract subsystems.md 4).
HDD_LED_ON_S = 0.15
HDD_LED_OFF_S = 0.15


class Phase(enum.StrEnum):
    """What the machine is doing."""

    OFF = "off"
    BLANK = "blank"
    POST = "post"
    SETUP = "setup"
    BOOT_MENU = "boot-menu"
    BOOTING = "booting"
    RUNNING = "running"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """How the machine is made; see `EmulatedPc`."""

    start_powered: bool
    reset_on_ctrl_alt_del: bool
    usb_reset_s: float
    memory_mib: int
    rtc_start: datetime | None


type _Start = Literal["cold", "reset", "warm"]


class Machine:
    """The machine. `run` runs it; everything else may be called at any time from Trio's thread."""

    def __init__(
        self,
        options: MachineOptions,
        records: Records,
        display: Display,
        drive: UsbDrive,
        *,
        power_led: Lamp,
        hdd_led: Lamp,
    ) -> None:
        self._options = options
        self._records = records
        self._display = display
        self.drive = drive
        self._power_led = power_led
        self._hdd_led = hdd_led
        self._usb_names: Callable[[], list[str]] = list
        self._edid: Callable[[], bytes] = bytes
        on_ctrl_alt_del = self.reset if options.reset_on_ctrl_alt_del else None
        self._seat = Seat(display, self.medium_line, on_ctrl_alt_del)
        self._phase = Phase.OFF
        self.boot_source = boot.BootSource.DISK
        self._start: _Start | None = None
        self._started = trio.lowlevel.ParkingLot()
        self._session = trio.CancelScope()
        self._os_scope = trio.CancelScope()
        self._os_exit: Literal["power-off", "reboot"] = "power-off"
        self._usb_ready = False
        self._usb_became_ready = trio.lowlevel.ParkingLot()
        self._shell: Shell | None = None
        self._disk_busy_until = 0.0
        self._disk_wanted = trio.lowlevel.ParkingLot()
        self._powered_at = 0.0
        self._run_at = 0.0
        self._rtc_at_zero = options.rtc_start or datetime.now(UTC)
        drive.on_change(self._medium_changed)

    def connect(
        self,
        send_leds: Callable[[int], None],
        usb_names: Callable[[], list[str]],
        edid: Callable[[], bytes],
    ) -> None:
        """Connect the keyboard's LEDs, the list of what is plugged in, and the monitor's EDID."""
        self._seat.on_leds(send_leds)
        self._usb_names = usb_names
        self._edid = edid

    # --------------------------------------------------------------------------------------------- state

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        return self._phase

    @property
    def powered(self) -> bool:
        """Whether it is on."""
        return self._phase is not Phase.OFF

    @property
    def can_shut_down(self) -> bool:
        """Whether an operating system runs, which then decides what a press of the button means."""
        return self._phase in {Phase.BOOTING, Phase.RUNNING, Phase.SHUTDOWN}

    @property
    def usb_ready(self) -> bool:
        """Whether it polls its USB devices now."""
        return self._usb_ready

    @property
    def leds(self) -> int:
        """The keyboard's LED byte."""
        return self._seat.keyboard.leds

    @property
    def held_usages(self) -> frozenset[int]:
        """The keys that it believes down."""
        return self._seat.keyboard.held

    @property
    def held_button_bits(self) -> int:
        """The buttons of all mice that it believes down."""
        return self._seat.pointer.buttons

    @property
    def pointer_px(self) -> tuple[int, int]:
        """Where the pointer is."""
        return self._seat.pointer.x_px, self._seat.pointer.y_px

    @property
    def medium(self) -> Medium | None:
        """What is in the USB drive."""
        return self.drive.medium

    @property
    def has_medium(self) -> bool:
        """Whether there is something in the USB drive."""
        return self.drive.connected and self.drive.medium is not None

    @property
    def medium_locked(self) -> bool:
        """Whether its removal is prevented."""
        return self.drive.locked

    @property
    def memory_mib(self) -> int:
        """How much memory there is."""
        return self._options.memory_mib

    @property
    def uptime_s(self) -> float:
        """How long it has been on, resets included."""
        return trio.current_time() - self._powered_at if self.powered else 0.0

    @property
    def console(self) -> Console:
        """The operating system's screen."""
        assert self._seat.console is not None, "the console exists while the operating system runs"
        return self._seat.console

    def screen_text(self) -> list[str]:
        """Return the rows of text on the screen; empty without a signal."""
        return self._display.text()

    def now(self) -> datetime:
        """Return the time of its clock, UTC, which goes by Trio's clock."""
        return self._rtc_at_zero + timedelta(seconds=trio.current_time() - self._run_at)

    # --------------------------------------------------------------------------------------------- power

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run it until cancelled; then it is off, with an empty drive."""
        self._run_at = trio.current_time()
        if self._options.start_powered:
            self._begin("warm")
        try:
            task_status.started()
            while True:
                while self._start is None:
                    await self._started.park()
                start, self._start = self._start, None
                with trio.CancelScope() as self._session:
                    await self._run_session(start)
        finally:
            if self.powered:
                self._go_off()
            self.drive.unload()

    def power_on(self) -> None:
        """Turn it on; no effect if it is."""
        if not self.powered:
            self._begin("cold")

    def power_off(self, cause: str) -> None:
        """Cut its power; no effect if it is off."""
        if self.powered:
            self._records.power_offs.append(cause)
            self._go_off()

    def reset(self) -> None:
        """Reset it; no effect if it is off."""
        if self.powered:
            self._records.resets += 1
            self._end_session()
            self._begin("reset")

    def request_soft_off(self) -> None:
        """Let the operating system shut down and turn off; no effect if none runs or it already does."""
        self._leave_system("power-off")

    def request_reboot(self) -> None:
        """Let the operating system shut down and reset."""
        self._leave_system("reboot")

    def _begin(self, start: _Start) -> None:
        if start != "reset":
            self._powered_at = trio.current_time()
        self._phase = Phase.BLANK
        self._start = start
        self._power_led.light(True)
        if start == "warm":
            # As if it had long been on: nobody has to wait for a picture or for a prompt.
            self._set_usb_ready(True)
            self._seat.open_console()
            self._open_shell()
        else:
            self._display.blank("target is starting")
            self._set_usb_ready(False)
            self._set_usb_ready(start == "reset" and not self._options.usb_reset_s)
        self._started.unpark_all()
        self._records.touch()

    def _go_off(self) -> None:
        self._phase = Phase.OFF
        self._start = None
        self._end_session()
        self._set_usb_ready(False)
        self._power_led.light(False)
        self._display.blank("target is off")
        self._records.touch()

    def _end_session(self) -> None:
        self._session.cancel()
        self._shell = None
        self._seat.restart()
        self._hdd_led.light(False)
        self._disk_busy_until = 0.0
        self.drive.locked = False

    def _leave_system(self, how: Literal["power-off", "reboot"]) -> None:
        if self._phase in {Phase.BOOTING, Phase.RUNNING}:
            self._os_exit = how
            self._phase = Phase.SHUTDOWN
            self._os_scope.cancel()

    async def _run_session(self, start: _Start) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._blink_hdd_led)
            if start != "warm":
                await self._run_firmware(start)
            with trio.CancelScope() as self._os_scope:
                if self._phase is Phase.SHUTDOWN:  # asked before it had begun
                    self._os_scope.cancel()
                await self._run_system()
            self.take_keys(None)
            if self._os_exit == "power-off":
                await boot.shutdown(self, self.console, "power off")
                self.power_off("soft-off")
            else:
                await boot.shutdown(self, self.console, "reboot")
                self.reset()

    async def _run_firmware(self, start: _Start) -> None:
        if start == "reset" and self._options.usb_reset_s:
            await trio.sleep(self._options.usb_reset_s)
            self._set_usb_ready(True)
        await trio.sleep(boot.BLANK_S)
        self._set_usb_ready(True)
        self._set_phase(Phase.POST)
        self.boot_source = boot.BootSource.DISK
        key = await boot.power_on_self_test(self)
        if key == us_layout.F12:
            self._set_phase(Phase.BOOT_MENU)
            self.boot_source = await boot.boot_menu(self)
        elif key is not None:
            self._set_phase(Phase.SETUP)
            if await boot.setup(self) == us_layout.F10:
                self.reset()
                await trio.lowlevel.checkpoint()  # the reset has cancelled us

    async def _run_system(self) -> None:
        if self._shell is None:
            self._seat.open_console()
            self._set_phase(Phase.BOOTING)
            self.take_keys(None)
            await boot.kernel(self, self.console, self.boot_source)
            self._open_shell()
        assert self._shell is not None
        await self._shell.run()

    def _open_shell(self) -> None:
        self._shell = Shell(self, run_command)
        self.take_keys(self._shell)
        self._set_phase(Phase.RUNNING)

    def _set_phase(self, phase: Phase) -> None:
        self._phase = phase
        self._records.touch()

    # ------------------------------------------------------------------------------------------- devices

    def new_screen(self, mode_px: tuple[int, int]) -> TextScreen:
        """Put out an empty screen of that size, the firmware's."""
        return self._seat.open_screen(mode_px)

    def set_mode(self, width_px: int, height_px: int) -> None:
        """Change the size of the console's screen."""
        self._seat.set_mode(width_px, height_px)

    def take_keys(self, sink: KeySink | None) -> None:
        """Give key presses to *sink* from now on."""
        self._seat.take_keys(sink)

    async def wait_usb_ready(self) -> None:
        """Wait until it polls its USB devices."""
        while not self._usb_ready:
            await self._usb_became_ready.park()

    def keyboard_report(self, report: bytes) -> None:
        """Take a keyboard report."""
        self._records.keyboard_report(report)
        self._seat.keyboard_report(report)
        self._records.touch()

    def pointer_report(self, report: bytes, *, absolute: bool) -> None:
        """Take a mouse report."""
        self._records.pointer_report(report)
        self._seat.pointer_report(report, absolute=absolute)
        self._records.touch()

    def usb_devices(self) -> list[str]:
        """Return what is plugged in."""
        return self._usb_names()

    def edid(self) -> bytes:
        """Return what the monitor says of itself; empty without one."""
        return self._edid()

    def usb_changed(self, name: str, *, plugged: bool) -> None:
        """Take note that a device was plugged in or pulled out: what it held is released."""
        keyboard = self._seat.keyboard
        match name:
            case "keyboard":
                keyboard.forget()
                if plugged and self._usb_ready:
                    keyboard.set_leds(keyboard.leds)
            case "mouse_absolute" | "mouse_relative":
                self._seat.pointer.release(absolute=name == "mouse_absolute")
            case "media":
                self.drive.locked = False
        self._tell(f"usb: {name} {'connected' if plugged else 'disconnected'}")

    def _set_usb_ready(self, ready: bool) -> None:
        became_ready = ready and not self._usb_ready
        self._usb_ready = ready
        if became_ready:
            self._seat.keyboard.set_leds(0)  # what a host's driver sends first
            self._usb_became_ready.unpark_all()

    # ---------------------------------------------------------------------------------------------- disk

    def disk_activity(self, seconds: float) -> None:
        """Let the HDD LED blink for so long."""
        self._disk_busy_until = max(self._disk_busy_until, trio.current_time() + seconds)
        self._disk_wanted.unpark_all()

    def medium_line(self) -> str:
        """Return what is in the USB drive, in a line."""
        try:
            return describe_medium(self.drive)
        except DriverError as exc:
            return str(exc)

    def _medium_changed(self) -> None:
        self._tell(self.medium_line() if self.drive.medium is not None else "usb-drive: medium removed")

    def _tell(self, message: str) -> None:
        self._seat.tell(message)
        self._records.touch()

    async def _blink_hdd_led(self) -> None:
        while True:
            while trio.current_time() >= self._disk_busy_until:
                await self._disk_wanted.park()
            self._hdd_led.light(True)
            await trio.sleep(HDD_LED_ON_S)
            self._hdd_led.light(False)
            await trio.sleep(HDD_LED_OFF_S)
