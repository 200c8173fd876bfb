from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from drivers.ports import NoSignal
from drivers.video.frame import Frame, PixelFormat
from drivers.video.text import banner_picture
from firmware.core.errors import UnavailableError
from firmware.core.supervise import Supervisor
from firmware.subsystems.streamer import pipeline
from firmware.subsystems.streamer.config import (
    StreamerConfig,
    StreamerFpsConfig,
    StreamerResolutionConfig,
)
from firmware.subsystems.streamer.parameters import (
    StreamerH264NotSupported,
    StreamerQualityNotSupported,
    StreamerResolutionNotSupported,
)
from firmware.subsystems.streamer.service import StreamerService


class Screen:
    """A grey screen whose brightness the test sets; None is no signal. Only one capture may be open."""

    name = "a test screen"

    def __init__(self) -> None:
        self.grey: int | None = 0
        self.reason = "target is off"
        self.opened = 0
        self.released = 0
        self.taken = 0
        self.hurried = 0
        self.close_s = 0.0
        self.size = (64, 48)
        self.stalled = False
        self._open = False
        self._known: int | None = -1

    @asynccontextmanager
    async def open(self, *, max_fps: int, size: tuple[int, int] | None = None) -> AsyncIterator[Screen]:
        assert not self._open, "two captures at once"
        self._open = True
        self.opened += 1
        self.size = size or (64, 48)
        self._interval_s = 1 / max_fps
        try:
            yield self
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.close_s)
            self._open = False

    def hurry(self) -> None:
        self.hurried += 1

    async def next(self, unlike: Frame | None = None) -> Frame | NoSignal:
        await trio.sleep(self._interval_s)
        if self.stalled:
            await trio.sleep_forever()
        if self.grey is None:
            if self._known is None:
                await trio.sleep_forever()
            self._known = None
            return NoSignal(self.reason)
        self._known = self.grey
        self.taken += 1
        now = time.monotonic()
        width, height = self.size
        data = bytes([self.grey]) * (width * height)
        return Frame(data, width, height, width, PixelFormat.GREY, now, now, self._release)

    def _release(self) -> None:
        self.released += 1


@asynccontextmanager
async def running(
    clock: MockClock, screen: Screen, config: StreamerConfig | None = None
) -> AsyncIterator[StreamerService]:
    service = StreamerService(config or StreamerConfig(), source=screen, supervisor=Supervisor())
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        # Encoding is in a thread, which is no task: a moment of real idleness before the clock jumps.
        clock.autojump_threshold = 0.005
        yield service
        nursery.cancel_scope.cancel()
    assert screen.released == screen.taken


async def online(service: StreamerService) -> None:
    for _ in range(1000):
        running = service.state.value.streamer
        if running is not None and running.source.online:
            return
        await trio.sleep(0.01)
    pytest.fail("no picture came")


@asynccontextmanager
async def watched(service: StreamerService) -> AsyncIterator[None]:
    with service.jpeg_sink.joined():
        yield


async def test_an_unchanged_picture_is_encoded_once(mock_clock: MockClock) -> None:
    screen = Screen()
    async with running(mock_clock, screen) as streamer, watched(streamer):
        streamer.set_sessions(1)
        await online(streamer)
        await trio.sleep(3)
        first = streamer.frames.value
        assert first is not None
        assert first.number == 1
        assert streamer.statistics()["unchanged_frames"] > 10
        screen.grey = 200
        await trio.sleep(1)
        second = streamer.frames.value
        assert second is not None
        assert second.number == 2
        assert second.data != first.data


async def test_no_signal_is_a_picture_that_is_not_online(mock_clock: MockClock) -> None:
    screen = Screen()
    async with running(mock_clock, screen) as streamer:
        streamer.set_sessions(1)
        await online(streamer)
        screen.grey = None
        frame = await streamer.take_snapshot(allow_offline=True)
        for _ in range(1000):
            if not frame.online:
                break
            frame = await streamer.take_snapshot(allow_offline=True)
        assert (frame.online, frame.width, frame.height) == (False, 64, 48)
        with pytest.raises(UnavailableError, match="no video signal"):
            await streamer.take_snapshot()
        assert await streamer.take_snapshot(allow_offline=True) is frame
        assert streamer.state.value.snapshot.saved is None
        screen.grey = 7


