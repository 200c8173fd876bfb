"""The commands of the emulated PC's shell: a table, and one short coroutine for each.

They show what the machine is, and exercise what the appliance watches: disk LED, modes, moving pictures, the
drive's lock. Must never touch a port.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from drivers.emulated.console import GREY
from drivers.emulated.input import LED_CAPS_LOCK, LED_NUM_LOCK, LED_SCROLL_LOCK
from drivers.emulated.media import UsbDrive
from drivers.emulated.shell import Shell
from drivers.errors import DriverError
from drivers.video.text import Rgb, Run
from drivers.wire.edid import parse_edid, preferred_size

# Every command reads its program from the disk, and one sees that on the HDD LED.
DISK_ACTIVITY_S = 0.2
# The screens of `mode`, the smallest first.
MODES = {
    f"{width}x{height}": (width, height)
    for width, height in (
        (640, 480),
        (800, 600),
        (1024, 768),
        (1280, 720),
        (1280, 1024),
        (1920, 1080),
    )
}
_FLOOD_HZ = 60
_FLOOD_DEFAULT_S = 10.0
_SECONDS_MAX = 3600.0
_CAT_LINES = 500
# The bars of a colour test picture, at 75 % like those of television.
_BARS: tuple[Rgb, ...] = (
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
    (0, 0, 0),
)


class UsageError(Exception):
    """The command was given arguments that it does not understand; the message says what it expects."""


type _Run = Callable[[Shell, list[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Command:
    run: _Run
    help: str


async def run_command(shell: Shell, line: str) -> None:
    """Run what was typed; errors are printed."""
    name, *arguments = line.split()
    command = _COMMANDS.get(name)
    shell.host.disk_activity(DISK_ACTIVITY_S)
    if command is None:
        shell.console.print(f"{name}: command not found")
        return
    try:
        if name == "echo":  # keeps its blanks
            arguments = [line[len("echo") :].lstrip()]
        await command.run(shell, arguments)
    except (UsageError, DriverError) as exc:
        shell.console.print(f"{name}: {exc}")


async def _help(shell: Shell, _arguments: list[str]) -> None:
    for name, command in _COMMANDS.items():
        shell.console.print(f"{name:<10} {command.help}")


async def _echo(shell: Shell, arguments: list[str]) -> None:
    shell.console.print(arguments[0])


async def _clear(shell: Shell, _arguments: list[str]) -> None:
    shell.console.clear()


async def _version(shell: Shell, _arguments: list[str]) -> None:
    shell.console.print("Farhand Emulated PC 1.0")


async def _date(shell: Shell, _arguments: list[str]) -> None:
    shell.console.print(shell.host.now().strftime("%a %b %d %H:%M:%S UTC %Y"))


async def _uptime(shell: Shell, _arguments: list[str]) -> None:
    minutes, seconds = divmod(int(shell.host.uptime_s), 60)
    shell.console.print(f"up {minutes} min {seconds} s")


async def _memory(shell: Shell, _arguments: list[str]) -> None:
    shell.console.print(f"{shell.host.memory_mib} MiB")


async def _usb(shell: Shell, _arguments: list[str]) -> None:
    for number, device in enumerate(shell.host.usb_devices(), 1):
        shell.console.print(f"Bus 001 Device {number:03}: {device}")


async def _monitor(shell: Shell, _arguments: list[str]) -> None:
    identity, size = parse_edid(shell.host.edid()), preferred_size(shell.host.edid())
    if identity is None:
        raise DriverError("there is no monitor")
    likes = f", prefers {size[0]}x{size[1]}" if size is not None else ""
    serial = identity.monitor_serial or identity.serial
    shell.console.print(
        f"{identity.mfc_id} {identity.monitor_name or 'without a name'}, serial {serial}{likes}"
    )


async def _mount(shell: Shell, _arguments: list[str]) -> None:
    shell.console.print(describe_medium(shell.host.drive))


def describe_medium(drive: UsbDrive) -> str:
    """Return what is in the USB drive. Raises DriverError if there is nothing."""
    if not drive.connected:
        raise DriverError("no usb-drive is connected")
    if drive.medium is None:
        raise DriverError("no medium in usb-drive")
    kind = "CD-ROM" if drive.medium.cdrom else "disk"
    access = "read-write" if drive.medium.rw else "read-only"
    lock = ", locked" if drive.locked else ""
    if drive.volume is None:
        return f"usb-drive: {kind}, no file system that we know, {access}{lock}"
    return f"usb-drive: {kind}, {drive.volume.kind}, label '{drive.volume.label}', {access}{lock}"


async def _list(shell: Shell, _arguments: list[str]) -> None:
    describe_medium(shell.host.drive)
    volume = shell.host.drive.volume
    for entry in volume.entries if volume is not None else ():
        size = "<DIR>" if entry.directory else str(entry.size_bytes)
        shell.console.print(f"{size:>12}  {entry.name}")


async def _cat(shell: Shell, arguments: list[str]) -> None:
    if not arguments:
        raise UsageError("expected the name of a file in the medium's root directory")
    wanted = " ".join(arguments)
    describe_medium(shell.host.drive)
    volume = shell.host.drive.volume
    for entry in volume.entries if volume is not None else ():
        if entry.name.lower() == wanted.lower():
            content = await shell.host.drive.read(entry)
            for line in content.decode("utf-8", "replace").splitlines()[:_CAT_LINES]:
                shell.console.print(line)
            return
    raise DriverError(f"no file {wanted} on usb-drive")


async def _eject(shell: Shell, _arguments: list[str]) -> None:
    describe_medium(shell.host.drive)
    if not shell.host.drive.host_eject():
        raise DriverError("the medium is locked; unlock it first")


async def _lock(shell: Shell, _arguments: list[str]) -> None:
    describe_medium(shell.host.drive)
    shell.host.drive.locked = True


async def _unlock(shell: Shell, _arguments: list[str]) -> None:
    describe_medium(shell.host.drive)
    shell.host.drive.locked = False


async def _leds(shell: Shell, _arguments: list[str]) -> None:
    leds = shell.host.leds
    names = (("Num", LED_NUM_LOCK), ("Caps", LED_CAPS_LOCK), ("Scroll", LED_SCROLL_LOCK))
    shell.console.print(" ".join(f"{name}={'on' if leds & bit else 'off'}" for name, bit in names))


async def _colors(shell: Shell, _arguments: list[str]) -> None:
    console = shell.console
    console.clear()
    width = console.columns // len(_BARS)
    bars = tuple(Run(" " * width, GREY, bar) for bar in _BARS)
    for _ in range(console.text_rows - 1):
        console.print_cells(bars)


async def _mode(shell: Shell, arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in MODES:
        raise UsageError(f"expected one of {' '.join(MODES)}")
    shell.host.set_mode(*MODES[arguments[0]])


async def _disk(shell: Shell, arguments: list[str]) -> None:
    seconds = _seconds(arguments, 1.0)
    shell.host.disk_activity(seconds)
    await trio.sleep(seconds)


async def _sleep(_shell: Shell, arguments: list[str]) -> None:
    await trio.sleep(_seconds(arguments, 1.0))


async def _flood(shell: Shell, arguments: list[str]) -> None:
    end = trio.current_time() + _seconds(arguments, _FLOOD_DEFAULT_S)
    number = 0
    while trio.current_time() < end:
        number += 1
        shade = number * 7 % 128
        text = f"{number:08} " + "".join(chr(33 + (number * 31 + at * at) % 94) for at in range(140))
        shell.console.print(text[: shell.console.columns], (127 + shade, 255 - shade, 192))
        await trio.sleep(1 / _FLOOD_HZ)


async def _power_off(shell: Shell, _arguments: list[str]) -> None:
    shell.host.request_soft_off()
    await trio.sleep_forever()


async def _reboot(shell: Shell, _arguments: list[str]) -> None:
    shell.host.request_reboot()
    await trio.sleep_forever()


def _seconds(arguments: list[str], default: float) -> float:
    if not arguments:
        return default
    try:
        seconds = float(arguments[0])
    except ValueError:
        seconds = -1.0
    if len(arguments) != 1 or not 0 <= seconds <= _SECONDS_MAX:
        raise UsageError(f"expected seconds from 0 to {_SECONDS_MAX:.0f}")
    return seconds


_COMMANDS: dict[str, _Command] = {
    "help": _Command(_help, "show this list"),
    "cat": _Command(_cat, "print a text file of the USB drive: cat NAME"),
    "clear": _Command(_clear, "clear the screen (Ctrl+L)"),
    "cls": _Command(_clear, "clear the screen"),
    "colors": _Command(_colors, "show colour bars"),
    "date": _Command(_date, "print the time"),
    "disk": _Command(_disk, "keep the disk busy: disk [SECONDS]"),
    "echo": _Command(_echo, "print a text: echo TEXT"),
    "eject": _Command(_eject, "eject the USB drive's medium"),
    "flood": _Command(_flood, "print 60 lines a second: flood [SECONDS] (Ctrl+C ends it)"),
    "label": _Command(_mount, "tell what is in the USB drive"),
    "leds": _Command(_leds, "print the keyboard's LEDs"),
    "lock": _Command(_lock, "prevent the removal of the medium"),
    "ls": _Command(_list, "list the root directory of the USB drive"),
    "lsusb": _Command(_usb, "list USB devices"),
    "mem": _Command(_memory, "print the size of the memory"),
    "mode": _Command(_mode, "change the screen's size: mode WIDTHxHEIGHT"),
    "monitor": _Command(_monitor, "tell what monitor is connected"),
    "mount": _Command(_mount, "tell what is in the USB drive"),
    "poweroff": _Command(_power_off, "shut down and turn off"),
    "reboot": _Command(_reboot, "shut down and start again"),
    "sleep": _Command(_sleep, "do nothing: sleep [SECONDS]"),
    "uname": _Command(_version, "print the system's name"),
    "unlock": _Command(_unlock, "allow the removal of the medium"),
    "uptime": _Command(_uptime, "tell how long it has been on"),
    "ver": _Command(_version, "print the system's name"),
}
