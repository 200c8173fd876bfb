"""Pictures as I420, which H.264 encoders take: frames written into memory that somebody else owns.

Responsible for giving `Frame`s to the C extension, and for saying what the numbers that come out mean. Must
never keep a frame's buffer or the target. There is no slow engine beside the extension: what is late for
every frame is no video.
"""

from __future__ import annotations

from collections.abc import Buffer
from typing import Final

from drivers.video import mjpeg
from drivers.video.frame import Colour, ColourMatrix, ColourRange, Frame, PixelFormat

_RGB: Final = frozenset({PixelFormat.RGB24, PixelFormat.BGR24, PixelFormat.BGRX32})
_OF_RGB: Final = Colour(ColourRange.LIMITED, ColourMatrix.BT709)


def even(side_px: int) -> int:
    """Return the side that a picture has as I420: an odd one grows by one pixel, which repeats the last."""
    return side_px + side_px % 2


def size_bytes(width: int, height: int) -> int:
    """Return how long a picture of *width* x *height* pixels is as I420."""
    return even(width) * even(height) // 2 * 3


def colour_of(frame: Frame) -> Colour:
    """Return what the numbers mean that `write` makes of *frame*, as a stream has to tell its decoders."""
    if frame.format in _RGB:
        return _OF_RGB
    # JFIF leaves no choice (T.871), whatever the device says.
    return Colour() if frame.format is PixelFormat.JPEG else frame.colour


def write(frame: Frame, target: Buffer) -> None:
    """Write *frame* to *target* as Y, Cb and Cr, with even sides and without padding (blocking).

    YUV is not converted, only arranged; RGB, taken as full-range, becomes what `colour_of` says; JPEG is made
    whole and decoded. The first `size_bytes` bytes of *target* are written. Raises DamagedPictureError for
    JPEG that cannot be shown; ValueError, TypeError or BufferError for a frame that contradicts itself and
    for a target that is too short or cannot be written.
    """
    if frame.format is PixelFormat.JPEG:
        mjpeg.decode_i420(mjpeg.repair(frame), target, frame.width, frame.height)
        return
    from drivers.video import _i420  # noqa: PLC0415 - an installation without it has no H.264 and all else

    _i420.write(frame.data, frame.width, frame.height, frame.stride_bytes, frame.format, target)


def same(a: Buffer, b: Buffer) -> bool:
    """Whether *a* and *b* have the same bytes, at the speed of memcmp (blocking)."""
    from drivers.video import _i420  # noqa: PLC0415 - as above

    return _i420.same(a, b)
