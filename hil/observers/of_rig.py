"""The view of the rig's PC: input events, block devices and line levels of its kernel."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from peers import block_host
from peers.block_host import HostDrive
from peers.rig_pc import RigPc
from peers.usb_host import EV_ABS, EV_KEY, EV_MSC, EV_SYN, EventReader, UsbDevice, find_devices

KEYBOARD, ABSOLUTE_MOUSE = 0, 1
"""Interfaces, in the order of the functions (contract subsystems.md 2.6)."""
DEADLINE_S = 60
DEAF_S = 0.2
"""The kernel drops events for 50 ms after an opening."""
PRESSED = 1
"""Value of a key event; 0 is a release, 2 the kernel's own repetition."""
_MSC_SCAN = 4
_USAGE_PAGE_KEYBOARD = 0x07
_BUTTON_CODES = {272: 0x01, 273: 0x02, 274: 0x04, 275: 0x08, 276: 0x10}
"""BTN_LEFT and so on, and their bits in the report."""
_AXES = ("x", "y")


class RigView:
    """What the rig's PC sees; `watched` makes it."""

    def __init__(self, pc: RigPc, *, vendor: int, product: int, serial: str) -> None:
        self._pc = pc
        self._ids = {"vendor": vendor, "product": product}
        self._serial = serial
        self._held: set[int] = set()
        self._pointer = {"x": 0, "y": 0}
        self._buttons = 0
        self._keyboard: EventReader | None = None
        self._following: set[int] = set()
        self.pressed: list[int] = []
        """All keys that ever went down, as HID usages, in their order."""
        self.changed = trio.Event()
        """Set at the next event; then there is a new one."""

    @property
    def pointer(self) -> tuple[int, int, int]:
        """Where the absolute mouse is, and its buttons."""
        return self._pointer["x"], self._pointer["y"], self._buttons

    async def run(self) -> None:
        """Follow the input devices, as often as they come and go."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, KEYBOARD)
            nursery.start_soon(self._follow, ABSOLUTE_MOUSE)

    async def _follow(self, interface: int) -> None:
        while True:
            device = self._device()
            if device is None or not (paths := device.event_paths(interface)) or not paths[0].exists():
                await trio.sleep(0.02)
                continue
            reader = EventReader(paths[0])
            if interface == KEYBOARD:
                self._held.clear()
                self._keyboard = reader
            try:
                # A Linux host ignores what comes in the first moments after somebody began to listen.
                await trio.sleep(DEAF_S)
                self._following.add(interface)
                await self._read(reader)
            except OSError:
                # Unplugged, or its host is off.
                continue
            finally:
                self._following.discard(interface)
                if interface == KEYBOARD:
                    self._keyboard = None
                reader.close()

    async def _read(self, reader: EventReader) -> None:
        usage = 0
        while True:
            event = await reader.event()
            if event.kind == EV_MSC and event.code == _MSC_SCAN:
                usage = event.value
            elif event.kind == EV_KEY and usage >> 16 == _USAGE_PAGE_KEYBOARD:
                (self._held.add if event.value else self._held.discard)(usage & 0xFFFF)
                if event.value == PRESSED:
                    self.pressed.append(usage & 0xFFFF)
            elif event.kind == EV_KEY and event.code in _BUTTON_CODES:
                bit = _BUTTON_CODES[event.code]
                self._buttons = self._buttons | bit if event.value else self._buttons & ~bit
            elif event.kind == EV_ABS and event.code < len(_AXES):
                self._pointer[_AXES[event.code]] = event.value
            elif event.kind == EV_SYN:
                self.changed.set()
                self.changed = trio.Event()

    def _device(self) -> UsbDevice | None:
        found = find_devices(**self._ids, serial=self._serial)
        return next((one for one in found if one.read("bConfigurationValue") == "1"), None)

    @property
    def is_listening(self) -> bool:
        """Whether all input devices are followed."""
        return self._following == {KEYBOARD, ABSOLUTE_MOUSE}

    async def listens(self) -> None:
        with trio.fail_after(DEADLINE_S):
            while not self.is_listening:
                await trio.sleep(0.01)

    async def keys_become(self, usages: frozenset[int]) -> None:
        with trio.fail_after(DEADLINE_S):
            while self._keyboard is None or self._held != usages:
                await trio.sleep(0.01)

    async def set_leds(self, leds: int) -> None:
        with trio.fail_after(DEADLINE_S):
            while self._keyboard is None:
                await trio.sleep(0.01)
        for number in range(3):
            self._keyboard.set_led(number, bool(leds >> number & 1))

    async def read_medium(self, length: int) -> bytes:
        drive = await self._drive()
        await trio.to_thread.run_sync(drive.wait_size, length)
        return await trio.to_thread.run_sync(drive.read, 0, length)

    async def write_medium(self, offset: int, data: bytes) -> None:
        drive = await self._drive()
        await trio.to_thread.run_sync(drive.write, offset, data)

    async def eject_medium(self) -> None:
        drive = await self._drive()
        await trio.to_thread.run_sync(drive.eject)

    async def _drive(self) -> HostDrive:
        return await trio.to_thread.run_sync(block_host.find, self._serial)

    def presses_s(self) -> list[float]:
        return list(self._pc.presses_s)


@asynccontextmanager
async def watched(pc: RigPc, *, vendor: int, product: int, serial: str) -> AsyncIterator[RigView]:
    """Follow what the PC sees of the gadget with these ids, for the length of a block."""
    assert os.environ.get("FARHAND_RIG"), "expected to run inside the rig"
    view = RigView(pc, vendor=vendor, product=product, serial=serial)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(view.run)
        yield view
        nursery.cancel_scope.cancel()
