"""What the target does with its signal while we capture: nobody above the stream has to restart anything."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from peers import vivid as peer

from drivers.ports import NoSignal
from drivers.video.frame import Frame
from drivers.video.v4l2 import timings
from drivers.video.v4l2.source import V4l2Source

DEADLINE_S = 90.0
REASONS = {
    peer.Signal.NONE: timings.NOTHING_THERE,
    peer.Signal.UNSTABLE: timings.NOT_STABLE,
    peer.Signal.OUT_OF_RANGE: timings.OUT_OF_RANGE,
}


def size(width: int, height: int) -> Any:
    """A condition for `until`."""
    return lambda frame: (frame.width, frame.height) == (width, height)


@pytest.mark.fault("V4L2 capture", "mode change")
async def test_the_open_stream_follows_the_mode(vivid: peer.Vivid, source: V4l2Source, until: Any) -> None:
    modes = {
        "1920x1080p60": (1920, 1080),
        "640x480p59": (640, 480),
        "1280x1024p60": (1280, 1024),
        "1280x720p60": (1280, 720),
    }
    async with source.open(max_fps=0) as stream:
        (await until(stream, size(1280, 720))).release()
        for mode, (width, height) in modes.items():
            vivid.select(mode)
            frame = await until(stream, size(width, height))
            assert len(frame.data) == frame.stride_bytes * height
            frame.release()
        assert stream.statistics()["starts"] >= 1 + len(modes)


@pytest.mark.parametrize(
    "signal",
    [peer.Signal.NONE, peer.Signal.UNSTABLE, peer.Signal.OUT_OF_RANGE],
    ids=lambda signal: signal.name,
)
@pytest.mark.fault("V4L2 capture", "no signal")
async def test_a_lost_signal_is_told_and_returns(
    vivid: peer.Vivid, source: V4l2Source, until: Any, no_signal: Any, signal: peer.Signal
) -> None:
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()
        vivid.signal(signal)
        assert await no_signal(stream) == REASONS[signal]
        vivid.signal(peer.Signal.CURRENT)
        (await until(stream)).release()


async def test_a_capture_may_begin_without_a_signal(
    vivid: peer.Vivid, source: V4l2Source, until: Any, no_signal: Any
) -> None:
    vivid.signal(peer.Signal.NONE)
    async with source.open(max_fps=0) as stream:
        assert await stream.next() == NoSignal(timings.NOTHING_THERE)
        # One answer for one state: the next one comes with the next change.
        with trio.move_on_after(2):
            pytest.fail(f"a second answer without a change: {await stream.next()}")
        vivid.signal(peer.Signal.UNSTABLE)
        assert await no_signal(stream) == timings.NOT_STABLE
        vivid.select("1920x1080p60")
        (await until(stream, size(1920, 1080))).release()


async def test_interlaced_modes_are_refused_by_name(
    vivid: peer.Vivid, source: V4l2Source, until: Any, no_signal: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()
        vivid.select("1920x1080i30")
        assert "interlaced 1920x1080 is not supported" in await no_signal(stream)
        vivid.select("1280x720p60")
        (await until(stream, size(1280, 720))).release()


@pytest.mark.fault("V4L2 capture", "no signal")
async def test_a_pulled_cable_is_survived(loop: peer.Vivid, source: V4l2Source, until: Any) -> None:
    """(The driver reports the old timings for a pulled cable: only the event is its own.)"""
    loop.connect(peer.Connection.GENERATOR)
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()
        starts = stream.statistics()["starts"]
        loop.connect(peer.Connection.NOTHING)
        with trio.fail_after(DEADLINE_S):
            while stream.statistics()["starts"] == starts:
                await trio.sleep(0.02)
        loop.connect(peer.Connection.GENERATOR)
        (await until(stream)).release()


@pytest.mark.fault("V4L2 capture", "mode change")
async def test_frames_borrowed_across_a_change_stay_readable(
    vivid: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    vivid.pattern(peer.Pattern.WHITE)
    async with source.open(max_fps=0) as stream:
        old = await until(stream, lambda frame: frame.data[0] > 200)
        before = bytes(old.data)
        vivid.pattern(peer.Pattern.BLACK)
        vivid.select("640x480p59")
        for _ in range(20):
            frame = await until(stream, size(640, 480))
            frame.release()
        assert old.data == before
        old.release()
        (await until(stream, size(640, 480))).release()
        kept = await until(stream)
    # Even after the stream's end.
    assert isinstance(kept, Frame)
    assert len(bytes(kept.data)) == kept.stride_bytes * 480
    kept.release()
