from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import DriverError
from drivers.ports import NoSignal
from drivers.video.frame import Frame, PixelFormat
from drivers.video.jpeg import JpegEncoder
from firmware.subsystems.streamer.jpeg_stage import JpegStage
from firmware.subsystems.streamer.pipeline import DAMAGED_UNTIL_TOLD, Pipeline

PERIOD_S = 1 / 30


class Source:
    """Another picture every thirtieth of a second; knows which of them are out."""

    name = "a test source"

    def __init__(self) -> None:
        self.lent: set[int] = set()
        self.most_lent = 0
        self.given = 0
        self.hurried = 0
        self.unlike: list[Frame | None] = []
        self.no_signal_next = False
        self.failure: DriverError | None = None
        self.jpeg: Callable[[int], bytes] | None = None

    @asynccontextmanager
    async def open(self, *, max_fps: int, size: tuple[int, int] | None = None) -> AsyncIterator[Source]:
        yield self

    def hurry(self) -> None:
        self.hurried += 1

    async def next(self, unlike: Frame | None = None) -> Frame | NoSignal:
        self.unlike.append(unlike)
        await trio.sleep(PERIOD_S)
        if self.failure is not None:
            raise self.failure
        if self.no_signal_next:
            self.no_signal_next = False
            return NoSignal("target is off")
        self.given += 1
        number = self.given
        self.lent.add(number)
        self.most_lent = max(self.most_lent, len(self.lent))
        now = time.monotonic()
        if self.jpeg is not None:
            compressed = bytearray(self.jpeg(number))
            back = partial(self._back, number, compressed)
            return Frame(compressed, 64, 48, 0, PixelFormat.JPEG, now, now, on_release=back)
        data = bytearray([number % 200]) * (64 * 48)
        # Whoever reads a picture that was given back sees garbage.
        return Frame(
            data, 64, 48, 64, PixelFormat.GREY, now, now, on_release=partial(self._back, number, data)
        )

    def _back(self, number: int, data: bytearray) -> None:
        self.lent.remove(number)
        data[:] = b"\xff" * len(data)


class SlowReader:
    """A stage that reads a picture for *read_s*."""

    def __init__(self, read_s: float) -> None:
        self.wanted = True
        self.seen: list[tuple[int, bool]] = []
        self._read_s = read_s

    async def take(self, frame: Frame, *, online: bool) -> None:
        await trio.sleep(self._read_s)
        self.seen.append((bytes(frame.data)[0], online))


@asynccontextmanager
async def running(
    clock: MockClock, source: Source, *stages: SlowReader, jpeg_wanted: Callable[[], bool] = lambda: True
) -> AsyncIterator[tuple[Pipeline, JpegStage]]:
    jpeg = JpegStage(jpeg_wanted)
    pipeline = Pipeline(source, jpeg, stages)
    async with trio.open_nursery() as nursery:
        # Encoding is in a thread, which is no task: a moment of real idleness before the clock jumps.
        clock.autojump_threshold = 0.005
        await nursery.start(partial(pipeline.run, max_fps=30, size=None))
        yield pipeline, jpeg
        nursery.cancel_scope.cancel()
    assert source.lent == set()


@pytest.mark.parametrize("read_s", [0.0, 0.1])
@pytest.mark.parametrize("jpeg_wanted", [True, False])
async def test_every_stage_reads_the_picture_before_it_goes_back(
    mock_clock: MockClock, read_s: float, jpeg_wanted: bool
) -> None:
    source, reader = Source(), SlowReader(read_s)
    async with running(mock_clock, source, reader, jpeg_wanted=lambda: jpeg_wanted):
        # On a busy machine the clock jumps over pictures that a thread encodes.
        with trio.fail_after(60):
            while len(reader.seen) <= 20:
                await trio.sleep(PERIOD_S)
    assert all(online and grey < 200 for grey, online in reader.seen)
    assert reader.seen == sorted(reader.seen)
    # The one that is read, and the last one, which JPEG compares with.
    assert source.most_lent == 2


