"""The USB host at the other end of the cable: what it makes of the gadget's device, seen from its own kernel.

Finds the device by what it says of itself, its input devices by their interface, reads their events, lights
LEDs, asks for reports, puts the device to sleep. Event devices are grabbed, so that nothing that is typed
reaches the console of the machine that plays the host.
Sources: linux/input.h, linux/hidraw.h, Documentation/ABI/testing/sysfs-bus-usb.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from drivers.errors import HostNotReadyError
from drivers.ports import KeyboardPort, PointerPort
from peers import modules

USB_DEVICES: Final = Path("/sys/bus/usb/devices")
WAIT_DEADLINE_S: Final = 60.0
"""Enumeration takes some 0.5 s on a quiet machine."""
_STEP_S: Final = 0.01
_AUTOSUSPEND_DELAY_MS: Final = 1000

EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_LED = 0x00, 0x01, 0x02, 0x03, 0x04, 0x11
SYN_REPORT, SYN_DROPPED = 0, 3
REL_X, REL_Y, REL_HWHEEL, REL_WHEEL = 0, 1, 6, 8
ABS_X, ABS_Y = 0, 1
LED_NUM, LED_CAPS, LED_SCROLL = 0, 1, 2

_EVENT: Final = struct.Struct("llHHi")
_REPEAT: Final = struct.Struct("II")
"""Delay and period in ms; 0 switches the repetition off."""
_EVIOCGRAB: Final = 0x40044590
_EVIOCSREP: Final = 0x40084503
_READ_EVENTS: Final = 64
_KEY_BITS_BYTES: Final = 96
_EVIOCGKEY: Final = 0x80004518 | _KEY_BITS_BYTES << 16


def load() -> None:
    """Load the host's drivers, which nobody else does without udev."""
    modules.load("usbhid", "hid-generic", "evdev")


def _hidiocginput(length: int) -> int:
    return 0xC0004800 | length << 16 | 0x0A


async def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = WAIT_DEADLINE_S) -> None:
    """Wait until *condition* holds. Raises TimeoutError naming *what*."""
    with trio.move_on_after(deadline_s):
        while not condition():
            await trio.sleep(_STEP_S)
        return
    raise TimeoutError(f"expected {what} within {deadline_s} s, got nothing")


@dataclass(frozen=True, slots=True)
class InputEvent:
    """What an event device tells (struct input_event), without its time."""

    kind: int
    code: int
    value: int


async def write(port: KeyboardPort | PointerPort, report: bytes) -> None:
    """Write a report as the HID service does: again and again until the host takes it."""
    with trio.fail_after(WAIT_DEADLINE_S):
        while True:
            try:
                await port.write(report)
            except HostNotReadyError:
                await trio.sleep(_STEP_S)
            else:
                return


class EventReader:
    """An open, grabbed event device of the host, whose kernel does not repeat the keys that are held: when it
    would, depends on how busy the machine is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._events: deque[InputEvent] = deque()
        fcntl.ioctl(self.descriptor, _EVIOCGRAB, 1)
        with suppress(OSError):  # what has no keys to repeat, such as a mouse, refuses
            fcntl.ioctl(self.descriptor, _EVIOCSREP, _REPEAT.pack(0, 0))
            # The kernel tells every reader of the change with its next frame: let that be a frame of its own.
            os.write(self.descriptor, _EVENT.pack(0, 0, EV_SYN, SYN_REPORT, 0))
            self._fill()
            self._events.clear()

    async def event(self) -> InputEvent:
        """Return the next event. Raises RuntimeError if the kernel dropped some."""
        while not self._events:
            await trio.lowlevel.wait_readable(self.descriptor)
            self._fill()
        return self._events.popleft()

    async def frame(self, deadline_s: float = WAIT_DEADLINE_S) -> list[InputEvent]:
        """Return what belongs together: the events up to the next SYN_REPORT, MSC events left out."""
        frame: list[InputEvent] = []
        with trio.fail_after(deadline_s):
            while True:
                event = await self.event()
                if event.kind == EV_SYN:
                    return frame
                if event.kind != EV_MSC:
                    frame.append(event)

    def pending(self) -> list[InputEvent]:
        """Return what has come so far, SYN and MSC events left out, without waiting."""
        self._fill()
        events = [event for event in self._events if event.kind not in {EV_SYN, EV_MSC}]
        self._events.clear()
        return events

    def held(self) -> set[int]:
        """Return the codes of the keys that the host holds down, whatever has been read so far."""
        bits = bytearray(_KEY_BITS_BYTES)
        fcntl.ioctl(self.descriptor, _EVIOCGKEY, bits)
        return {code for code in range(8 * len(bits)) if bits[code // 8] >> code % 8 & 1}

    def set_led(self, led: int, lit: bool) -> None:
        """Switch an LED of the keyboard, as the host's desktop does."""
        os.write(self.descriptor, _EVENT.pack(0, 0, EV_LED, led, int(lit)))

    def close(self) -> None:
        """Let go of it."""
        trio.lowlevel.notify_closing(self.descriptor)
        os.close(self.descriptor)

    def _fill(self) -> None:
        while True:
            try:
                data = os.read(self.descriptor, _EVENT.size * _READ_EVENTS)
            except BlockingIOError:
                return
            for _, _, kind, code, value in _EVENT.iter_unpack(data):
                if (kind, code) == (EV_SYN, SYN_DROPPED):
                    raise RuntimeError(f"{self.path} dropped events: it was not read fast enough")
                self._events.append(InputEvent(kind, code, value))


