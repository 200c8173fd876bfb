"""A captured picture: geometry, pixel format, time stamps and a borrowed buffer.

The buffer belongs to whoever captured it (a kernel buffer, a frame of the emulated display). A frame is
read-only for its readers; the one reader that took it from the stream calls `release` exactly once, after
which the buffer may be reused.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field


class PixelFormat(enum.StrEnum):
    """Pixel layouts, named by their V4L2 four-character codes' common names.

    Packed: YUYV, UYVY (16 bit), RGB24, BGR24 (24 bit), BGRX32 (32 bit, byte order B G R x), GREY (8 bit).
    Planar, planes one behind the other: NV12 (Y, then interleaved Cb Cr at half size), YUV420 (Y, Cb, Cr).
    """

    YUYV = "YUYV"
    UYVY = "UYVY"
    RGB24 = "RGB24"
    BGR24 = "BGR24"
    BGRX32 = "BGRX32"
    GREY = "GREY"
    NV12 = "NV12"
    YUV420 = "YUV420"


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture.

    `stride_bytes` is the length of a row of the (first) plane; chroma planes of NV12 have the same, those of
    YUV420 half of it, rounded up. `grab_begin` and `grab_end` are seconds of the clock of `time.monotonic`.
    """

    data: bytes | bytearray | memoryview
    width: int
    height: int
    stride_bytes: int
    format: PixelFormat
    grab_begin: float
    grab_end: float
    on_release: Callable[[], None] = field(default=_nothing, repr=False, compare=False)

    def release(self) -> None:
        """Give the buffer back to whoever captured it."""
        self.on_release()
