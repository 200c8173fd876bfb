"""I420: every format, size and stride against a reference in numpy; what it refuses."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.video import _i420, i420
from drivers.video.frame import (
    Colour,
    ColourMatrix,
    ColourRange,
    DamagedPictureError,
    Frame,
    PixelFormat,
)
from drivers.video.jpeg import JpegEncoder

type Pixels = NDArray[np.uint8]

FORMATS = ["YUYV", "UYVY", "NV12", "YUV420", "RGB24", "BGR24", "BGRX32", "GREY"]
PACKED_BYTES = {"YUYV": 2, "UYVY": 2, "RGB24": 3, "BGR24": 3, "BGRX32": 4}
RGB_ORDER = {"RGB24": (0, 1, 2), "BGR24": (2, 1, 0), "BGRX32": (2, 1, 0)}
GUARD = 0xA5


def full(plane: Pixels, height: int, width: int) -> Pixels:
    """Repeat the last row and column until *plane* is that large."""
    return np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1])), mode="edge")


def mean(plane: Pixels) -> NDArray[np.float64]:
    """Return the mean of each two by two pixels."""
    height, width = plane.shape
    blocks: NDArray[np.float64] = plane.astype(np.float64).reshape(height // 2, 2, width // 2, 2)
    return blocks.mean(axis=(1, 3))


class Planes:
    """The planes of a frame, taken apart by numpy."""

    def __init__(self, data: bytes, width: int, height: int, stride: int, name: str) -> None:
        self._bytes = np.frombuffer(data, np.uint8)
        self.width, self.height = width, height
        self.even = (height + height % 2, width + width % 2)
        self._stride, self._name = stride, name

    def _rows(self, offset: int, rows: int, stride: int, row_bytes: int) -> Pixels:
        part = self._bytes[offset : offset + stride * (rows - 1) + row_bytes]
        return np.stack([part[stride * row : stride * row + row_bytes] for row in range(rows)])

    def expected(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return Y, Cb and Cr, not rounded."""
        width, height, stride = self.width, self.height, self._stride
        half_height, half_width = self.even[0] // 2, self.even[1] // 2
        first = self._rows(0, height, stride, width * PACKED_BYTES.get(self._name, 1))
        neutral = np.full((half_height, half_width), 128.0)
        match self._name:
            case "GREY":
                return full(first, *self.even).astype(np.float64), neutral, neutral
            case "NV12":
                pairs = self._rows(stride * height, half_height, stride, half_width * 2).astype(np.float64)
                return full(first, *self.even).astype(np.float64), pairs[:, ::2], pairs[:, 1::2]
            case "YUV420":
                half = (stride + 1) // 2
                cb = self._rows(stride * height, half_height, half, half_width)
                cr = self._rows(stride * height + half * half_height, half_height, half, half_width)
                return (
                    full(first, *self.even).astype(np.float64),
                    cb.astype(np.float64),
                    cr.astype(np.float64),
                )
            case "YUYV" | "UYVY":
                at = self._name == "UYVY"
                luma, cb, cr = first[:, at::2], first[:, 1 - at :: 4], first[:, 3 - at :: 4]
                halves = [full(plane, self.even[0], half_width).astype(np.float64) for plane in (cb, cr)]
                down = [(plane[::2] + plane[1::2]) / 2 for plane in halves]
                return full(luma, *self.even).astype(np.float64), down[0], down[1]
        step = PACKED_BYTES[self._name]
        r, g, b = (full(first[:, at::step], *self.even) for at in RGB_ORDER[self._name])
        # ITU-R BT.709, 219 and 224 steps.
        y = 16 + 219 / 255 * (0.2126 * r + 0.7152 * g + 0.0722 * b)
        rm, gm, bm = mean(r), mean(g), mean(b)
        ym = 0.2126 * rm + 0.7152 * gm + 0.0722 * bm
        scale = 224 / 255
        return y, 128 + scale * (bm - ym) / 1.8556, 128 + scale * (rm - ym) / 1.5748