async def test_a_capture_that_hangs_is_not_a_picture(mock_clock: MockClock) -> None:
    screen = Screen()
    async with running(mock_clock, screen, StreamerConfig(snapshot_timeout=2.5)) as streamer:
        streamer.set_sessions(1)
        await online(streamer)
        screen.stalled = True
        with pytest.raises(UnavailableError, match=r"within 2\.5 s"):
            await streamer.take_snapshot(save=True)
        assert streamer.state.value.snapshot.saved is None
        for _ in range(1000):
            if (frame := streamer.frames.value) is not None and not frame.online:
                break
            await trio.sleep(0.1)
        else:
            pytest.fail("the stall was never shown")
        screen.stalled = False
        await online(streamer)


@pytest.mark.parametrize("words", [12, 400])
async def test_the_reason_for_a_missing_picture_is_large_enough_to_read(
    mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch, words: int
) -> None:
    """However many devices it names."""
    shown: list[list[str]] = []

    def drawn(width: int, height: int, lines: list[str]) -> Frame:
        shown.append(lines)
        return banner_picture(width, height, lines)

    monkeypatch.setattr(pipeline, "banner_picture", drawn)
    screen = Screen()
    screen.grey = None
    screen.reason = "expected " * words
    async with running(mock_clock, screen) as streamer:
        streamer.set_sessions(1)
        await streamer.frames.wait_newer(streamer.frames.version)
    assert all(len(line) <= 38 for line in shown[0])
    assert 3 <= len(shown[0]) <= 7


async def test_a_restart_waits_until_the_capture_is_closed(mock_clock: MockClock) -> None:
    """A slow device is never opened twice, however quickly stop and start follow each other."""
    screen = Screen()
    screen.close_s = 5
    async with running(mock_clock, screen) as streamer:
        streamer.set_sessions(1)
        await online(streamer)
        for _ in range(3):
            streamer.reset()
            await trio.sleep(1.5)
            streamer.set_sessions(0)
            streamer.set_sessions(1)
        await trio.sleep(30)
        await online(streamer)
        assert screen.opened >= 2


async def test_the_last_session_stops_it_ten_seconds_later(mock_clock: MockClock) -> None:
    screen = Screen()
    async with running(mock_clock, screen) as streamer:
        streamer.set_sessions(2)
        await online(streamer)
        streamer.set_sessions(0)
        await trio.sleep(9)
        assert streamer.state.value.streamer is not None
        await trio.sleep(2)
        await wait_all_tasks_blocked()
        assert streamer.state.value.streamer is None
        assert streamer.frames.value is None
        with pytest.raises(UnavailableError, match="not running"):
            await streamer.take_snapshot()


async def restarted(service: StreamerService) -> list[float]:
    """When it stopped and ran again."""
    times = []
    for wanted in (False, True):
        # Looks are counted, not seconds: the clock jumps while a thread encodes.
        for _ in range(2000):
            if (service.state.value.streamer is not None) is wanted:
                break
            await trio.sleep(0.01)
        else:
            pytest.fail("it did not restart")
        times.append(trio.current_time())
    return times


SIZES = StreamerConfig(
    resolution=StreamerResolutionConfig(default="64x48", available=("32x24", "16x12")),
    desired_fps=StreamerFpsConfig(default=30, min=5, max=60),
)


async def test_a_chosen_resolution_is_what_the_source_is_asked_for(mock_clock: MockClock) -> None:
    screen = Screen()
    async with running(mock_clock, screen, SIZES) as streamer:
        state = streamer.state.value
        assert state.features.resolution
        # The default can be returned to, wherever it is not among the others.
        assert state.limits.available_resolutions == ("32x24", "16x12", "64x48")
        streamer.set_sessions(1)
        await online(streamer)
        assert screen.size == (64, 48)
        staged_at = trio.current_time()
        streamer.stage_resolution("32x24")
        assert streamer.state.value.params.resolution == "64x48"
        stopped_at, ran_at = await restarted(streamer)
        await online(streamer)
        assert stopped_at - staged_at >= 1
        assert ran_at - stopped_at >= 1
        assert screen.size == (32, 24)
        state = streamer.state.value
        assert state.params.resolution == state.applied.resolution == "32x24"
        frame = streamer.frames.value
        assert frame is not None
        assert (frame.width, frame.height) == (32, 24)


