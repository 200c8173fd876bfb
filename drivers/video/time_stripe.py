"""A stripe of black and white blocks that tells when a picture was drawn: the ground truth of latencies.

Responsible for painting the stripe into raw pictures and for reading it back from decoded ones. It is at the
picture's top left corner: 64 blocks side by side, 8 of a sync pattern, 40 of the time, 16 of a checksum. Must
never read a wrong time: what is absent, torn or blurred is None. Reads and writes memory and no clock.
"""

from __future__ import annotations

import binascii
import functools
from typing import Final

from drivers.video.frame import Frame, PixelFormat

# JPEG and H.264 code blocks of 8 or 16 pixels a side: aligned to them, the stripe's edges cost no ringing.
BLOCK_WIDTH_PX: Final = 8
STRIPE_HEIGHT_PX: Final = 16
STRIPE_WIDTH_PX: Final = 64 * BLOCK_WIDTH_PX

_SYNC: Final = 0b10110010
_TIME_BITS: Final = 40
TICK_S: Final = 1e-5
_WRAP: Final = 1 << _TIME_BITS
WRAP_S: Final = _WRAP * TICK_S
"""The stripe begins anew after this time, 127 days."""

# Inside of both ranges of video, the full and the limited one.
_BLACK: Final = 16
_WHITE: Final = 235
# Between them a block is neither: two pictures, or something else.
_DARKEST_GREY: Final = 88
_LIGHTEST_GREY: Final = 168
_NEUTRAL: Final = bytes((128,))
"""Chroma without a colour."""
# Where blocks are looked at: well inside, in both halves of the stripe, whose difference tells of a tear.
_SAMPLE_ROWS: Final = (2, 5, 10, 13)
_SAMPLE_COLUMNS: Final = slice(2, BLOCK_WIDTH_PX - 2)
_SAMPLES: Final = BLOCK_WIDTH_PX - 4


def fits(width_px: int, height_px: int) -> bool:
    """Whether a picture is large enough for the stripe."""
    return width_px >= STRIPE_WIDTH_PX and height_px >= STRIPE_HEIGHT_PX


def paint(frame: Frame, time_s: float) -> None:
    """Paint *time_s*, seconds of any clock, into *frame*, whose buffer must be writable.

    It is kept to 10 µs, modulo `WRAP_S`. Writes 16 rows of 512 pixels and no other byte. Raises ValueError if
    the picture is too small or compressed, TypeError if its buffer is read-only.
    """
    if not fits(frame.width, frame.height):
        raise ValueError(
            f"expected a picture of at least {STRIPE_WIDTH_PX}x{STRIPE_HEIGHT_PX}, got"
            f" {frame.width}x{frame.height} - at the time stripe"
        )
    data = memoryview(frame.data).cast("B")
    stride_bytes = frame.stride_bytes
    _fill_rows(data, 0, stride_bytes, row_of(time_s, frame.format), STRIPE_HEIGHT_PX)
    luma_bytes = stride_bytes * frame.height
    if frame.format is PixelFormat.NV12:
        _fill_rows(data, luma_bytes, stride_bytes, _NEUTRAL * STRIPE_WIDTH_PX, STRIPE_HEIGHT_PX // 2)
    elif frame.format is PixelFormat.YUV420:
        chroma_stride_bytes = (stride_bytes + 1) // 2
        chroma_bytes = chroma_stride_bytes * ((frame.height + 1) // 2)
        for plane in (luma_bytes, luma_bytes + chroma_bytes):
            _fill_rows(
                data, plane, chroma_stride_bytes, _NEUTRAL * (STRIPE_WIDTH_PX // 2), STRIPE_HEIGHT_PX // 2
            )


def row_of(time_s: float, pixel_format: PixelFormat) -> bytes:
    """Return one row of the stripe, as it is in the picture's (first) plane; all rows are alike."""
    black, white = _block(pixel_format, _BLACK), _block(pixel_format, _WHITE)
    code = _code(round(time_s / TICK_S) % _WRAP)
    return b"".join(white if bit == "1" else black for bit in f"{code:064b}")


def read(luma: bytes | bytearray | memoryview, stride_bytes: int, *, near_s: float) -> float | None:
    """Return the time in the stripe of a decoded picture, or None if there is none that is certain.

    *luma* is one byte for each pixel, rows of *stride_bytes* bytes, of which the first 16 are enough. Of the
    times that the stripe can mean, `WRAP_S` apart, the one nearest to *near_s* is returned.
    """
    if stride_bytes < STRIPE_WIDTH_PX or len(luma) < stride_bytes * STRIPE_HEIGHT_PX:
        return None
    code = 0
    for left in range(0, STRIPE_WIDTH_PX, BLOCK_WIDTH_PX):
        levels = [_level(luma, y * stride_bytes + left) for y in _SAMPLE_ROWS]
        if min(levels) > _LIGHTEST_GREY:
            code = code << 1 | 1
        elif max(levels) < _DARKEST_GREY:
            code <<= 1
        else:
            return None
    ticks = code >> 16 & _WRAP - 1
    if code != _code(ticks):
        return None
    time_s = ticks * TICK_S
    return time_s + round((near_s - time_s) / WRAP_S) * WRAP_S


def _level(luma: bytes | bytearray | memoryview, at: int) -> float:
    return sum(luma[at + _SAMPLE_COLUMNS.start : at + _SAMPLE_COLUMNS.stop]) / _SAMPLES


def _code(ticks: int) -> int:
    head = _SYNC << _TIME_BITS | ticks
    return head << 16 | binascii.crc_hqx(head.to_bytes(6), 0xFFFF)


def _fill_rows(data: memoryview, begin: int, stride_bytes: int, row: bytes, rows: int) -> None:
    for at in range(begin, begin + rows * stride_bytes, stride_bytes):
        data[at : at + len(row)] = row


@functools.cache
def _block(pixel_format: PixelFormat, luma: int) -> bytes:
    """One row of a block in the picture's (first) plane."""
    level = bytes((luma,))
    match pixel_format:
        case PixelFormat.YUYV:
            pixel = level + _NEUTRAL
        case PixelFormat.UYVY:
            pixel = _NEUTRAL + level
        case PixelFormat.RGB24 | PixelFormat.BGR24:
            pixel = level * 3
        case PixelFormat.BGRX32:
            pixel = level * 4
        case PixelFormat.JPEG:
            raise ValueError("expected a raw picture, got JPEG - at the time stripe")
        case _:  # a plane of its own
            pixel = level
    return pixel * BLOCK_WIDTH_PX