def written(data: bytes, width: int, height: int, stride: int, name: str) -> tuple[Pixels, Pixels, Pixels]:
    """Write a picture and return its planes; what is behind them is untouched."""
    size = i420.size_bytes(width, height)
    target = bytearray([GUARD]) * (size + 64)
    frame = Frame(data, width, height, stride, PixelFormat(name), 0.0, 0.0)
    i420.write(frame, memoryview(target))
    assert target[size:] == bytes([GUARD]) * 64
    planes = np.frombuffer(bytes(target[:size]), np.uint8)
    height, width = i420.even(height), i420.even(width)
    luma, quarter = width * height, width * height // 4
    cb, cr = (planes[at : at + quarter].reshape(height // 2, -1) for at in (luma, luma + quarter))
    return planes[:luma].reshape(height, width), cb, cr


def frame_bytes(width: int, height: int, stride: int, name: str) -> int:
    """Return the least that a buffer must hold."""
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    match name:
        case "NV12":
            return stride * (height + half_height - 1) + half_width * 2
        case "YUV420":
            return stride * height + (stride + 1) // 2 * (2 * half_height - 1) + half_width
    return stride * (height - 1) + width * PACKED_BYTES.get(name, 1)


def check(width: int, height: int, padding: int, name: str, seed: int) -> None:
    if name in {"YUYV", "UYVY"}:
        width = i420.even(width)
    stride = (i420.even(width) if name == "NV12" else width * PACKED_BYTES.get(name, 1)) + padding
    noise = np.random.default_rng(seed)
    data = noise.integers(0, 256, frame_bytes(width, height, stride, name), np.uint8).tobytes()
    got = written(data, width, height, stride, name)
    expected = Planes(data, width, height, stride, name).expected()
    # Factors of 8 bits: what comes out is within one step of the exact value.
    tolerance = 1.5 if name in RGB_ORDER else 0.5
    for plane, wanted in zip(got, expected, strict=True):
        assert np.abs(plane.astype(np.float64) - wanted).max() <= tolerance, name


@pytest.mark.parametrize("name", FORMATS)
@given(st.integers(1, 70), st.integers(1, 20), st.sampled_from([0, 1, 2, 31, 64]), st.integers(0, 2**32 - 1))
def test_every_size_and_stride(name: str, width: int, height: int, padding: int, seed: int) -> None:
    check(width, height, padding, name, seed)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("width", [1023, 1024, 1025, 2049])
def test_wide_pictures_have_no_seams(name: str, width: int) -> None:
    check(width, 3, 5, name, width)


@pytest.mark.parametrize("name", ["RGB24", "BGR24", "BGRX32"])
def test_grey_has_no_colour_and_the_ends_of_the_range_are_met(name: str) -> None:
    step = PACKED_BYTES[name]
    for value in range(256):
        y, cb, cr = written(bytes([value]) * 4 * step, 2, 2, 2 * step, name)
        assert (cb.item(), cr.item()) == (128, 128)
        assert {0: 16, 255: 235}.get(value, y[0, 0]) == y[0, 0]


def test_what_the_numbers_mean() -> None:
    given_ = Colour(ColourRange.LIMITED, ColourMatrix.BT2020)

    def colour(name: PixelFormat) -> Colour:
        return i420.colour_of(Frame(b"", 2, 2, 8, name, 0.0, 0.0, colour=given_))

    for name in (PixelFormat.YUYV, PixelFormat.NV12, PixelFormat.GREY):
        assert colour(name) == given_
    for name in (PixelFormat.RGB24, PixelFormat.BGR24, PixelFormat.BGRX32):
        assert colour(name) == Colour(ColourRange.LIMITED, ColourMatrix.BT709)
    assert colour(PixelFormat.JPEG) == Colour(ColourRange.FULL, ColourMatrix.BT601)


def test_jpeg_is_decoded() -> None:
    grey = np.full((17, 31), 77, np.uint8)
    raw = Frame(grey.tobytes(), 31, 17, 31, PixelFormat.GREY, 0.0, 0.0)
    jpeg = Frame(JpegEncoder().encode(raw, 90), 31, 17, 0, PixelFormat.JPEG, 0.0, 0.0)
    target = bytearray(i420.size_bytes(31, 17))
    i420.write(jpeg, target)
    luma = np.frombuffer(target, np.uint8)[: 32 * 18].astype(int)
    assert np.abs(luma - 77).max() <= 1
    assert set(target[32 * 18 :]) == {128}
    with pytest.raises(DamagedPictureError):
        i420.write(Frame(b"no picture", 31, 17, 0, PixelFormat.JPEG, 0.0, 0.0), target)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": bytes(95)}, ValueError, "expected buffer of at least 96 bytes"),
        ({"width": 0}, ValueError, "expected width between 1"),
        ({"height": 65501}, ValueError, "expected height between 1"),
        ({"width": 65500, "height": 65500}, ValueError, "expected at most 268435456 pixels"),
        ({"stride": 23}, ValueError, "expected a stride of at least 24 bytes"),
        ({"format": "JPEG"}, ValueError, "expected pixel_format to be one of"),
        ({"target": bytearray(47)}, ValueError, "expected target of at least 48 bytes, got 47"),
        ({"target": bytes(48)}, BufferError, "not writable"),
        ({"target": memoryview(bytearray(96))[::2]}, BufferError, "contiguous"),
        ({"target": None}, TypeError, "bytes-like object is required"),
        ({"data": "text"}, TypeError, "expected buffer to support the buffer protocol"),
    ],
)
def test_refusals(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    given_: dict[str, Any] = {"data": bytes(96), "width": 8, "height": 4, "stride": 24, "format": "RGB24"}
    given_ |= {"target": bytearray(48), **changes}
    names = ("data", "width", "height", "stride", "format", "target")
    with pytest.raises(error, match=message):
        _i420.write(*(given_[name] for name in names))


def test_same() -> None:
    a = bytes(range(256)) * 50
    assert i420.same(a, bytearray(a))
    assert not i420.same(a, a[:-1])
    assert not i420.same(a, a[:-1] + b"\0")
    with pytest.raises(BufferError):
        i420.same(a, memoryview(a)[::2])


def test_other_threads_run_meanwhile() -> None:
    """A frame that is written in one thread does not hold another one up: the results stay apart."""
    data = [
        np.random.default_rng(seed).integers(0, 256, 640 * 480 * 3, np.uint8).tobytes() for seed in (1, 2)
    ]
    alone = [written(each, 640, 480, 1920, "RGB24") for each in data]
    together: dict[int, Any] = {}

    def work(number: int) -> None:
        for _ in range(20):
            together[number] = written(data[number], 640, 480, 1920, "RGB24")

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 1):
        assert all(np.array_equal(a, b) for a, b in zip(alone[number], together[number], strict=True))