async def test_a_stage_that_nobody_wants_gets_nothing(mock_clock: MockClock) -> None:
    source, reader = Source(), SlowReader(0)
    reader.wanted = False
    async with running(mock_clock, source, reader):
        await trio.sleep(1)
        assert reader.seen == []
        reader.wanted = True
        await trio.sleep(1)
        assert reader.seen != []


async def test_a_rendered_reason_goes_to_all(mock_clock: MockClock) -> None:
    source, reader = Source(), SlowReader(0)
    shown: list[bool] = []
    async with running(mock_clock, source, reader) as (_, jpeg):
        await trio.sleep(0.2)
        source.no_signal_next = True
        seen = 0
        for _ in range(10):
            seen = await jpeg.frames.wait_newer(seen)
            assert jpeg.frames.value is not None
            shown.append(jpeg.frames.value.online)
        assert False in shown
        assert shown[-1]
        assert [online for _, online in reader.seen].count(False) == 1


async def test_without_demand_jpeg_is_made_once_a_second(mock_clock: MockClock) -> None:
    source, wanted = Source(), False
    async with running(mock_clock, source, jpeg_wanted=lambda: wanted) as (_, jpeg):
        start = trio.current_time()
        # On a busy machine the clock jumps over pictures that a thread encodes.
        with trio.fail_after(20):
            while jpeg.encoded.total < 4:
                await trio.sleep(PERIOD_S)
        assert jpeg.encoded.total <= trio.current_time() - start + 2
        before, wanted = jpeg.encoded.total, True
        # Without demand it were ten.
        with trio.fail_after(10):
            while jpeg.encoded.total - before < 20:
                await trio.sleep(PERIOD_S)


async def test_a_fault_while_a_stage_reads_loses_no_buffer(mock_clock: MockClock) -> None:
    source, reader = Source(), SlowReader(0.5)
    pipeline = Pipeline(source, JpegStage(lambda: True), [reader])
    mock_clock.autojump_threshold = 0.005
    with trio.move_on_after(0.3):
        await pipeline.run(max_fps=30, size=None)
    assert source.given > 0
    assert source.lent == set()
    source.failure = DriverError("unplugged")
    with pytest.raises(DriverError, match="unplugged"):
        await pipeline.run(max_fps=30, size=None)
    assert reader.seen[-1][1] is False


def picture_of(number: int) -> bytes:
    grey = bytes([number % 200]) * (64 * 48)
    return JpegEncoder().encode(Frame(grey, 64, 48, 64, PixelFormat.GREY, 0, 0), 80)


async def test_a_damaged_picture_now_and_then_is_skipped(mock_clock: MockClock) -> None:
    source = Source()
    source.jpeg = lambda number: b"no picture" if number % 3 == 0 else picture_of(number)
    async with running(mock_clock, source) as (pipeline, jpeg):
        shown = [await jpeg.frames.wait_newer(seen) for seen in range(1, 21)]
        assert len(shown) == 20
        assert jpeg.frames.value is not None
        assert jpeg.frames.value.online
        assert jpeg.passes_through
        assert jpeg.damaged_frames >= 5
        assert pipeline.signal.value.online


async def test_a_source_of_damaged_pictures_only_is_told(mock_clock: MockClock) -> None:
    source = Source()
    source.jpeg = lambda _: b"no picture"
    async with running(mock_clock, source) as (pipeline, jpeg):
        await jpeg.frames.wait_newer(jpeg.frames.version)
        assert jpeg.frames.value is not None
        assert not jpeg.frames.value.online
        assert jpeg.damaged_frames >= DAMAGED_UNTIL_TOLD
        source.jpeg = picture_of
        while not pipeline.signal.value.online:
            await pipeline.signal.wait_newer(pipeline.signal.version)
        assert jpeg.frames.value.online


async def test_only_jpeg_has_no_use_for_a_picture_that_looks_the_same(mock_clock: MockClock) -> None:
    source, reader = Source(), SlowReader(0)
    reader.wanted = False
    async with running(mock_clock, source, reader) as (pipeline, jpeg):
        await trio.sleep(1)
        assert source.unlike[-1] is not None
        assert jpeg.holds(source.unlike[-1])
        pipeline.hurry()
        assert source.hurried == 1
        reader.wanted = True
        await trio.sleep(1)
        assert source.unlike[-1] is None
