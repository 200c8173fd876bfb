"""A capture's scaler: the display's picture in the size that was asked for, as USB grabbers give it.

The same picture gives the same bytes object again, so that an unchanged screen stays cheap to compare.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt
import trio
from PIL import Image

from drivers.video.frame import Frame, PixelFormat

# What real grabbers scale to at most; it bounds the memory that a configuration can ask for.
MOST_WIDTH_PX: Final = 4096
MOST_HEIGHT_PX: Final = 2160


class Scaler:
    """Scales YUYV pictures to *size_px*, whose width is made even and which is bounded."""

    def __init__(self, size_px: tuple[int, int]) -> None:
        width_px, height_px = size_px
        self._width_px = max(2, min(width_px, MOST_WIDTH_PX) & ~1)
        self._height_px = max(1, min(height_px, MOST_HEIGHT_PX))
        self._last: tuple[object, bytes] = (None, b"")
        self._limiter = trio.CapacityLimiter(1)

    async def scale(self, frame: Frame) -> Frame:
        """Return *frame* in the wanted size; one that is too short for its own size is passed on as it is."""
        if (frame.width, frame.height) == (self._width_px, self._height_px):
            return frame
        if len(frame.data) < frame.stride_bytes * frame.height:
            return frame  # a broken picture stays broken, for whoever has to notice
        original, scaled = self._last
        if original is not frame.data:
            # A large picture takes some 20 ms, in which others are to go on.
            scaled = await trio.to_thread.run_sync(self._scaled, frame, limiter=self._limiter)
            self._last = (frame.data, scaled)
        return dataclasses.replace(
            frame, data=scaled, width=self._width_px, height=self._height_px, stride_bytes=self._width_px * 2
        )

    def _scaled(self, frame: Frame) -> bytes:
        assert frame.format is PixelFormat.YUYV, "the emulated display draws YUYV"
        pairs = np.frombuffer(frame.data, np.uint8).reshape(frame.height, frame.width // 2, 4)
        luma = pairs[..., ::2].reshape(frame.height, frame.width)
        result = np.empty((self._height_px, self._width_px // 2, 4), np.uint8)
        result[..., ::2] = self._plane(luma, self._width_px).reshape(self._height_px, -1, 2)
        for chroma in (1, 3):
            result[..., chroma] = self._plane(pairs[..., chroma], self._width_px // 2)
        return result.tobytes()

    def _plane(self, plane: npt.NDArray[np.uint8], width_px: int) -> npt.NDArray[np.uint8]:
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(image.resize((width_px, self._height_px), Image.Resampling.BILINEAR))
