"""The times that frames carry against a clock on the target's screen, which the appliance does not read."""

from __future__ import annotations

import statistics

import pytest
import trio
from peers import vivid as peer
from peers.clock_screen import Change, clock_screen
from peers.mjpeg_client import stripe_of_jpeg

from drivers.video.v4l2.source import V4l2Source
from firmware.subsystems.streamer.jpeg_stage import JpegStage
from firmware.subsystems.streamer.pipeline import Pipeline

MODE = (1280, 720, 30)
FRAME_S = 1 / 30
FRAMES = 21
DEADLINE_S = 240


@pytest.mark.timeout(300)
async def test_a_pictures_capture_is_told_to_a_frame(loop: peer.Vivid, source: V4l2Source) -> None:
    jpeg = JpegStage(lambda: True)
    pipeline = Pipeline(source, jpeg)
    off_s: list[float] = []
    seen = 0
    with clock_screen(loop, MODE, Change.PART), trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:

            async def capture() -> None:
                await pipeline.run(max_fps=30, size=None)

            nursery.start_soon(capture)
            while len(off_s) < FRAMES:
                seen = await jpeg.frames.wait_newer(seen)
                frame = jpeg.frames.value
                if frame is None or not frame.online:
                    continue
                grab_begin_s = frame.times.grab_begin
                # A picture that was captured while the clock was being painted tells no time.
                drawn_s = stripe_of_jpeg(frame.data, near_s=grab_begin_s)
                if drawn_s is not None:
                    off_s.append(grab_begin_s - drawn_s)
            nursery.cancel_scope.cancel()
    # Not before it was drawn, and soon after: where the processor is emulated and busy, the painter itself is
    # late by as much as a frame. The time of another clock would be far off.
    assert -FRAME_S <= statistics.median(off_s) <= 3 * FRAME_S