class UsbDevice:
    """A USB device of the host, by its place in the tree (such as 1-1)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, attribute: str) -> str:
        """Return an attribute, "" if the device has none such."""
        try:
            return (self.path / attribute).read_text().strip("\n")
        except OSError:
            return ""

    def write(self, attribute: str, value: object) -> None:
        """Set an attribute."""
        (self.path / attribute).write_text(str(value))

    @property
    def number(self) -> int:
        """The host's number of it: another one each time that it is plugged in."""
        return int(self.read("devnum"))

    def interface(self, number: int) -> Path:
        """Return the directory of an interface of configuration 1."""
        return self.path / f"{self.path.name}:1.{number}"

    def event_paths(self, interface: int) -> list[Path]:
        """Return the event devices that an interface's driver made."""
        found = self.interface(interface).glob("*/input/input*/event*")
        return [Path("/dev/input", path.name) for path in sorted(found)]

    def hidraw_path(self, interface: int) -> Path:
        """Return the raw HID device of an interface."""
        return Path("/dev", next(self.interface(interface).glob("*/hidraw/hidraw*")).name)

    async def event_path(self, interface: int) -> Path:
        """Wait for an interface's event device."""
        await wait_until(lambda: bool(self.event_paths(interface)), f"events of {self.path}:1.{interface}")
        path = self.event_paths(interface)[0]
        await wait_until(path.exists, f"{path}")
        return path

    @asynccontextmanager
    async def events(self, interface: int) -> AsyncIterator[EventReader]:
        """Open and grab an interface's event device."""
        reader = EventReader(await self.event_path(interface))
        try:
            yield reader
        finally:
            reader.close()

    @contextmanager
    def hidraw(self, interface: int) -> Iterator[int]:
        """Open an interface's raw HID device."""
        descriptor = os.open(self.hidraw_path(interface), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    async def get_report(self, interface: int, length: int) -> bytes:
        """Ask for an input report on the control pipe (GET_REPORT), as simple firmware does."""

        def ask() -> bytes:
            with self.hidraw(interface) as descriptor:
                buffer = bytearray(length + 1)
                fcntl.ioctl(descriptor, _hidiocginput(len(buffer)), buffer)
                return bytes(buffer[1:] if buffer[0] == 0 and len(buffer) > length else buffer)

        return await trio.to_thread.run_sync(ask)

    def authorize(self, authorized: bool) -> None:
        """Let the host use the device, or not: it stays plugged in and is deconfigured."""
        self.write("authorized", int(authorized))

    def configure(self, number: int) -> None:
        """Choose a configuration; 0 leaves the device without one (-1 for the kernel's file)."""
        self.write("bConfigurationValue", number or -1)

    async def suspend(self) -> None:
        """Let it fall asleep, as a host does that wants to save power, and wait until it does.

        Once awake again, it stays so for the delay: long enough to hear what it was woken for.
        """
        self.write("power/autosuspend_delay_ms", _AUTOSUSPEND_DELAY_MS)
        self.write("power/control", "auto")
        await wait_until(self.is_suspended, f"{self.path.name} asleep")

    def resume(self) -> None:
        """Wake it up, by the host."""
        self.write("power/control", "on")

    def is_suspended(self) -> bool:
        """Whether the host has put it to sleep."""
        return self.read("power/runtime_status") == "suspended"

    def allow_wakeup(self) -> None:
        """Let the device wake the host, as BIOS setups and desktops offer."""
        self.write("power/wakeup", "enabled")


def find_devices(*, vendor: int, product: int, serial: str | None = None) -> list[UsbDevice]:
    """Return the host's devices that say this of themselves."""
    found = []
    for path in sorted(USB_DEVICES.iterdir()) if USB_DEVICES.is_dir() else ():
        device = UsbDevice(path)
        if not re.fullmatch(r"\d+-[\d.]+", path.name):
            continue
        if (device.read("idVendor"), device.read("idProduct")) != (f"{vendor:04x}", f"{product:04x}"):
            continue
        if serial is None or device.read("serial") == serial:
            found.append(device)
    return found


async def wait_for_device(*, vendor: int, product: int, serial: str | None = None) -> UsbDevice:
    """Wait until the host has such a device, and has configured it."""

    seen: list[UsbDevice] = []

    def configured() -> bool:
        found = find_devices(vendor=vendor, product=product, serial=serial)
        # Kept, since it may be gone again when somebody looks a second time.
        seen.extend(device for device in found if device.read("bConfigurationValue") == "1")
        return bool(seen)

    await wait_until(configured, f"a USB device {vendor:04x}:{product:04x}")
    return seen[0]


async def wait_for_no_device(*, vendor: int, product: int) -> None:
    """Wait until the host has no such device."""
    await wait_until(
        lambda: not find_devices(vendor=vendor, product=product), f"no USB device {vendor:04x}:{product:04x}"
    )
