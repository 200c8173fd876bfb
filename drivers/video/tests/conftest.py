"""Known pictures, and the same picture laid out in every pixel format."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from drivers.video import _jpeg, pillow_jpeg
from drivers.video.frame import Frame, PixelFormat
from drivers.video.jpeg import Engine

type Pixels = NDArray[np.uint8]

# The extension must be there where tests run: that it is missing is a failure, not a reason to skip.
ENGINES = [
    Engine("libjpeg-turbo", _jpeg.Encoder, _jpeg.same),
    Engine("Pillow", pillow_jpeg.Encoder, pillow_jpeg.same),
]
PACKED_BYTES = {
    PixelFormat.YUYV: 2,
    PixelFormat.UYVY: 2,
    PixelFormat.RGB24: 3,
    PixelFormat.BGR24: 3,
    PixelFormat.BGRX32: 4,
}


@pytest.fixture(params=ENGINES, ids=[engine.name for engine in ENGINES], scope="session")
def any_engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    engine: Engine = request.param
    return engine


@pytest.fixture(scope="session")
def turbo() -> Engine:
    """The C extension."""
    return ENGINES[0]


def _least_stride(pixel_format: PixelFormat, width: int) -> int:
    if pixel_format is PixelFormat.NV12:
        return (width + 1) // 2 * 2
    return width * PACKED_BYTES.get(pixel_format, 1)


def _known_picture(width: int, height: int, seed: int = 0) -> Pixels:
    """Slow waves of colour, chequered brightness: survives 4:2:0, but shows every misplaced byte."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    tile = ((x // 8 + y // 8) % 2) * 24 - 12
    waves = [128 + 90 * np.sin(x / (31 + 7 * i) + y / (43 - 5 * i) + i * 2 + seed) + tile for i in range(3)]
    picture: Pixels = np.clip(np.dstack(waves), 0, 255).round().astype(np.uint8)
    return picture


def _to_ycbcr(rgb: Pixels) -> Pixels:
    """JFIF: BT.601 with the full range (T.871)."""
    r, g, b = (rgb[..., i].astype(np.float64) for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    cb = (b - y) / 1.772 + 128
    cr = (r - y) / 1.402 + 128
    return np.clip(np.dstack((y, cb, cr)).round(), 0, 255).astype(np.uint8)


def _chroma(plane: Pixels, *, rows: bool) -> Pixels:
    """Every second column (and row) of a colour plane: sizes rounded up."""
    return plane[::2, ::2] if rows else plane[:, ::2]


def _padded(rows: Pixels, stride: int, fill: Callable[[int], Pixels]) -> Pixels:
    out = fill(len(rows) * stride).reshape(len(rows), stride)
    out[:, : rows.shape[1]] = rows
    return out.reshape(-1)


def _lay_out(
    rgb: Pixels, pixel_format: PixelFormat, padding_bytes: int = 0, noise: int | None = None
) -> Frame:
    """Lay *rgb* out as a frame with *padding_bytes* behind each row: zeros, or noise of the seed *noise*."""
    height, width = rgb.shape[:2]
    stride = _least_stride(pixel_format, width) + padding_bytes
    generator = None if noise is None else np.random.default_rng(noise)

    def fill(count: int) -> Pixels:
        if generator is None:
            return np.zeros(count, np.uint8)
        return generator.integers(0, 256, count, np.uint8)

    planes: list[tuple[Pixels, int]]
    match pixel_format:
        case PixelFormat.RGB24:
            planes = [(rgb.reshape(height, -1), stride)]
        case PixelFormat.BGR24:
            planes = [(rgb[..., ::-1].reshape(height, -1), stride)]
        case PixelFormat.BGRX32:
            unused = np.full((height, width, 1), 77, np.uint8)
            planes = [(np.concatenate((rgb[..., ::-1], unused), axis=2).reshape(height, -1), stride)]
        case PixelFormat.GREY:
            planes = [(_to_ycbcr(rgb)[..., 0], stride)]
        case PixelFormat.YUYV | PixelFormat.UYVY:
            y, cb, cr = np.moveaxis(_to_ycbcr(rgb), 2, 0)
            packed = np.empty((height, width * 2), np.uint8)
            y_at = 0 if pixel_format is PixelFormat.YUYV else 1
            packed[:, y_at::2] = y
            packed[:, 1 - y_at :: 4] = _chroma(cb, rows=False)
            packed[:, 3 - y_at :: 4] = _chroma(cr, rows=False)
            planes = [(packed, stride)]
        case PixelFormat.NV12:
            y, cb, cr = np.moveaxis(_to_ycbcr(rgb), 2, 0)
            pairs = np.dstack((_chroma(cb, rows=True), _chroma(cr, rows=True)))
            planes = [(y, stride), (pairs.reshape(len(pairs), -1), stride)]
        case PixelFormat.YUV420:
            y, cb, cr = np.moveaxis(_to_ycbcr(rgb), 2, 0)
            half = (stride + 1) // 2
            planes = [(y, stride), (_chroma(cb, rows=True), half), (_chroma(cr, rows=True), half)]
    data = np.concatenate([_padded(rows, bytes_, fill) for rows, bytes_ in planes]).tobytes()
    return Frame(data, width, height, stride, pixel_format, 0.0, 0.0)


class Pictures:
    """Known pictures, their layouts, and decoders that are not ours."""

    decoders = ("Pillow", "simplejpeg")
    known = staticmethod(_known_picture)
    lay_out = staticmethod(_lay_out)
    least_stride = staticmethod(_least_stride)

    @staticmethod
    def decode(jpeg: bytes, decoder: str = "Pillow") -> Pixels:
        """The picture as RGB."""
        if decoder == "Pillow":
            with Image.open(io.BytesIO(jpeg)) as image:
                return np.asarray(image.convert("RGB"))
        pixels: Pixels = simplejpeg.decode_jpeg(jpeg, colorspace="RGB")
        return pixels

    @staticmethod
    def decode_ycbcr(jpeg: bytes) -> Pixels:
        """The picture as it is in the file, not converted to RGB."""
        with Image.open(io.BytesIO(jpeg)) as image:
            image.draft("YCbCr", None)
            image.load()
            assert image.mode == "YCbCr"
            return np.asarray(image)

    @staticmethod
    def psnr_db(a: Pixels, b: Pixels) -> float:
        """Peak signal to noise ratio of two pictures, in decibels."""
        error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
        return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """All that tests of pictures need."""
    return Pictures()


def _run_python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def run_python() -> Callable[[str], str]:
    """Run a script in a process of its own, which may crash, and return what it printed."""
    return _run_python
