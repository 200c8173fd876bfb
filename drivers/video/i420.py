"""Pictures as I420, which H.264 encoders take: frames written into memory that somebody else owns.

Responsible for giving `Frame`s to the C extension, and for saying what the numbers that come out mean. Must
never keep a frame's buffer or the target. There is no slow engine beside the extension: what is late for
every frame is no video.
"""

from __future__ import annotations

import enum
from collections.abc import Buffer

from drivers.video import _i420
from drivers.video.frame import Frame, PixelFormat


class Colours(enum.Enum):
    """What brightness and colour mean in numbers: matrix and range, as a stream has to tell its decoders."""

    BT601_FULL = "BT.601, full range"
    """JFIF's, and what capture devices give where they say nothing else."""
    BT709_LIMITED = "BT.709, limited range"
    """What RGB becomes here."""


_RGB = frozenset({PixelFormat.RGB24, PixelFormat.BGR24, PixelFormat.BGRX32})


def even(side_px: int) -> int:
    """Return the side that a picture has as I420: an odd one grows by one pixel, which repeats the last."""
    return side_px + side_px % 2


def size_bytes(width: int, height: int) -> int:
    """Return how long a picture of *width* x *height* pixels is as I420."""
    return even(width) * even(height) // 2 * 3


def colours_of(frame: Frame) -> Colours:
    """Return what the numbers mean that `write` makes of *frame*."""
    return Colours.BT709_LIMITED if frame.format in _RGB else Colours.BT601_FULL


def write(frame: Frame, target: Buffer) -> None:
    """Write *frame* to *target* as Y, Cb and Cr, with even sides and without padding (blocking).

    YUV is not converted, only arranged; RGB becomes what `colours_of` says. The first `size_bytes` bytes of
    *target* are written. Raises ValueError, TypeError or BufferError for a frame that contradicts itself and
    for a target that is too short or cannot be written.
    """
    _i420.write(frame.data, frame.width, frame.height, frame.stride_bytes, frame.format, target)


def same(a: Buffer, b: Buffer) -> bool:
    """Whether *a* and *b* have the same bytes, at the speed of memcmp (blocking)."""
    return _i420.same(a, b)
