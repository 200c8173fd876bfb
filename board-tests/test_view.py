"""What the target sees of what the appliance does, and the other way round."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from observers.view import TargetView

from drivers.errors import HostNotReadyError
from drivers.ports import Medium
from drivers.wire.hid_report import KeyboardReports, PointerReports
from drivers.wire.hid_usages import KEYS
from firmware.boards.board import Board

DEADLINE_S = 60
PRESS_S = 0.2
WHOLE_SECTORS = b"from the target " * 128
NAMES = ("KeyA", "ShiftLeft", "Digit1", "F12", "ControlRight", "Enter")


async def write(port_write: Callable[[bytes], Awaitable[None]], report: bytes) -> None:
    """Write a report to a host that may still be starting."""
    with trio.fail_after(DEADLINE_S):
        while True:
            try:
                await port_write(report)
            except HostNotReadyError:
                await trio.sleep(0.05)
            else:
                return


async def turn_on(board: Board, view: TargetView) -> None:
    await board.power_switch.pulse(PRESS_S)
    with trio.fail_after(DEADLINE_S):
        while not await board.power_led.read():
            await trio.sleep(0.05)
        await view.listens()


async def test_keys_go_down_and_come_up_at_the_target(board: Board, view: TargetView) -> None:
    await turn_on(board, view)
    keyboard = KeyboardReports()
    held: set[int] = set()
    for name in NAMES:
        held.add(KEYS[name].usage)
        for report in keyboard.press(KEYS[name]):
            await write(board.keyboard.write, report)
        await view.keys_become(frozenset(held))
    for report in keyboard.clear():
        await write(board.keyboard.write, report)
    await view.keys_become(frozenset())


async def test_the_pointer_goes_where_it_is_sent(board: Board, view: TargetView) -> None:
    await turn_on(board, view)
    # Asked before anything is sent: firmware that has no driver for it never takes a report.
    assert view.pointer
    pointer = PointerReports(absolute=True, horizontal_wheel=board.mouse.horizontal_wheel)
    for x, y in ((0, 0), (-32768, 32767), (1234, -4321)):
        (report,) = pointer.move(x, y)
        await write(board.mouse.write, report)
        sent = (int.from_bytes(report[1:3], "little"), int.from_bytes(report[3:5], "little"), 0)
        with trio.fail_after(DEADLINE_S):
            while view.pointer != sent:
                await trio.sleep(0.01)


async def test_lock_leds_of_the_target_arrive(board: Board, view: TargetView) -> None:
    await turn_on(board, view)
    # Once it takes a key it has set the keyboard up.
    await write(board.keyboard.write, bytes(8))
    async with board.keyboard.leds() as leds:
        for wanted in (0b010, 0b111, 0):
            await view.set_leds(wanted)
            with trio.fail_after(DEADLINE_S):
                while await leds.receive() != wanted:
                    pass


async def test_a_press_is_short_or_long_as_asked(board: Board, view: TargetView) -> None:
    before = len(view.presses_s())
    await turn_on(board, view)
    await board.power_switch.pulse(4.5)
    with trio.fail_after(DEADLINE_S):
        while len(presses_s := view.presses_s()[before:]) < 2:
            await trio.sleep(0.05)
    # Four seconds tell them apart for a PC (ACPI 4.8.3.1.1); their exact lengths are measured by the kernel's
    # own clock, in hil/kernel and `just bench-atx`.
    assert presses_s[0] < 4
    assert presses_s[1] > 4


@pytest.mark.parametrize("cdrom", [True, False])
async def test_the_target_reads_the_medium(
    board: Board, view: TargetView, tmp_path: Path, cdrom: bool
) -> None:
    content = bytes(range(256)) * 8192
    image = tmp_path / "image.img"
    image.write_bytes(content)
    await turn_on(board, view)
    await board.media.insert(Medium(image, cdrom=cdrom, rw=False))
    try:
        assert await view.read_medium(len(content)) == content
    finally:
        await board.media.eject(force=True)


async def test_the_target_writes_to_the_medium(board: Board, view: TargetView, tmp_path: Path) -> None:
    image = tmp_path / "image.img"
    image.write_bytes(bytes(1 << 20))
    await turn_on(board, view)
    await board.media.insert(Medium(image, cdrom=False, rw=True))
    try:
        await view.read_medium(1 << 20)
        await view.write_medium(4096, WHOLE_SECTORS)
    finally:
        await board.media.eject(force=True)
    assert image.read_bytes()[4096 : 4096 + len(WHOLE_SECTORS)] == WHOLE_SECTORS


async def test_the_target_ejects_the_medium(board: Board, view: TargetView, tmp_path: Path) -> None:
    image = tmp_path / "image.iso"
    image.write_bytes(bytes(1 << 20))
    await turn_on(board, view)
    async with board.media.media() as media:
        with trio.fail_after(DEADLINE_S):
            assert await media.receive() is None
            await board.media.insert(Medium(image, cdrom=True, rw=False))
            assert await media.receive() is not None
            await view.read_medium(1 << 20)
            await view.eject_medium()
            assert await media.receive() is None
