"""Decoding for an encoder of video: planes of half colour out of every kind of JPEG, and of nothing else."""

from __future__ import annotations

import io
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from drivers.video import _jpeg, mjpeg, python_mjpeg
from drivers.video.frame import DamagedPictureError

type Pixels = NDArray[np.uint8]

SAMPLINGS = ["444", "422", "420", "440", "411"]
SIZES = [(1, 1), (2, 3), (16, 16), (17, 15), (98, 54), (99, 55), (320, 200)]


@pytest.fixture(params=[_jpeg, python_mjpeg], ids=["extension", "Python"])
def engine(request: pytest.FixtureRequest) -> ModuleType:
    """Each engine in turn."""
    module: ModuleType = request.param
    return module


def _decode(engine: Any, jpeg: bytes, width: int, height: int) -> list[Pixels]:
    """The three planes; what lies behind them in the buffer stays as it was."""
    length = mjpeg.i420_bytes(width, height)
    target = bytearray(b"\xa5" * (length + 64))
    engine.decode_i420(jpeg, target, width, height)
    assert target[length:] == b"\xa5" * 64
    columns, rows = (width + 1) // 2, (height + 1) // 2
    luma, *colour = np.split(
        np.frombuffer(target, np.uint8, length), [4 * columns * rows, 5 * columns * rows]
    )
    return [luma.reshape(2 * rows, 2 * columns), *(plane.reshape(rows, columns) for plane in colour)]


def _grown(plane: Pixels) -> Pixels:
    return np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge")


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_planes_are_those_of_the_picture(engine: ModuleType, sampling: str, pictures: Any) -> None:
    for width, height in SIZES:
        rgb = pictures.known(width, height)
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), 95, "RGB", sampling)
        ycbcr = pictures.decode_ycbcr(jpeg)
        y, cb, cr = _decode(engine, jpeg, width, height)
        assert np.abs(y.astype(int) - _grown(ycbcr[..., 0])).max() <= 1
        for plane, whole in ((cb, ycbcr[..., 1]), (cr, ycbcr[..., 2])):
            rows, columns = plane.shape
            halved = _grown(whole).reshape(rows, 2, columns, 2).mean(axis=(1, 3)).round().astype(np.uint8)
            # Other decoders smooth the colour where they enlarge it.
            assert pictures.psnr_db(plane, halved) > 34, (width, height)


def test_colour_of_half_the_size_is_not_touched(pictures: Any) -> None:
    """4:2:0 comes as it is in the file, and 4:4:4 of one colour in each square becomes the same."""
    rgb = np.repeat(np.repeat(pictures.known(64, 48), 2, axis=0), 2, axis=1)
    half = _decode(_jpeg, simplejpeg.encode_jpeg(rgb, 100, "RGB", "420"), 128, 96)
    full = _decode(_jpeg, simplejpeg.encode_jpeg(rgb, 100, "RGB", "444"), 128, 96)
    for a, b in zip(half, full, strict=True):
        assert np.abs(a.astype(int) - b).max() <= 3


def test_grey_has_no_colour(engine: ModuleType) -> None:
    grey: Pixels = np.arange(7 * 9, dtype=np.uint8).reshape(7, 9) * 4
    output = io.BytesIO()
    Image.fromarray(grey).save(output, "JPEG", quality=100)
    y, cb, cr = _decode(engine, output.getvalue(), 9, 7)
    assert np.abs(y.astype(int) - _grown(grey)).max() <= 2
    assert {*cb.ravel().tolist(), *cr.ravel().tolist()} == {128}


def test_what_is_no_picture_of_that_size_is_named(engine: ModuleType) -> None:
    pixels: Pixels = np.zeros((48, 64, 3), np.uint8)
    jpeg = simplejpeg.encode_jpeg(pixels)
    rgb, target = io.BytesIO(), bytearray(mjpeg.i420_bytes(64, 48))
    Image.fromarray(pixels).save(rgb, "JPEG", keep_rgb=True)
    for sent, width, height, problem in (
        (jpeg, 64, 47, "expected a picture of 64 x 47 pixels, got 64 x 48"),
        (jpeg, 32, 48, "expected a picture of 32 x 48 pixels, got 64 x 48"),
        (rgb.getvalue(), 64, 48, "expected a JPEG picture, got: colours other than YCbCr"),
        (b"", 64, 48, "expected a JPEG picture, got: "),
        (jpeg[:200], 64, 48, "expected a JPEG picture, got: "),
        (bytes(5000), 64, 48, "expected a JPEG picture, got: "),
    ):
        with pytest.raises(DamagedPictureError, match=problem):
            engine.decode_i420(sent, target, width, height)


def test_wrong_arguments_are_named(engine: ModuleType) -> None:
    jpeg = simplejpeg.encode_jpeg(np.zeros((48, 64, 3), np.uint8))
    target = bytearray(mjpeg.i420_bytes(64, 48))
    wrong: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        ((jpeg, target, 0, 48), ValueError, "expected width between 1 and 65500, got 0"),
        ((jpeg, target, 64, 99999), ValueError, "expected height between 1 and 65500, got 99999"),
        ((jpeg, target, 65500, 65500), ValueError, "expected at most 268435456 pixels, got 65500 x 65500"),
        ((jpeg, target[:-1], 64, 48), ValueError, "at least 4608 bytes for 64 x 48 pixels, got 4607"),
        (
            (jpeg, bytes(target), 64, 48),
            ValueError,
            "expected target to be C-contiguous and writable, got a bytes",
        ),
        ((jpeg, "text", 64, 48), TypeError, "expected target to support the buffer protocol, got str"),
        ((None, target, 64, 48), TypeError, "expected buffer to support the buffer protocol, got NoneType"),
    ]
    for arguments, error, problem in wrong:
        with pytest.raises(error, match=problem) as caught:
            engine.decode_i420(*arguments)
        assert type(caught.value) is error


def test_nothing_leaks() -> None:
    jpeg = simplejpeg.encode_jpeg(np.zeros((48, 64, 3), np.uint8))
    target = bytearray(mjpeg.i420_bytes(64, 48))
    before = sys.getrefcount(jpeg), sys.getrefcount(target), sys.getrefcount(DamagedPictureError)
    for width in (64, 63, 0) * 20:
        try:
            _jpeg.decode_i420(jpeg, target, width, 48)
        except ValueError:
            continue
    target.append(0)  # raises BufferError if somebody still has a view
    assert (sys.getrefcount(jpeg), sys.getrefcount(target), sys.getrefcount(DamagedPictureError)) == before


@given(st.data())
def test_broken_pictures_are_decoded_or_named(data: st.DataObject) -> None:
    width, height = data.draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    noise: Pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    sent = bytearray(simplejpeg.encode_jpeg(noise, 70, "RGB", data.draw(st.sampled_from(SAMPLINGS))))
    for _ in range(data.draw(st.integers(0, 5))):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    sent = sent[: data.draw(st.integers(0, len(sent)) | st.just(len(sent)))]
    try:
        _decode(_jpeg, bytes(sent), width, height)
    except DamagedPictureError as exc:
        assert str(exc).startswith("expected a ")
