"""The slower JPEG engine, on Pillow and numpy, for installations without the C extension.

Responsible for the interface, the results (in all but speed) and the errors, word for word, of `_jpeg`;
the same tests run over both. Must never be chosen silently: `jpeg.backend()` names it.
"""

from __future__ import annotations

import io
import operator
import threading
from collections.abc import Buffer
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drivers.video.frame import RAW_FORMATS, PixelFormat

# The full range for each value of the limited one: of Y, and of Cb and Cr (ITU-R BT.601, T.871).
_WIDENED = [min(max(round((value - 16) * 255 / 219), 0), 255) for value in range(256)]
_WIDENED += [min(max(round((value - 128) * 255 / 224 + 128), 0), 255) for value in range(256)] * 2

type _Bytes = NDArray[np.uint8]

MAX_SIDE_PX = 65500
MAX_PIXELS = 1 << 28
MOST_THREADS = 16
_MAX_STRIDE_BYTES = (1 << 31) - 1
_PIXEL_BYTES = {
    PixelFormat.YUYV: 2,
    PixelFormat.UYVY: 2,
    PixelFormat.RGB24: 3,
    PixelFormat.BGR24: 3,
    PixelFormat.BGRX32: 4,
}


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where one plane lies in a buffer."""

    offset: int
    stride: int
    row_bytes: int
    rows: int

    @property
    def end(self) -> int:
        return self.offset + self.stride * (self.rows - 1) + self.row_bytes


def _half_up(value: int) -> int:
    return (value + 1) // 2


def read_int(value: object, name: str, low: int, high: int) -> int:
    """Check an argument as the extension does. Raises TypeError, ValueError."""
    try:
        number = operator.index(value)  # type: ignore[arg-type] # that it may be anything is the point
    except TypeError as exc:
        raise TypeError(f"expected {name} to be an int, got {type(value).__name__}") from exc
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"expected {name} between {low} and {high}, got a number of more than 64 bits")
    if not low <= number <= high:
        raise ValueError(f"expected {name} between {low} and {high}, got {number}")
    return number


def _read_format(value: object) -> PixelFormat:
    if not isinstance(value, str):
        raise TypeError(f"expected pixel_format to be a str, got {type(value).__name__}")
    if value not in RAW_FORMATS:
        names = ", ".join(RAW_FORMATS)
        raise ValueError(f"expected pixel_format to be one of {names}, got {repr(value)[:80]}")
    return PixelFormat(value)


def _describe(pixel_format: PixelFormat, width: int, height: int, stride: int) -> list[_Plane]:
    if width * height > MAX_PIXELS:
        raise ValueError(f"expected at most {MAX_PIXELS} pixels, got {width} x {height}")
    if pixel_format in {PixelFormat.YUYV, PixelFormat.UYVY} and width % 2:
        raise ValueError(f"expected an even width for {pixel_format}, two pixels share a colour, got {width}")
    luma = _Plane(0, stride, width * _PIXEL_BYTES.get(pixel_format, 1), height)
    planes = [luma]
    least_stride = luma.row_bytes
    if pixel_format is PixelFormat.NV12:
        least_stride = 2 * _half_up(width)
        planes.append(_Plane(stride * height, stride, least_stride, _half_up(height)))
    elif pixel_format is PixelFormat.YUV420:
        chroma_stride, chroma_rows = _half_up(stride), _half_up(height)
        for i in range(2):
            offset = stride * height + i * chroma_stride * chroma_rows
            planes.append(_Plane(offset, chroma_stride, _half_up(width), chroma_rows))
    if stride < least_stride:
        raise ValueError(
            f"expected a stride of at least {least_stride} bytes for {pixel_format} {width} pixels wide, "
            f"got {stride}"
        )
    return planes


def bytes_of(value: object, name: str, *, writable: bool = False) -> _Bytes:
    """Return the bytes behind *value*, not copied. Raises TypeError, ValueError."""
    if not isinstance(value, Buffer):
        raise TypeError(f"expected {name} to support the buffer protocol, got {type(value).__name__}")
    view = memoryview(value)
    if not view.c_contiguous or (writable and view.readonly):
        shape = "C-contiguous and writable" if writable else "C-contiguous"
        raise ValueError(f"expected {name} to be {shape}, got a {type(value).__name__} that is not")
    return np.frombuffer(view, np.uint8) if view.nbytes else np.empty(0, np.uint8)


def _acquire(value: object, name: str, pixel_format: PixelFormat, planes: list[_Plane], width: int) -> _Bytes:
    """The bytes behind *value*, enough for the picture."""
    data = bytes_of(value, name)
    if len(data) < planes[-1].end:
        raise ValueError(
            f"expected {name} of at least {planes[-1].end} bytes for {pixel_format} "
            f"{width} x {planes[0].rows} with a stride of {planes[0].stride}, got {len(data)}"
        )
    return data


def _rows(data: _Bytes, plane: _Plane) -> _Bytes:
    """The visible part of *plane* as an array of shape (rows, row_bytes), not copied."""
    return np.lib.stride_tricks.as_strided(
        data[plane.offset :], (plane.rows, plane.row_bytes), (plane.stride, 1), writeable=False
    )


def _doubled(chroma: _Bytes, width: int, height: int, *, rows: bool) -> _Bytes:
    """Give each pixel its own colour; Pillow's averaging undoes exactly this when it subsamples."""
    wide = np.repeat(chroma, 2, axis=1)[:, :width]
    return np.repeat(wide, 2, axis=0)[:height] if rows else wide