async def test_what_a_source_gives_instead_is_what_is_applied(mock_clock: MockClock) -> None:
    """A receiver that follows the target's timings takes no notice of a wish."""
    screen = Screen()
    async with running(mock_clock, screen, SIZES) as streamer:
        streamer.stage_resolution("16x12")
        await trio.sleep(1.5)
        assert streamer.state.value.applied.resolution == "16x12"
        streamer.set_sessions(1)
        await online(streamer)
        screen.size = (64, 48)
        for _ in range(1000):
            if streamer.state.value.applied.resolution == "64x48":
                break
            await trio.sleep(0.01)
        assert streamer.state.value.params.resolution == "16x12"
        assert streamer.state.value.applied.resolution == "64x48"


@pytest.mark.parametrize("wish", ["low", "high", "unknown"])
async def test_a_value_beyond_the_limits_is_dropped_and_restarts_all_the_same(
    mock_clock: MockClock, wish: str
) -> None:
    screen = Screen()
    async with running(mock_clock, screen, SIZES) as streamer:
        streamer.set_sessions(1)
        await online(streamer)
        before = streamer.state.value.params
        if wish == "unknown":
            streamer.stage_resolution("100x100")
        else:
            streamer.stage_desired_fps(4 if wish == "low" else 61)
        await restarted(streamer)
        await online(streamer)
        assert screen.opened == 2
        assert streamer.state.value.params == before


async def test_parameters_staged_before_a_refused_one_are_applied(mock_clock: MockClock) -> None:
    screen = Screen()
    async with running(mock_clock, screen) as streamer:
        wishes = streamer.wishes.value
        streamer.stage_quality(30)
        streamer.stage_desired_fps(10)
        with pytest.raises(StreamerResolutionNotSupported, match="kvmd/streamer/resolution"):
            streamer.stage_resolution("640x480")
        with pytest.raises(StreamerH264NotSupported, match="kvmd/streamer/h264_bitrate"):
            streamer.stage_h264_bitrate(5000)
        with pytest.raises(StreamerH264NotSupported):
            streamer.stage_h264_gop(30)
        await trio.sleep(1.1)
        params = streamer.state.value.params
        assert (params.quality, params.desired_fps, params.resolution) == (30, 10, None)
        # Sessions are told their number again.
        assert streamer.wishes.value == wishes + 1
        assert screen.opened == 0


async def test_without_the_quality_feature_nobody_sets_it(mock_clock: MockClock) -> None:
    screen = Screen()
    async with running(mock_clock, screen, StreamerConfig(quality=0)) as streamer:
        with pytest.raises(StreamerQualityNotSupported):
            streamer.stage_quality(50)
        streamer.set_sessions(1)
        await online(streamer)
        state = streamer.state.value
        assert state.params.quality is state.applied.quality is None
        assert state.streamer is not None
        assert state.streamer.encoder.quality == 80


async def test_a_snapshot_is_kept_until_it_is_removed(mock_clock: MockClock) -> None:
    screen = Screen()
    async with running(mock_clock, screen) as streamer:
        streamer.set_sessions(1)
        await online(streamer)
        frame = await streamer.take_snapshot(save=True)
        assert streamer.load_snapshot() == frame
        streamer.set_sessions(0)
        await trio.sleep(20)
        assert streamer.load_snapshot() == frame
        saved = streamer.state.value.snapshot.saved
        assert saved is not None
        assert (saved.online, saved.width, saved.height) == (True, 64, 48)
        streamer.remove_snapshot()
        assert streamer.state.value.snapshot.saved is None
        with pytest.raises(UnavailableError, match="save=1"):
            streamer.load_snapshot()


async def test_the_audience_of_the_jpeg_sink_is_shown_at_once(mock_clock: MockClock) -> None:
    screen = Screen()

    def has_clients() -> bool:
        state = streamer.state.value.streamer
        assert state is not None
        return state.sinks.jpeg.has_clients

    async with running(mock_clock, screen) as streamer:
        streamer.set_sessions(1)
        await online(streamer)
        assert not has_clients()
        with streamer.jpeg_sink.joined():
            await trio.sleep(0.01)
            assert has_clients()
        await trio.sleep(0.01)
        assert not has_clients()
