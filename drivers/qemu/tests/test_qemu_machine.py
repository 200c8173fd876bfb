"""The machine as a whole, on a real QEMU with a real guest."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

from drivers.errors import DeviceGoneError, DriverError, HostNotReadyError
from drivers.ports import LineEdge, NoSignal
from drivers.qemu.machine import QemuMachine
from drivers.video.frame import Frame, PixelFormat

pytestmark = pytest.mark.qemu

type RunMachine = Callable[..., AbstractAsyncContextManager[Any]]


async def wait_for_edge(edges: trio.MemoryReceiveChannel[LineEdge], *, level: bool) -> None:
    with trio.fail_after(60):
        while (await edges.receive()).level is not level:
            pass


async def test_off_on_menu_shell_and_power_off_by_the_guest(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with (
        run_machine(*guest.QEMU_ARGUMENTS, "-cdrom", str(demo_iso)) as console,
        console.machine.power_led.edges() as edges,
    ):
        machine = console.machine
        assert await machine.power_led.read() is False
        assert await console.picture() == NoSignal("target is off")
        with pytest.raises(HostNotReadyError, match="off"):
            await machine.keyboard.write(bytes(8))

        await machine.power_switch.pulse(0.1)
        await wait_for_edge(edges, level=True)
        assert await machine.power_led.read() is True
        await console.wait_for_text(guest.FIRMWARE_TEXT)
        await console.wait_for_text(guest.MENU_TITLE)
        await console.press("Enter")
        await console.wait_for_line(lambda line: line.startswith(guest.PROMPT))
        await console.type("echo is $grub_platform and $grub_cpu\n")
        await console.wait_for_line(lambda line: line == "is pc and i386")

        await console.type("halt\n")
        await wait_for_edge(edges, level=False)
        assert await machine.power_led.read() is False
        assert await console.picture() == NoSignal("target is off")

        await machine.power_switch.pulse(0.1)
        await wait_for_edge(edges, level=True)
        await console.wait_for_text(guest.MENU_TITLE)


async def test_a_short_press_is_the_acpi_button_and_a_long_one_cuts_the_power(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with (
        run_machine(*guest.QEMU_ARGUMENTS, "-cdrom", str(demo_iso)) as console,
        console.machine.power_led.edges() as edges,
    ):
        machine = console.machine
        await machine.power_switch.pulse(0.1)
        await wait_for_edge(edges, level=True)
        await console.wait_for_text(guest.MENU_TITLE)
        # Nobody listens to the ACPI button in the menu.
        await machine.power_switch.pulse(0.1)
        assert await machine.power_led.read() is True
        await console.press("ArrowDown")
        await console.press("ArrowDown")
        await console.press("Enter")
        await console.wait_for_text(guest.POWER_BUTTON_WAIT)
        await machine.power_switch.pulse(0.1)
        await wait_for_edge(edges, level=False)

        await machine.power_switch.pulse(0.1)
        await wait_for_edge(edges, level=True)
        await console.wait_for_text(guest.MENU_TITLE)
        await machine.power_switch.pulse(4.2)
        await wait_for_edge(edges, level=False)
        assert await machine.power_led.read() is False

        # What cut the power also lost the memory: it starts from the firmware.
        await machine.power_switch.pulse(0.1)
        await console.wait_for_text(guest.FIRMWARE_TEXT)


async def test_reset_starts_over_and_does_nothing_when_off(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with run_machine(*guest.QEMU_ARGUMENTS, "-cdrom", str(demo_iso)) as console:
        machine = console.machine
        await machine.reset_switch.pulse(0.1)
        assert await machine.power_led.read() is False
        await machine.power_switch.pulse(0.1)
        await console.wait_for_text(guest.MENU_TITLE)
        await console.press("Enter")
        await console.wait_for_text(guest.PROMPT)
        await machine.reset_switch.pulse(0.1)
        await console.wait_for_text(guest.FIRMWARE_TEXT)
        await console.wait_for_text(guest.MENU_TITLE)
        assert await machine.power_led.read() is True


async def test_the_disk_light_blinks_while_the_guest_reads(run_machine: RunMachine, demo_iso: Path) -> None:
    async with run_machine("-cdrom", str(demo_iso)) as console, console.machine.hdd_led.edges() as edges:
        assert await console.machine.hdd_led.read() is False
        await console.machine.power_switch.pulse(0.1)
        await wait_for_edge(edges, level=True)
        await wait_for_edge(edges, level=False)


@pytest.mark.fault("QEMU", "mode change")
async def test_pictures_follow_the_video_mode(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType
) -> None:
    async with (
        run_machine("-cdrom", str(demo_iso)) as console,
        console.machine.video.open(max_fps=0) as video,
    ):
        await console.machine.power_switch.pulse(0.1)
        await console.wait_for_text(guest.MENU_TITLE)
        await console.press("ArrowDown")
        await console.press("Enter")
        sizes: list[tuple[int, int]] = []
        with trio.fail_after(60):
            while guest.GRAPHICS_SIZE not in sizes:
                frame = await video.next()
                assert isinstance(frame, Frame)
                assert frame.format is PixelFormat.BGRX32
                assert frame.stride_bytes == frame.width * 4
                assert len(frame.data) == frame.stride_bytes * frame.height
                if (frame.width, frame.height) not in sizes:
                    sizes.append((frame.width, frame.height))
                frame.release()
        assert sizes == [(720, 400), guest.GRAPHICS_SIZE]


async def test_a_screen_that_stands_still_is_the_same_object(run_machine: RunMachine) -> None:
    # Without anything to boot the firmware ends on a message, with no blinking cursor in graphics mode.
    async with run_machine("-nic", "none") as console, console.machine.video.open(max_fps=0) as video:
        await console.machine.power_switch.pulse(0.1)
        await console.wait_for_text("No bootable device")
        with trio.fail_after(60):
            previous = await video.next()
            while True:
                frame = await video.next()
                assert isinstance(previous, Frame)
                assert isinstance(frame, Frame)
                if frame.data is previous.data:
                    break
                previous = frame
        assert frame.grab_begin > previous.grab_end


@pytest.mark.fault("QEMU", "killed", "returns")
async def test_a_killed_qemu_is_a_gone_device_and_the_next_run_works(
    qemu_binary: str, qemu_pid: Callable[[], int], demo_iso: Path
) -> None:
    machine = QemuMachine(qemu_binary, ["-m", "64", "-cdrom", str(demo_iso)])
    async with machine.video.open(max_fps=0) as video, machine.power_led.edges() as edges:
        with pytest.raises(DeviceGoneError, match=r"QEMU \(pid \d+\) was ended by SIGKILL"):
            await _run_and_kill(machine, qemu_pid, edges)
        assert (await edges.receive()).level is False
        with pytest.raises(DeviceGoneError):
            await machine.power_led.read()
        with pytest.raises(DeviceGoneError):
            await machine.keyboard.write(bytes(8))
        with pytest.raises(DeviceGoneError):
            await machine.power_switch.pulse(0.1)
        with pytest.raises(DeviceGoneError):
            await video.next()

        async with trio.open_nursery() as nursery:
            await nursery.start(machine.run)
            assert await machine.power_led.read() is False
            assert await video.next() == NoSignal("target is off")
            await machine.power_switch.pulse(0.1)
            with trio.fail_after(60):
                while not isinstance(await video.next(), Frame):
                    pass
            nursery.cancel_scope.cancel()


async def _run_and_kill(
    machine: QemuMachine, qemu_pid: Callable[[], int], edges: trio.MemoryReceiveChannel[LineEdge]
) -> None:
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(machine.run)
            await machine.power_switch.pulse(0.1)
            await wait_for_edge(edges, level=True)
            os.kill(qemu_pid(), signal.SIGKILL)
            await trio.sleep_forever()
    except* DriverError as group:
        (fault,) = group.exceptions
        raise fault from None
