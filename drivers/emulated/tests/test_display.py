"""The display: signal, mode changes, a steady rate of pictures, the same object while nothing changes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import trio
from trio.testing import MockClock

from drivers.emulated.machine import Phase
from drivers.emulated.measured_picture import Additions
from drivers.emulated.pc import EmulatedPc
from drivers.ports import NoSignal, VideoSource
from drivers.video import time_stripe
from drivers.video.frame import Frame, PixelFormat
from drivers.video.glyph_reader import frame_of_jpeg, read_text
from drivers.video.text import Line

CLICK_S = 0.1


def check_protocol(pc: EmulatedPc) -> VideoSource:
    return pc.video


def frame(picture: Frame | NoSignal) -> Frame:
    assert isinstance(picture, Frame), picture
    assert len(picture.data) == picture.stride_bytes * picture.height
    return picture


async def test_a_pc_that_is_on_has_a_picture_at_once(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    began = trio.current_time()
    async with pc.video.open(max_fps=30) as stream:
        first = frame(await stream.next())
    assert trio.current_time() == began
    assert (first.width, first.height, first.format) == (1280, 720, PixelFormat.YUYV)
    assert read_text(first)[0] == "farhand-pc:~$"
    assert first.grab_begin <= first.grab_end


async def test_from_power_on_to_the_prompt(autojump_clock: MockClock, pc_off: EmulatedPc, see: Any) -> None:
    seen: list[tuple[int, int] | str] = []
    texts: list[str] = []
    async with pc_off.video.open(max_fps=30) as stream, trio.open_nursery() as nursery:
        picture = await stream.next()
        assert picture == NoSignal("target is off")
        nursery.start_soon(pc_off.power_switch.pulse, CLICK_S)
        while pc_off.observer.phase != Phase.RUNNING:
            picture = await stream.next()
            what = picture.reason if isinstance(picture, NoSignal) else (picture.width, picture.height)
            if not seen or seen[-1] != what:
                seen.append(what)
            if isinstance(picture, Frame):
                texts += read_text(frame(picture))
        assert seen == ["target is starting", (640, 480), (1280, 720)]
        await pc_off.power_switch.pulse(CLICK_S)
        while isinstance(picture := await stream.next(), Frame):
            pass
        assert picture == NoSignal("target is off")
    for expected in (
        "Farhand Emulated PC",
        "Memory test: 1048576 KB",
        "Memory test: 2097152 KB OK",
        "  Farhand keyboard",
        "Press DEL or F2 to enter setup",
        "Starting the system ...",
    ):
        assert expected in texts


@pytest.mark.fault("emulated PC", "no signal")
async def test_without_a_signal_the_stream_waits_for_one(
    autojump_clock: MockClock, pc_off: EmulatedPc
) -> None:
    async with pc_off.video.open(max_fps=30) as stream:
        assert isinstance(await stream.next(), NoSignal)
        with trio.move_on_after(3600) as scope:
            await stream.next()
        assert scope.cancelled_caught


@pytest.mark.parametrize(("max_fps", "rate_hz"), [(0, 60), (10, 10), (500, 60)])
async def test_pictures_come_at_the_capture_rate_also_when_nothing_changes(
    autojump_clock: MockClock, pc: EmulatedPc, max_fps: int, rate_hz: int
) -> None:
    async with pc.video.open(max_fps=max_fps) as stream:
        data = frame(await stream.next()).data
        began = trio.current_time()
        for _ in range(rate_hz * 2):
            assert frame(await stream.next()).data is data
        assert trio.current_time() - began == pytest.approx(2)
    assert pc.video.statistics()["pictures_drawn"] == 1


async def test_a_slow_reader_gets_the_newest_and_no_backlog(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any
) -> None:
    async with pc.video.open(max_fps=30) as stream:
        await stream.next()
        await hands(pc).type("abc")
        await trio.sleep(10)
        began = trio.current_time()
        assert read_text(frame(await stream.next()))[0] == "farhand-pc:~$ abc"
        assert trio.current_time() == began
        for _ in range(30):
            await stream.next()
        assert trio.current_time() - began == pytest.approx(1, abs=1 / 30 + 1e-6)


async def test_several_captures_share_the_drawing(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    async with pc.video.open(max_fps=30) as one, pc.video.open(max_fps=5) as other:
        assert frame(await one.next()).data is frame(await other.next()).data
        began = trio.current_time()
        for _ in range(5):
            await other.next()
        assert trio.current_time() - began == pytest.approx(1)
    assert pc.video.statistics()["pictures_drawn"] == 1


async def test_nothing_is_drawn_while_nobody_looks(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any
) -> None:
    await hands(pc).type("flood 5\n")
    await trio.sleep(10)
    assert pc.video.statistics()["pictures_drawn"] == 0


async def test_only_changed_rows_are_drawn_anew(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Line] = []
    draw = pc.video._renderer.band

    def band(line: Line, width_px: int) -> bytes:
        drawn.append(line)
        return draw(line, width_px)

    monkeypatch.setattr(pc.video._renderer, "band", band)
    async with pc.video.open(max_fps=30) as stream:
        await stream.next()
        drawn.clear()
        await hands(pc).type("x")
        await stream.next()
    assert len(drawn) == 1


@pytest.mark.fault("emulated PC", "mode change")
async def test_the_mode_can_change_to_sizes_that_are_no_multiple_of_a_cell(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, see: Any
) -> None:
    async with pc.video.open(max_fps=30) as stream:
        for width, height in ((1920, 1080), (800, 600), (640, 480), (1280, 720)):
            await hands(pc).type(f"mode {width}x{height}\n")
            await trio.sleep(0.1)
            picture = frame(await stream.next())
            assert (picture.width, picture.height) == (width, height)
            assert (await see(pc))[-1].startswith(" mouse")
        await hands(pc).type("mode 1x1\n")
        await trio.sleep(0.1)
        assert "mode: expected one of 640x480 800x600" in "\n".join(await see(pc))


async def test_colour_bars_have_their_colours_after_jpeg(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, jpeg_of: Any
) -> None:
    await hands(pc).type("colors\n")
    await trio.sleep(0.1)
    async with pc.video.open(max_fps=30) as stream:
        decoded = frame_of_jpeg(jpeg_of(frame(await stream.next())))
    expected = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0)]
    expected += [(191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0)]
    for bar, colour in enumerate(expected):
        at = 300 * decoded.stride_bytes + (bar * 160 + 80) * 3
        assert tuple(decoded.data[at : at + 3]) == pytest.approx(colour, abs=6)


async def test_the_setup_opens_on_del_and_waits(
    autojump_clock: MockClock, pc_off: EmulatedPc, hands: Any, see: Any
) -> None:
    await pc_off.power_switch.pulse(CLICK_S)
    await pc_off.observer.wait_until(lambda: pc_off.observer.phase == Phase.POST)
    await hands(pc_off).press("Delete")
    await pc_off.observer.wait_until(lambda: pc_off.observer.phase == Phase.SETUP)
    await trio.sleep(3600)
    assert "Setup Utility" in (await see(pc_off))[0]
    await hands(pc_off).press("F10")
    assert pc_off.observer.resets == 1
    await pc_off.observer.wait_until(lambda: pc_off.observer.phase == Phase.POST)
    await hands(pc_off).press("F2")
    await pc_off.observer.wait_until(lambda: pc_off.observer.phase == Phase.SETUP)
    await hands(pc_off).press("Escape")
    await pc_off.observer.wait_until(lambda: pc_off.observer.phase == Phase.RUNNING)
    assert pc_off.observer.resets == 1


async def test_a_capture_scales_to_the_size_that_it_was_asked_for(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    async with pc.video.open(max_fps=30) as plain:
        original = frame(await plain.next())
    double = (original.width * 2, original.height * 2)
    async with pc.video.open(max_fps=30, size=double) as stream, pc.video.open(max_fps=30) as other:
        scaled = frame(await stream.next())
        assert (scaled.width, scaled.height, scaled.stride_bytes) == (*double, double[0] * 2)
        assert len(scaled.data) == scaled.stride_bytes * scaled.height
        # Every second pixel of every second row is near what it was.
        small = np.frombuffer(original.data, np.uint8).reshape(original.height, -1, 2)[..., 0]
        large = np.frombuffer(scaled.data, np.uint8).reshape(scaled.height, -1, 2)[..., 0]
        halved = large.reshape(original.height, 2, original.width, 2).mean(axis=(1, 3))
        assert np.abs(halved - small).mean() < 12
        assert frame(await stream.next()).data is scaled.data
        assert frame(await other.next()).width == original.width


@pytest.mark.parametrize(
    ("size", "given"), [((101, 51), (100, 51)), ((1, 1), (2, 1)), ((10**9, 10), (4096, 10))]
)
async def test_a_capture_comes_as_near_to_a_size_as_it_can(
    autojump_clock: MockClock, pc: EmulatedPc, size: tuple[int, int], given: tuple[int, int]
) -> None:
    async with pc.video.open(max_fps=30, size=size) as stream:
        scaled = frame(await stream.next())
    assert (scaled.width, scaled.height) == given


async def test_a_broken_picture_stays_broken_when_scaled(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    pc.faults.set("video", "corrupt")
    async with pc.video.open(max_fps=30, size=(320, 200)) as stream:
        broken = await stream.next()
    assert isinstance(broken, Frame)
    assert len(broken.data) < broken.stride_bytes * broken.height


@pytest.mark.parametrize("key", ["Digit1", "Digit2", "Digit3", "Escape"])
async def test_the_boot_menu_without_a_medium_ends_at_the_disk(
    autojump_clock: MockClock, pc_off: EmulatedPc, hands: Any, see: Any, key: str
) -> None:
    await pc_off.power_switch.pulse(CLICK_S)
    await pc_off.observer.wait_until(lambda: pc_off.observer.phase == Phase.POST)
    await hands(pc_off).press("F12")
    await pc_off.observer.wait_until(lambda: pc_off.observer.phase == Phase.BOOT_MENU)
    await trio.sleep(3600)
    assert "Boot Menu" in (await see(pc_off))[0]
    await hands(pc_off).press(key)
    await pc_off.observer.wait_until(lambda: pc_off.observer.phase == Phase.RUNNING)
    assert pc_off.observer.boot_source == "disk"


@pytest.mark.parametrize("size", [None, (1920, 1080)])
async def test_the_time_of_drawing_is_on_each_picture(size: tuple[int, int] | None) -> None:
    pc = EmulatedPc(additions=Additions(time_stripe=True))
    async with trio.open_nursery() as nursery:
        await nursery.start(pc.run)
        async with pc.video.open(max_fps=60, size=size) as stream:
            before = time.monotonic()
            for _ in range(3):
                picture = frame(await stream.next())
                drawn_at = time_stripe.read(bytes(picture.data)[::2], picture.width, near_s=before)
                assert drawn_at is not None
                assert before <= drawn_at + time_stripe.TICK_S
                assert picture.grab_begin <= drawn_at + time_stripe.TICK_S
                assert drawn_at - time_stripe.TICK_S <= picture.grab_end <= time.monotonic()
                before = drawn_at
            picture = frame(await stream.next())
        if size is None:
            below = slice(time_stripe.STRIPE_HEIGHT_PX * picture.stride_bytes, None)
            plain = pc.video.capture()
            assert bytes(picture.data)[below] == bytes(frame(plain).data)[below]
        nursery.cancel_scope.cancel()


async def test_a_picture_too_small_for_the_time_has_none() -> None:
    pc = EmulatedPc(additions=Additions(time_stripe=True))
    async with trio.open_nursery() as nursery:
        await nursery.start(pc.run)
        async with pc.video.open(max_fps=60, size=(320, 240)) as stream:
            picture = frame(await stream.next())
        assert time_stripe.read(bytes(picture.data)[::2], picture.width, near_s=0) is None
        nursery.cancel_scope.cancel()


async def test_the_whole_picture_moves(autojump_clock: MockClock) -> None:
    pc, still = EmulatedPc(additions=Additions(moving=True)), EmulatedPc()
    async with trio.open_nursery() as nursery:
        await nursery.start(pc.run)
        await nursery.start(still.run)
        async with pc.video.open(max_fps=30) as stream, still.video.open(max_fps=30) as other:
            pictures = [bytes(frame(await stream.next()).data) for _ in range(40)]
            screen = frame(await other.next())
        assert len(set(pictures)) == len(pictures)
        rows = sorted(
            bytes(screen.data)[at : at + screen.stride_bytes]
            for at in range(0, len(screen.data), screen.stride_bytes)
        )
        for data in (pictures[0], pictures[-1]):
            assert rows == sorted(
                data[at : at + screen.stride_bytes] for at in range(0, len(data), screen.stride_bytes)
            )
        nursery.cancel_scope.cancel()
