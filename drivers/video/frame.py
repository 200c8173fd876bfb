"""A captured picture: geometry, pixel format, time stamps and a borrowed buffer.

The buffer belongs to whoever captured it (a kernel buffer, a frame of the emulated display). A frame is
read-only for its readers; the one reader that took it from the stream calls `release` exactly once, after
which the buffer may be reused.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final


class PixelFormat(enum.StrEnum):
    """Pixel layouts, named by their V4L2 four-character codes' common names.

    Packed: YUYV, UYVY (16 bit), RGB24, BGR24 (24 bit), BGRX32 (32 bit, byte order B G R x), GREY (8 bit).
    Planar, planes one behind the other: NV12 (Y, then interleaved Cb Cr at half size), YUV420 (Y, Cb, Cr).
    Compressed: JPEG, one picture as the device sent it (V4L2's MJPG and JPEG), not looked at yet: it may lack
    tables, have rubbish around it, or break off (`drivers.video.mjpeg.repair`).
    """

    YUYV = "YUYV"
    UYVY = "UYVY"
    RGB24 = "RGB24"
    BGR24 = "BGR24"
    BGRX32 = "BGRX32"
    GREY = "GREY"
    NV12 = "NV12"
    YUV420 = "YUV420"
    JPEG = "JPEG"


RAW_FORMATS: Final = tuple(layout for layout in PixelFormat if layout is not PixelFormat.JPEG)
"""The formats whose pixels can be read as they are; all but JPEG."""


class ColourRange(enum.StrEnum):
    """Which numbers black and white have: 0 and 255, or 16 and 235 (16 to 240 for Cb and Cr)."""

    FULL = "full"
    LIMITED = "limited"


class ColourMatrix(enum.StrEnum):
    """How much of red, green and blue is in Y: the standard whose luma coefficients were used."""

    BT601 = "601"
    BT709 = "709"
    BT2020 = "2020"


@dataclass(frozen=True, slots=True)
class Colour:
    """What the numbers of a YUV picture mean, and the range of an RGB one. The default is JFIF's (T.871)."""

    range: ColourRange = ColourRange.FULL
    matrix: ColourMatrix = ColourMatrix.BT601


class DamagedPictureError(ValueError):
    """A compressed picture that cannot be shown; the message says what is wrong with it.

    Nobody's mistake but the source's: the picture is to be dropped, the next one may be whole.
    """


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture.

    `stride_bytes` is the length of a row of the (first) plane; chroma planes of NV12 have the same, those of
    YUV420 half of it, rounded up; of JPEG, where `data` is all that the device sent and no more, it is 0.
    `grab_begin` and `grab_end` are seconds of the clock of `time.monotonic`. `colour` is what the source says
    of its numbers; pixels are never converted on the way here.
    """

    data: bytes | bytearray | memoryview
    width: int
    height: int
    stride_bytes: int
    format: PixelFormat
    grab_begin: float
    grab_end: float
    on_release: Callable[[], None] = field(default=_nothing, repr=False, compare=False)
    colour: Colour = Colour()
    unchanged_before: int = 0
    """How many captured pictures were left out before this one, because they looked like the one before."""

    def release(self) -> None:
        """Give the buffer back to whoever captured it."""
        self.on_release()
