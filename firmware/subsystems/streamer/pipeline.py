"""The pipeline: one frame at a time from the capture to the encoders.

There is at most one frame in each stage. While one is being encoded the source drops what it captures, so
the next one taken is always the newest.
"""

from __future__ import annotations

import dataclasses
import math
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from drivers.errors import DeviceTimeoutError, DriverError
from drivers.ports import NoSignal, VideoSource, VideoStream
from drivers.video.frame import Frame
from drivers.video.text import banner_picture
from firmware.core.cell import Cell
from firmware.subsystems.streamer.jpeg_stage import JpegStage
from firmware.subsystems.streamer.rate import SpacedRate
from firmware.subsystems.streamer.stages import EncodingStage

# The size of a rendered "no signal" picture before a first real one has shown what clients are used to.
DEFAULT_SIZE = (640, 480)
# A source delivers many frames a second, or says that it has no signal; one that does neither is stuck. Long
# enough for a mode change of slow capture hardware.
STALLED_CAPTURE_S = 5.0

# A second of the usual rate: a plug that makes bad contact damages pictures for as long as somebody moves it.
DAMAGED_UNTIL_TOLD = 30

# The reason for a missing picture is drawn as large as its longest line allows: lines of this length are
# legible on a phone. A reason that names many devices is cut, or its lines would shrink it again; the
# supervisor's state and the log have it whole.
REASON_COLUMNS = 38
REASON_LINES = 6


@dataclass(frozen=True, slots=True)
class Signal:
    """What the source gives: pictures of this size, or none."""

    width: int
    height: int
    online: bool


class Pipeline:
    """Captures while `run` runs, and gives each frame to the JPEG stage and to *others*."""

    def __init__(self, source: VideoSource, jpeg: JpegStage, others: Sequence[EncodingStage] = ()) -> None:
        self._source = source
        self._jpeg = jpeg
        self._others = tuple(others)
        self.signal: Cell[Signal] = Cell(Signal(*DEFAULT_SIZE, online=False))
        self.captured = SpacedRate()
        self._stream: VideoStream | None = None
        self.reason_picture: Frame | None = None
        """What is shown instead of a picture, None while there are pictures."""

    async def run(
        self,
        *,
        max_fps: int,
        size: tuple[int, int] | None,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Capture until cancelled. A failing source ends it with its DriverError, after a picture of it."""
        try:
            async with self._source.open(max_fps=max_fps, size=size) as stream:
                stall_s = STALLED_CAPTURE_S + (1 / max_fps if max_fps else 0.0)
                item = await self._next(stream, stall_s)
                self._stream = stream
                task_status.started()
                while True:
                    await self._take(item)
                    # Without a signal there may be no news for a long time.
                    item = await self._next(stream, stall_s if isinstance(item, Frame) else math.inf)
        except Exception as exc:
            reason = f"capture failed: {exc}" if isinstance(exc, DriverError) else "capture failed"
            await self._show_reason(reason)
            raise
        finally:
            self._stream = None
            self._jpeg.forget()

    def hurry(self) -> None:
        """Have the next picture soon, whatever it looks like."""
        if self._stream is not None:
            self._stream.hurry()

    async def _next(self, stream: VideoStream, deadline_s: float) -> Frame | NoSignal:
        # Other encoders than JPEG may have use for a picture that looks the same.
        nobody_else = not any(stage.wanted for stage in self._others)
        with trio.move_on_after(deadline_s) as scope:
            item = await stream.next(self._jpeg.comparable if nobody_else else None)
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"{self._source.name} gave no picture for {deadline_s:.1f} s")
        return item

    def clear(self) -> None:
        """Forget the last signal: the streamer has stopped."""
        self._jpeg.clear()
        self.reason_picture = None
        self.signal.publish(dataclasses.replace(self.signal.value, online=False))

    async def _take(self, item: Frame | NoSignal) -> None:
        if isinstance(item, NoSignal):
            await self._show_reason(item.reason)
            return
        self.reason_picture = None
        self.captured.tick(trio.current_time(), 1 + item.unchanged_before)
        self._jpeg.unchanged_frames += item.unchanged_before
        await self._give(item, online=True)
        damaged_in_a_row, damage = self._jpeg.damage
        if damaged_in_a_row:
            # Now and then one is no reason to take the picture away.
            if damaged_in_a_row % DAMAGED_UNTIL_TOLD == 0:
                await self._show_reason(f"the capture device sends damaged pictures: {damage}")
            return
        self.signal.publish(Signal(item.width, item.height, online=True))

    async def _give(self, frame: Frame, *, online: bool) -> None:
        """Give *frame* to every stage that is wanted, and back once none of them needs it."""
        to_jpeg = self._jpeg.wanted or not online
        others = [stage for stage in self._others if stage.wanted]
        try:
            if not others:
                # What happens with most frames need not cost a nursery.
                if to_jpeg:
                    await self._jpeg.take(frame, online=online)
            else:
                async with trio.open_nursery() as nursery:
                    for stage in others:
                        nursery.start_soon(_take_by, stage, frame, online)
                    if to_jpeg:
                        await self._jpeg.take(frame, online=online)
        except BaseException:
            if self._jpeg.holds(frame):
                self._jpeg.forget()
            else:
                frame.release()
            raise
        if not self._jpeg.holds(frame):
            frame.release()

    async def _show_reason(self, reason: str) -> None:
        self._jpeg.forget()
        width, height = self.signal.value.width, self.signal.value.height
        lines = [
            "NO VIDEO",
            *textwrap.wrap(reason, REASON_COLUMNS, max_lines=REASON_LINES, placeholder=" ..."),
        ]
        began = time.monotonic()
        picture = await trio.to_thread.run_sync(banner_picture, width, height, lines)
        self.reason_picture = dataclasses.replace(picture, grab_begin=began, grab_end=began)
        await self._give(self.reason_picture, online=False)
        self.signal.publish(Signal(width, height, online=False))


async def _take_by(stage: EncodingStage, frame: Frame, online: bool) -> None:
    await stage.take(frame, online=online)
