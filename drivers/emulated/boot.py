"""What the emulated PC shows between power button and prompt: the firmware's and the kernel's screens.

Must never decide about power: it is told to start, and cancelled.
"""

from __future__ import annotations

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
POST_S = MEMORY_COUNT_S + DEVICES_S + SETUP_PROMPT_S
KERNEL_S = 1.0
SHUTDOWN_S = 1.5

_MEMORY_STEPS = 16


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


async def power_on_self_test(machine: BootMachine) -> bool:
    """Show the POST screen; return whether somebody pressed the key for the setup."""
    keys = Keys(us_layout.DELETE, us_layout.F2)
    machine.take_keys(keys)
    screen = machine.new_screen(FIRMWARE_MODE_PX)
    screen.write(0, "Farhand Emulated PC", WHITE)
    screen.write(1, "Firmware 1.0")
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
    return keys.usage is not None


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


async def kernel(machine: BootMachine, console: Console) -> None:
    """Print what an operating system says when it starts."""
    machine.disk_activity(KERNEL_S)
    devices = machine.usb_devices()
    lines = [
        "Starting the system ...",
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
