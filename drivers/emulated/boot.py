"""What the emulated PC shows between power button and prompt: the firmware's and the kernel's screens.

Must never decide about power: it is told to start, and cancelled.
"""

from __future__ import annotations

import enum
from typing import Protocol

import trio

from drivers.emulated import us_layout
from drivers.emulated.console import WHITE, YELLOW, Console, TextScreen
from drivers.emulated.input import KeyPress

FIRMWARE_MODE_PX = (640, 480)
CONSOLE_MODE_PX = (1280, 720)

# Real PCs take longer for each; these are long enough to be seen and captured.
BLANK_S = 0.4
MEMORY_COUNT_S = 0.8
DEVICES_S = 0.7
SETUP_PROMPT_S = 1.0
NO_MEDIUM_S = 1.0
POST_S = MEMORY_COUNT_S + DEVICES_S + SETUP_PROMPT_S
KERNEL_S = 1.0
SHUTDOWN_S = 1.5

_MEMORY_STEPS = 16


class BootSource(enum.StrEnum):
    """What the system is started from."""

    DISK = "disk"
    USB = "usb"
    NETWORK = "network"


_SOURCES = {
    us_layout.DIGIT_1: BootSource.DISK,
    us_layout.DIGIT_2: BootSource.USB,
    us_layout.DIGIT_3: BootSource.NETWORK,
    us_layout.ESCAPE: BootSource.DISK,
}


class BootMachine(Protocol):
    """What the screens are about."""

    @property
    def memory_mib(self) -> int:
        """How much memory there is."""
        ...

    def usb_devices(self) -> list[str]:
        """What is plugged in."""
        ...

    def medium_line(self) -> str:
        """What is in the USB drive, in a line."""
        ...

    @property
    def has_medium(self) -> bool:
        """Whether there is something in the USB drive."""
        ...

    def new_screen(self, mode_px: tuple[int, int]) -> TextScreen:
        """Put out an empty screen of that size."""
        ...

    def take_keys(self, sink: Keys | None) -> None:
        """Give key presses to *sink*."""
        ...

    def disk_activity(self, seconds: float) -> None:
        """Let the HDD LED blink for so long."""
        ...


class Keys:
    """Remembers that one of some keys was pressed."""

    def __init__(self, *usages: int) -> None:
        self._usages = usages
        self._pressed = trio.Event()
        self.usage: int | None = None

    def key(self, press: KeyPress) -> None:
        """Take a key press."""
        if press.usage in self._usages and self.usage is None:
            self.usage = press.usage
            self._pressed.set()

    async def wait(self) -> int:
        """Wait for one of the keys and return which."""
        await self._pressed.wait()
        assert self.usage is not None
        return self.usage


async def power_on_self_test(machine: BootMachine) -> int | None:
    """Show the POST screen; return the key for the setup or the boot menu that was pressed, if one was."""
    keys = Keys(us_layout.DELETE, us_layout.F2, us_layout.F12)
    machine.take_keys(keys)
    screen = machine.new_screen(FIRMWARE_MODE_PX)
    screen.write(0, "Farhand Emulated PC", WHITE)
    screen.write(1, "Firmware 1.0")
    screen.write(screen.rows - 2, "Press F12 for the boot menu", YELLOW)
    screen.write(screen.rows - 1, "Press DEL or F2 to enter setup", YELLOW)
    for step in range(1, _MEMORY_STEPS + 1):
        screen.write(3, f"Memory test: {machine.memory_mib * step // _MEMORY_STEPS * 1024} KB")
        await trio.sleep(MEMORY_COUNT_S / _MEMORY_STEPS)
    screen.write(3, f"Memory test: {machine.memory_mib * 1024} KB OK")
    machine.disk_activity(DEVICES_S)
    lines = [*(f"  {device}" for device in machine.usb_devices()), f"  {machine.medium_line()}"]
    screen.write(5, "USB devices:")
    for row, line in enumerate(lines, 6):
        screen.write(row, line)
        await trio.sleep(DEVICES_S / len(lines))
    screen.write(7 + len(lines), "Starting from disk ...")
    await trio.sleep(SETUP_PROMPT_S)
    return keys.usage


async def boot_menu(machine: BootMachine) -> BootSource:
    """Show the boot menu until something is chosen, and return what there is to start from then."""
    keys = Keys(*_SOURCES)
    machine.take_keys(keys)
    screen = machine.new_screen(FIRMWARE_MODE_PX)
    screen.write(0, "Farhand Emulated PC - Boot Menu".center(screen.columns), WHITE, (0, 0, 160))
    screen.write(3, "  1  Disk")
    screen.write(4, f"  2  {machine.medium_line()}")
    screen.write(5, "  3  Network")
    screen.write(screen.rows - 1, "1 to 3: start from it    ESC: start from disk", YELLOW)
    source = _SOURCES[await keys.wait()]
    machine.take_keys(None)
    missing = {
        BootSource.USB: None if machine.has_medium else "no medium in the USB drive",
        BootSource.NETWORK: "no boot server answers",
    }.get(source)
    if missing is None:
        return source
    screen.write(7, f"  {missing}: starting from disk ...")
    await trio.sleep(NO_MEDIUM_S)
    return BootSource.DISK


async def setup(machine: BootMachine) -> int:
    """Show the setup's screen until Escape or F10 is pressed; return which."""
    keys = Keys(us_layout.ESCAPE, us_layout.F10)
    machine.take_keys(keys)
    screen = machine.new_screen(FIRMWARE_MODE_PX)
    screen.write(0, "Farhand Emulated PC - Setup Utility".center(screen.columns), WHITE, (0, 0, 160))
    screen.write(3, f"  Memory          {machine.memory_mib} MiB")
    screen.write(4, "  First boot      Disk")
    screen.write(5, f"  USB drive       {machine.medium_line()}")
    screen.write(screen.rows - 1, "ESC: leave and start    F10: save and restart", YELLOW)
    return await keys.wait()


async def kernel(machine: BootMachine, console: Console, source: BootSource) -> None:
    """Print what an operating system says when it starts."""
    machine.disk_activity(KERNEL_S)
    devices = machine.usb_devices()
    lines = [
        "Starting the system ..." if source is BootSource.DISK else f"Starting the system from {source} ...",
        f"Memory: {machine.memory_mib} MiB available",
        "console: 160x45 characters of 8x16 pixels",
        *(f"usb 1-{number}: {device}" for number, device in enumerate(devices, 1)),
        machine.medium_line(),
        "Welcome to the Farhand emulated PC. Type help for a list of commands.",
    ]
    for line in lines:
        console.print(line)
        await trio.sleep(KERNEL_S / len(lines))


async def shutdown(machine: BootMachine, console: Console, what: str) -> None:
    """Print what an operating system says when it ends."""
    machine.disk_activity(SHUTDOWN_S)
    console.set_input(None)
    console.print(f"The system is going down for {what} now.", YELLOW)
    await trio.sleep(SHUTDOWN_S / 2)
    console.print("Unmounting file systems ... done")
    await trio.sleep(SHUTDOWN_S / 2)
