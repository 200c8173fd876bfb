"""JPEG pictures of capture devices: made whole, and taken apart for an encoder of video.

USB grabbers send each frame as the JPEG picture that their chip made, without what it saved (the Huffman
tables that everybody knows) and with what the bus made of it. Responsible for giving such pictures to the C
extension, or, where that was not built, to the slower `python_mjpeg`. Must never decode a picture that looks
whole only to pass it on, nor keep a buffer.
"""

from __future__ import annotations

import functools
from collections.abc import Buffer
from typing import Protocol

from drivers.video.frame import DamagedPictureError, Frame, PixelFormat


class _Engine(Protocol):
    """What this module needs of the extension or of `python_mjpeg`."""

    def repair(self, buffer: Buffer, width: int, height: int, /) -> bytes: ...
    def decode_i420(self, buffer: Buffer, target: Buffer, width: int, height: int, /) -> None: ...


@functools.cache
def _engine() -> _Engine:
    try:
        from drivers.video import _jpeg  # noqa: PLC0415 - chosen at first use, not at import
    except ImportError:
        from drivers.video import python_mjpeg  # noqa: PLC0415 - loads numpy and Pillow only where needed

        return python_mjpeg
    return _jpeg


def repair(frame: Frame) -> bytes:
    """Return the JPEG picture of *frame* as a file that any decoder takes (blocking, one copy).

    One baseline picture (T.81) from its start marker to its end marker. Left out is what lies in front of it,
    behind it, and between its segments; put in are Huffman tables that it uses but does not have (those of
    T.81 K.3.3, which devices mean by that), and the end marker. Sides that differ from the frame's by less
    than a coding unit are set to the frame's. All else stays byte for byte: a whole picture stays what it is.

    A scan that ends by its end marker is believed, if it is long enough for any picture of its size. Of one
    that does not, the codes are counted: if more than a sixteenth of the picture is missing, it is damaged,
    because a viewer sees the whole next one sooner than somebody could read the rest. Less is let through,
    since some devices never send the last bytes.

    Raises DamagedPictureError that says what is wrong: nothing there, no frame header, tables or scan, a
    length beyond the end, another size, another kind of JPEG (progressive, arithmetic, lossless), or a scan
    that breaks off; ValueError if *frame* is not JPEG.
    """
    _check(frame)
    return _engine().repair(frame.data, frame.width, frame.height)


def i420_bytes(width: int, height: int) -> int:
    """Return how long a picture of *width* x *height* pixels is that `decode_i420` writes."""
    return (width + width % 2) * (height + height % 2) // 2 * 3


def decode_i420(jpeg: Buffer, target: Buffer, width: int, height: int) -> None:
    """Decode *jpeg*, which `repair` has returned, into *target* as Y, Cb and Cr (blocking).

    The planes lie one behind the other without padding, those of colour with half the sides, as
    `drivers.video.i420.write` has them: an odd side grows by one pixel, which repeats the last. 4:2:0 is
    taken as it is; of 4:2:2, 4:4:4, 4:4:0 and 4:1:1 the colour is averaged, grey gets none. The numbers are
    JFIF's, full-range BT.601. The first `i420_bytes` of *target* are written, also if it fails on the way.

    Raises DamagedPictureError for what cannot be decoded and for another size; a picture with flaws that a
    decoder gets over is decoded. ValueError and TypeError for a target that is too short or read-only.
    """
    _engine().decode_i420(jpeg, target, width, height)


def _check(frame: Frame) -> None:
    if frame.format is not PixelFormat.JPEG:
        raise ValueError(f"expected a frame of the format {PixelFormat.JPEG}, got {frame.format}")


__all__ = ["DamagedPictureError", "decode_i420", "i420_bytes", "repair"]
