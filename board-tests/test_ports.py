"""What the appliance relies on, whatever stands behind the ports (drivers/ports.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from drivers.errors import DeviceBusyError, DriverError, HostNotReadyError
from drivers.ports import Medium, NoSignal
from drivers.video.frame import Frame
from drivers.video.jpeg import JpegEncoder
from firmware.boards.board import Board

DEADLINE_S = 60
PRESS_S = 0.1
HARD_OFF_S = 4.5
A_DOWN = bytes((0, 0, 4, 0, 0, 0, 0, 0))


async def power_is(board: Board, *, on: bool) -> None:
    with trio.fail_after(DEADLINE_S):
        while await board.power_led.read() is not on:
            await trio.sleep(0.05)


async def test_a_press_turns_it_on_and_holding_turns_it_off(board: Board) -> None:
    await power_is(board, on=False)
    async with board.power_led.edges() as edges:
        await board.power_switch.pulse(PRESS_S)
        await power_is(board, on=True)
        with trio.fail_after(DEADLINE_S):
            assert (await edges.receive()).level is True
        await board.power_switch.pulse(HARD_OFF_S)
        await power_is(board, on=False)


async def test_a_picture_comes_with_the_power_and_goes_with_it(board: Board) -> None:
    async with board.video.open(max_fps=30) as stream:
        with trio.fail_after(DEADLINE_S):
            assert isinstance(await stream.next(), NoSignal)
        await board.power_switch.pulse(PRESS_S)
        with trio.fail_after(DEADLINE_S):
            while isinstance(item := await stream.next(), NoSignal):
                assert item.reason
        assert item.stride_bytes >= item.width > 0
        assert item.grab_end >= item.grab_begin
        jpeg = await trio.to_thread.run_sync(JpegEncoder().encode, item, 80)
        assert jpeg[:2] == b"\xff\xd8"
        item.release()
        await board.power_switch.pulse(HARD_OFF_S)
        with trio.fail_after(DEADLINE_S):
            while isinstance(item := await stream.next(), Frame):
                item.release()


async def test_a_wanted_size_is_a_wish(board: Board) -> None:
    await board.power_switch.pulse(PRESS_S)
    for size in ((640, 360), (2, 2), (100_000, 100_000)):
        async with board.video.open(max_fps=30, size=size) as stream:
            with trio.fail_after(DEADLINE_S):
                while isinstance(item := await stream.next(), NoSignal):
                    pass
            assert len(item.data) >= item.stride_bytes * (item.height - 1) + item.width
            item.release()


async def test_nobody_takes_reports_while_it_is_off(board: Board) -> None:
    with pytest.raises(HostNotReadyError):
        await board.keyboard.write(A_DOWN)
    with pytest.raises(HostNotReadyError):
        await board.mouse.write(bytes(7 if board.mouse.horizontal_wheel else 6))


async def test_the_two_mice_are_of_different_kinds(board: Board) -> None:
    assert board.mouse_alt is not None
    assert board.mouse.absolute is not board.mouse_alt.absolute


async def test_a_reset_keeps_the_power_on(board: Board) -> None:
    await board.power_switch.pulse(PRESS_S)
    await power_is(board, on=True)
    await board.reset_switch.pulse(PRESS_S)
    await trio.sleep(0.5)
    assert await board.power_led.read() is True


@pytest.mark.parametrize("cdrom", [True, False])
async def test_a_medium_goes_in_and_out(board: Board, tmp_path: Path, cdrom: bool) -> None:
    image = tmp_path / "image.img"
    image.write_bytes(bytes(1 << 20))
    medium = Medium(image, cdrom=cdrom, rw=not cdrom)
    async with board.media.media() as media:
        with trio.fail_after(DEADLINE_S):
            assert await media.receive() is None
            await board.media.insert(medium)
            assert await media.receive() == medium
            with pytest.raises(DeviceBusyError):
                await board.media.insert(medium)
            await board.media.eject(force=True)
            assert await media.receive() is None
            await board.media.eject()


async def test_an_image_that_is_not_there_is_refused_by_name(board: Board, tmp_path: Path) -> None:
    missing = tmp_path / "missing.iso"
    with pytest.raises(DriverError, match=r"missing\.iso"):
        await board.media.insert(Medium(missing, cdrom=True, rw=False))
    async with board.media.media() as media:
        with trio.fail_after(DEADLINE_S):
            assert await media.receive() is None
