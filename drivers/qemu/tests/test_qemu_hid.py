"""Keyboard and mice on a real QEMU: what a port is given is what the guest fetches over USB."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

from drivers.errors import HostNotReadyError
from drivers.wire.hid_report import KeyboardReports, PointerReports
from drivers.wire.hid_to_qmp import keys_of, parse_pointer, pointer_events
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS
from drivers.wire.qkeycodes import QKEYCODES

pytestmark = pytest.mark.qemu

type RunMachine = Callable[..., AbstractAsyncContextManager[Any]]

# A UEFI firmware whose keyboard driver sets the lock LEDs; SeaBIOS leaves them alone.
UEFI = Path("/usr/share/ovmf/OVMF.fd")


async def at_the_menu(console: Any, guest: ModuleType) -> None:
    """Turn on and wait until the firmware has set up its keyboard and mouse."""
    await console.machine.power_switch.pulse(0.1)
    await console.wait_for_text(guest.MENU_TITLE)


async def test_the_guest_fetches_exactly_the_keys_that_were_pressed(run_machine: RunMachine) -> None:
    # Without anything to boot the firmware fetches keys and does nothing with them.
    async with run_machine("-nic", "none") as console:
        await console.machine.power_switch.pulse(0.1)
        await console.wait_for_text("No bootable device")
        tap = console.machine._taps["farhand-keyboard"]
        for name, key in KEYS.items():
            keyboard = KeyboardReports()
            for report in keyboard.press(key) + keyboard.release(key):
                await console.machine.keyboard.write(report)
                if key.usage in QKEYCODES:
                    assert tap.report == report, name


async def test_many_keys_at_once_do_not_overflow_qemus_queue(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with run_machine("-cdrom", str(demo_iso)) as console:
        await at_the_menu(console, guest)
        tap = console.machine._taps["farhand-keyboard"]
        cursor_and_modifiers = bytes.fromhex("ff004f5051524a4d")
        letters = bytes.fromhex("0000040506070809")
        for report in (cursor_and_modifiers, letters, cursor_and_modifiers, bytes(8)):
            await console.machine.keyboard.write(report)
            assert keys_of(tap.report) == keys_of(report)


@pytest.mark.fault("QEMU", "host leaves")
async def test_a_busy_guest_is_a_host_that_is_not_ready(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with run_machine("-cdrom", str(demo_iso)) as console:
        await at_the_menu(console, guest)
        await console.press("Enter")
        await console.wait_for_text(guest.PROMPT)
        # A script without end: the firmware's interrupt handler, which reads the keyboard, never runs.
        await console.type("while true; do true; done\n")
        keyboard = KeyboardReports()
        reports = keyboard.press(KEYS["KeyA"]) + keyboard.release(KEYS["KeyA"])

        async def keep_typing() -> None:
            for report in reports * 1000:
                await console.machine.keyboard.write(report)

        with pytest.raises(HostNotReadyError, match="does not fetch"):
            await keep_typing()


@pytest.mark.fault("QEMU", "host leaves")
async def test_a_paused_guest_is_a_host_that_is_not_ready(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with run_machine("-cdrom", str(demo_iso)) as console:
        await at_the_menu(console, guest)
        machine = console.machine
        await machine.qmp().execute("stop")
        for _ in range(5):
            with pytest.raises(HostNotReadyError, match="VM not running"):
                await machine.keyboard.write(bytes.fromhex("0000510000000000"))
        await machine.qmp().execute("cont")
        # The repeated report counts once: one key, and the guest knows it is held.
        await machine.keyboard.write(bytes.fromhex("0000510000000000"))
        with trio.fail_after(60):
            while machine._taps["farhand-keyboard"].report != bytes.fromhex("0000510000000000"):
                await trio.sleep(0.01)
        await machine.keyboard.write(bytes(8))
        # One arrow down, one line down: the second entry is chosen.
        await console.press("Enter")
        with trio.fail_after(60):
            async with machine.video.open(max_fps=0) as video:
                while (frame := await video.next()) and (frame.width, frame.height) != guest.GRAPHICS_SIZE:
                    pass


@pytest.mark.fault("QEMU", "host leaves")
async def test_a_reset_lets_go_of_the_keys(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with run_machine("-cdrom", str(demo_iso)) as console:
        await at_the_menu(console, guest)
        machine = console.machine
        held = bytes.fromhex("0000510000000000")
        await machine.keyboard.write(held)
        await machine.reset_switch.pulse(0.1)
        with trio.fail_after(60):
            while machine._taps["farhand-keyboard"].configured:
                await trio.sleep(0.01)
        with pytest.raises(HostNotReadyError, match="not set up"):
            await machine.keyboard.write(bytes(8))
        with trio.fail_after(60):
            while not machine._taps["farhand-keyboard"].configured:
                await trio.sleep(0.01)
        # The same report again is news for the device that started afresh.
        await machine.keyboard.write(held)
        assert machine._taps["farhand-keyboard"].report == held


async def test_the_guest_fetches_what_the_relative_mouse_was_given(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with run_machine("-cdrom", str(demo_iso)) as console:
        await at_the_menu(console, guest)
        mouse = console.machine.relative_pointer
        tap = console.machine._taps["farhand-mouse"]
        reports = PointerReports(absolute=False, horizontal_wheel=True)
        for report in (
            *reports.relative(5, -7),
            *reports.press(MOUSE_BUTTONS["right"]),
            *reports.wheel(0, 1),
            *reports.wheel(0, -3),
            *reports.clear(),
        ):
            await mouse.write(report)
            # QEMU's mouse has no horizontal wheel, hence four bytes.
            assert tap.report == report[:4]


async def test_a_mouse_that_the_guest_does_not_use_is_not_ready(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with run_machine("-cdrom", str(demo_iso)) as console:
        await at_the_menu(console, guest)
        # SeaBIOS has no driver for a tablet.
        with pytest.raises(HostNotReadyError, match="not set up"):
            await console.machine.absolute_pointer.write(bytes(7))


async def test_qemu_knows_every_pointer_event_that_we_send(run_machine: RunMachine) -> None:
    async with run_machine() as console:
        await console.machine.power_switch.pulse(0.1)
        for absolute in (True, False):
            mouse = PointerReports(absolute=absolute, horizontal_wheel=True)
            reports = [*mouse.move(1, 2), *mouse.relative(3, 4)]
            for button in MOUSE_BUTTONS.values():
                reports += mouse.press(button)
            reports += [*mouse.wheel(127, -127), *mouse.wheel(-127, 127)]
            for report in reports:
                events = pointer_events(0, parse_pointer(report, absolute=absolute), absolute=absolute)
                assert await console.machine.qmp().execute("input-send-event", {"events": events}) == {}


async def test_each_mouse_is_aimed_at(run_machine: RunMachine) -> None:
    async with run_machine() as console:
        machine = console.machine
        routing = machine._routing
        for pointer in (machine.absolute_pointer, machine.relative_pointer, machine.absolute_pointer):
            await routing.aim(pointer.index)
            mice = await machine.qmp().execute("query-mice")
            (current,) = [mouse for mouse in mice if mouse["current"]]
            assert current["index"] == pointer.index
            assert current["absolute"] is pointer.absolute
            assert "HID" in current["name"]


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_lock_lights_come_back_from_the_guest(run_machine: RunMachine) -> None:
    assert await trio.Path(UEFI).exists(), f"expected a UEFI firmware at {UEFI}: install Debian's ovmf"
    async with run_machine("-m", "256", "-nic", "none", "-bios", str(UEFI)) as console:
        machine = console.machine
        await machine.power_switch.pulse(0.1)
        async with machine.keyboard.leds() as leds:
            with trio.fail_after(300):
                # The firmware sets all lights when it starts, and nothing else before a key is pressed.
                byte = await leds.receive()
                assert byte == 0
                for name, light in (("CapsLock", 2), ("NumLock", 1), ("ScrollLock", 4), ("CapsLock", 2)):
                    wanted = light & ~byte
                    # A firmware that sets its devices up once more forgets what was pressed before.
                    while byte & light != wanted:
                        await console.press(name)
                        with trio.move_on_after(15):
                            while byte & light != wanted:
                                byte = await leds.receive()
            async with machine.keyboard.leds() as late:
                assert late.receive_nowait() == byte
            await machine.power_switch.pulse(4.2)
            # What was told last may be told again before the power goes.
            with trio.fail_after(60):
                while await leds.receive() != 0:
                    pass