def _image(
    data: _Bytes, planes: list[_Plane], pixel_format: PixelFormat, width: int
) -> tuple[Image.Image, str]:
    """The picture as Pillow's, and the subsampling to encode it with."""
    first = _rows(data, planes[0])
    height = planes[0].rows
    size = (width, height)
    match pixel_format:
        case PixelFormat.GREY:
            return Image.frombytes("L", size, first.tobytes()), "4:4:4"
        case PixelFormat.RGB24:
            return Image.frombytes("RGB", size, first.tobytes()), "4:2:0"
        case PixelFormat.BGR24 | PixelFormat.BGRX32:
            raw = "BGR" if pixel_format is PixelFormat.BGR24 else "BGRX"
            return Image.frombytes("RGB", size, first.tobytes(), "raw", raw), "4:2:0"
        case PixelFormat.YUYV | PixelFormat.UYVY:
            y_at, c_at = (0, 1) if pixel_format is PixelFormat.YUYV else (1, 0)
            y = first[:, y_at::2]
            cb, cr = (_doubled(first[:, c_at + i :: 4], width, height, rows=False) for i in (0, 2))
            subsampling = "4:2:2"
        case PixelFormat.NV12:
            y = first
            pairs = _rows(data, planes[1])
            cb, cr = (_doubled(pairs[:, i::2], width, height, rows=True) for i in (0, 1))
            subsampling = "4:2:0"
        case _:  # YUV420
            y = first
            cb, cr = (_doubled(_rows(data, plane), width, height, rows=True) for plane in planes[1:])
            subsampling = "4:2:0"
    return Image.frombytes("YCbCr", size, np.dstack((y, cb, cr)).tobytes()), subsampling


class Encoder:
    """The interface of `_jpeg.Encoder`: one thread, nothing kept, for one caller at a time all the same."""

    def __init__(self, threads: int = 1, /) -> None:
        read_int(threads, "threads", 1, MOST_THREADS)
        self.limited_range = False
        self._in_use = threading.Lock()
        self._last: tuple[object, ...] | None = None

    def encode(  # noqa: PLR0917 - the signature of the extension
        self, buffer: Any, width: int, height: int, stride_bytes: int, pixel_format: str, quality: int, /
    ) -> bytes:
        """Encode one picture as a baseline JFIF file; the rules and errors of `_jpeg.Encoder.encode`."""
        width = read_int(width, "width", 1, MAX_SIDE_PX)
        height = read_int(height, "height", 1, MAX_SIDE_PX)
        stride_bytes = read_int(stride_bytes, "stride_bytes", 1, _MAX_STRIDE_BYTES)
        layout = _read_format(pixel_format)
        quality = read_int(quality, "quality", 1, 100)
        planes = _describe(layout, width, height, stride_bytes)
        data = _acquire(buffer, "buffer", layout, planes, width)
        if not self._in_use.acquire(blocking=False):
            raise RuntimeError(
                "expected one call at a time, got a second one from another thread"
                " - give each thread its own Encoder"
            )
        try:
            image, subsampling = _image(data, planes, layout, width)
            if self.limited_range and image.mode != "RGB":
                image = image.point(_WIDENED[: 256 * len(image.getbands())])
            output = io.BytesIO()
            image.save(output, "JPEG", quality=quality, subsampling=subsampling)
            self._last = (width, height, layout, quality, self.limited_range)
            return output.getvalue()
        finally:
            self._in_use.release()

    def encode_changes(  # noqa: PLR0917 - the signature of the extension
        self,
        buffer: Any,
        width: int,
        height: int,
        stride_bytes: int,
        pixel_format: str,
        quality: int,
        last: Any,
        last_stride_bytes: int,
        /,
    ) -> bytes | None:
        """Encode it all, or nothing if it is the same; rules and errors are those of the extension."""
        last_stride_bytes = read_int(last_stride_bytes, "last_stride_bytes", 1, _MAX_STRIDE_BYTES)
        quality = read_int(quality, "quality", 1, 100)
        unchanged = same(buffer, last, width, height, stride_bytes, last_stride_bytes, pixel_format)
        if unchanged and self._last == (width, height, pixel_format, quality, self.limited_range):
            return None
        return self.encode(buffer, width, height, stride_bytes, pixel_format, quality)


def same(  # noqa: PLR0917 - the signature of the extension
    a: Any,
    b: Any,
    width: int,
    height: int,
    stride_a_bytes: int,
    stride_b_bytes: int,
    pixel_format: str,
    /,
) -> bool:
    """Whether two pictures have the same visible bytes; the rules and errors of `_jpeg.same`."""
    width = read_int(width, "width", 1, MAX_SIDE_PX)
    height = read_int(height, "height", 1, MAX_SIDE_PX)
    stride_a_bytes = read_int(stride_a_bytes, "stride_a_bytes", 1, _MAX_STRIDE_BYTES)
    stride_b_bytes = read_int(stride_b_bytes, "stride_b_bytes", 1, _MAX_STRIDE_BYTES)
    layout = _read_format(pixel_format)
    planes_a = _describe(layout, width, height, stride_a_bytes)
    planes_b = _describe(layout, width, height, stride_b_bytes)
    data_a = _acquire(a, "a", layout, planes_a, width)
    data_b = _acquire(b, "b", layout, planes_b, width)
    return all(
        np.array_equal(_rows(data_a, plane_a), _rows(data_b, plane_b))
        for plane_a, plane_b in zip(planes_a, planes_b, strict=True)
    )
