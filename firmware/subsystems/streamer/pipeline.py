"""The pipeline: one frame at a time from the capture through the encoder to everybody.

There is at most one frame in each stage. While one is being encoded the source drops what it captures, so
the next one taken is always the newest. A picture that is the same as the last one is not encoded again.
"""

from __future__ import annotations

import dataclasses
import math
import textwrap
import time
from dataclasses import dataclass

import trio

from drivers.errors import DeviceTimeoutError, DriverError
from drivers.ports import NoSignal, VideoSource, VideoStream
from drivers.video.frame import Frame
from drivers.video.jpeg import JpegEncoder, same_picture
from drivers.video.text import banner_picture
from firmware.core.cell import Cell
from firmware.core.histogram import Histogram
from firmware.subsystems.streamer.frames import JpegFrame
from firmware.subsystems.streamer.rate import RateMeter

# The size of a rendered "no signal" picture before a first real one has shown what clients are used to.
DEFAULT_SIZE = (640, 480)
# A source delivers many frames a second, or says that it has no signal; one that does neither is stuck. Long
# enough for a mode change of slow capture hardware.
STALLED_CAPTURE_S = 5.0

# From a fast desk to a slow board with a large picture; at 1 s nobody can work any more.
ENCODE_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

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
    """Captures and encodes while `run` runs; `frames` holds the newest encoded frame."""

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self._encoder = JpegEncoder()
        # The encoder serves one call at a time, and a frame that waits for it would not be the newest.
        self._encoder_limiter = trio.CapacityLimiter(1)
        self._last: Frame | None = None
        self._number = 0
        self.frames: Cell[JpegFrame | None] = Cell(None)
        self.signal: Cell[Signal] = Cell(Signal(*DEFAULT_SIZE, online=False))
        self.grabbed: Cell[tuple[float, float]] = Cell((0.0, 0.0))
        """Begin and end of the newest capture in seconds of `time.monotonic`, unchanged pictures included."""
        self.captured = RateMeter()
        self.encoded = RateMeter()
        self.unchanged_frames = 0
        self.encode_times_s = Histogram(ENCODE_BOUNDS_S)
        """Of captured frames that were encoded: comparing, waiting for a thread and encoding together."""

    async def run(
        self,
        *,
        quality: int,
        max_fps: int,
        size: tuple[int, int] | None,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Capture until cancelled. A failing source ends it with its DriverError, after a picture of it."""
        try:
            async with self._source.open(max_fps=max_fps, size=size) as stream:
                stall_s = STALLED_CAPTURE_S + (1 / max_fps if max_fps else 0.0)
                item = await self._next(stream, stall_s)
                task_status.started()
                while True:
                    await self._take(item, quality)
                    # Without a signal there may be no news for a long time.
                    item = await self._next(stream, stall_s if isinstance(item, Frame) else math.inf)
        except Exception as exc:
            reason = f"capture failed: {exc}" if isinstance(exc, DriverError) else "capture failed"
            await self._show_reason(reason, quality)
            raise
        finally:
            self._forget_last()

    async def _next(self, stream: VideoStream, deadline_s: float) -> Frame | NoSignal:
        with trio.move_on_after(deadline_s) as scope:
            item = await stream.next()
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"{self._source.name} gave no picture for {deadline_s:.1f} s")
        return item

    def clear(self) -> None:
        """Forget the last frame: the streamer has stopped, and the next first picture is news again."""
        self.frames.publish(None)
        self.signal.publish(dataclasses.replace(self.signal.value, online=False))

    async def _take(self, item: Frame | NoSignal, quality: int) -> None:
        if isinstance(item, NoSignal):
            self._forget_last()
            await self._show_reason(item.reason, quality)
        else:
            self.captured.tick(trio.current_time())
            await self._encode(item, quality)
            self.signal.publish(Signal(item.width, item.height, online=True))
            self.grabbed.publish((item.grab_begin, item.grab_end))

    async def _encode(self, frame: Frame, quality: int) -> None:
        last, encode_begin = self._last, time.monotonic()
        try:
            data = await trio.to_thread.run_sync(
                self._encode_if_changed, last, frame, quality, limiter=self._encoder_limiter
            )
        except BaseException:
            frame.release()
            raise
        if data is None:
            self.unchanged_frames += 1
        else:
            self.encode_times_s.observe(time.monotonic() - encode_begin)
            self._publish(data, frame, encode_begin, online=True)
        # The frame stays borrowed until the next one has been compared with it.
        self._forget_last()
        self._last = frame

    def _encode_if_changed(self, last: Frame | None, frame: Frame, quality: int) -> bytes | None:
        if last is not None and (last.data is frame.data or same_picture(last, frame)):
            return None
        return self._encoder.encode(frame, quality)

    async def _show_reason(self, reason: str, quality: int) -> None:
        encode_begin = time.monotonic()
        width, height = self.signal.value.width, self.signal.value.height
        lines = [
            "NO VIDEO",
            *textwrap.wrap(reason, REASON_COLUMNS, max_lines=REASON_LINES, placeholder=" ..."),
        ]
        picture = await trio.to_thread.run_sync(banner_picture, width, height, lines)
        data = await trio.to_thread.run_sync(
            self._encoder.encode, picture, quality, limiter=self._encoder_limiter
        )
        self._publish(data, picture, encode_begin, online=False)
        self.signal.publish(Signal(width, height, online=False))
        self.grabbed.publish((encode_begin, encode_begin))

    def _publish(self, data: bytes, frame: Frame, encode_begin: float, *, online: bool) -> None:
        self._number += 1
        self.encoded.tick(trio.current_time())
        self.frames.publish(
            JpegFrame(
                data=data,
                width=frame.width,
                height=frame.height,
                online=online,
                number=self._number,
                grab_begin=frame.grab_begin,
                grab_end=frame.grab_end,
                encode_begin=encode_begin,
                encode_end=time.monotonic(),
            )
        )

    def _forget_last(self) -> None:
        if self._last is not None:
            self._last.release()
            self._last = None
