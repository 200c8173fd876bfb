"""The JPEG stage: encodes what has changed since the last picture, while anybody wants to see it.

It keeps the last captured frame borrowed, to compare the next one with. While nobody wants JPEG (viewers of
another format only) it encodes now and then, so that there always is a picture not older than a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

import trio

from drivers.video.frame import DamagedPictureError, Frame, PixelFormat
from drivers.video.jpeg import JpegEncoder
from firmware.core.cell import Cell
from firmware.subsystems.streamer.frames import FrameTimes, JpegFrame
from firmware.subsystems.streamer.latency import LatencyMeter
from firmware.subsystems.streamer.rate import RateMeter

UNWANTED_INTERVAL_S: Final = 1.0


class JpegStage:
    """Makes `frames`.

    *is_wanted* tells whether anybody takes them, *is_hurried* whether somebody waits for one that is captured
    just now, whatever it looks like.
    """

    def __init__(self, is_wanted: Callable[[], bool], is_hurried: Callable[[], bool] = lambda: False) -> None:
        self._is_wanted = is_wanted
        self._hurried = is_hurried
        self._encoder = JpegEncoder()
        # The encoder serves one call at a time, and a frame that waits for it would not be the newest.
        self._limiter = trio.CapacityLimiter(1)
        self._last: Frame | None = None
        self._number = 0
        self._taken_at = -math.inf
        self.quality = 80
        """Of the pictures from the next one on, 1..100."""
        self.frames: Cell[JpegFrame | None] = Cell(None)
        self.grabbed: Cell[tuple[float, float]] = Cell((0.0, 0.0))
        """Begin and end of the newest capture seen here, in seconds of `time.monotonic`, unchanged or not."""
        self.encoded = RateMeter()
        self.unchanged_frames = 0
        self.damaged_frames = 0
        self.damage: tuple[int, str] = (0, "")
        """How many pictures in a row could not be read, and what was wrong with the last one."""
        self.passes_through = False
        """Whether the capture makes JPEG pictures by itself."""
        self.latency = LatencyMeter()

    @property
    def wanted(self) -> bool:
        """Whether the next frame is to be encoded."""
        return self._is_wanted() or trio.current_time() >= self._taken_at + UNWANTED_INTERVAL_S

    async def take(self, frame: Frame, *, online: bool) -> None:
        """Encode *frame* if it is not the same as the last one; it is given back later (`forget`).

        It is still the caller's after an exception, and if it turned out to be damaged (`holds`).
        """
        last, encode_begin = self._last, time.monotonic()
        try:
            data = await trio.to_thread.run_sync(
                self._encode_if_changed, last, frame, self.quality, limiter=self._limiter
            )
        except DamagedPictureError as exc:
            self.damaged_frames += 1
            self.damage = (self.damage[0] + 1, str(exc))
            return
        self.damage = (0, "")
        self._taken_at = trio.current_time()
        self.passes_through = frame.format is PixelFormat.JPEG
        if data is None:
            self.unchanged_frames += 1
        else:
            times = FrameTimes(frame.grab_begin, frame.grab_end, encode_begin, time.monotonic())
            self._publish(data, frame, times, online=online)
        # The frame stays borrowed until the next one has been compared with it.
        self.forget()
        self._last = frame
        self.grabbed.publish((frame.grab_begin, frame.grab_end))

    @property
    def comparable(self) -> Frame | None:
        """The last captured picture, if it is the one that is shown and nobody waits for a fresh one."""
        return None if self._hurried() else self._last

    def holds(self, frame: Frame) -> bool:
        """Whether *frame* is the one that is kept for comparison."""
        return self._last is frame

    def forget(self) -> None:
        """Give the last frame back; the next one is encoded whatever it shows."""
        if self._last is not None:
            self._last.release()
            self._last = None

    def clear(self) -> None:
        """Have no frame: the streamer has stopped, and the next first picture is news again."""
        self.frames.publish(None)
        self._taken_at = -math.inf

    def _encode_if_changed(self, last: Frame | None, frame: Frame, quality: int) -> bytes | None:
        if last is not None and last.data is frame.data:
            return None
        return self._encoder.encode_changes(frame, quality, last)

    def _publish(self, data: bytes, frame: Frame, times: FrameTimes, *, online: bool) -> None:
        self._number += 1
        self.encoded.tick(trio.current_time())
        if online:
            self.latency.encoded(times)
        self.frames.publish(JpegFrame(data, frame.width, frame.height, online, self._number, times))
