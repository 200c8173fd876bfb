"""Previews, by the contract's vectors (subsystems.md 7) and against Pillow's own thumbnails."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drivers.video.frame import PixelFormat
from drivers.video.jpeg import Engine, JpegEncoder
from drivers.video.preview import preview_size, scale_jpeg

# The contract's `preview_size` vectors: frame, limits, result, what becomes of the bytes.
VECTORS = [
    ((1920, 1080), (0, 0), (384, 216), "re-encoded"),
    ((640, 480), (0, 0), (128, 96), "re-encoded"),
    ((640, 480), (100, 100), (100, 75), "re-encoded"),
    ((1920, 1080), (320, 0), (320, 180), "re-encoded"),
    ((1920, 1080), (0, 200), (356, 200), "re-encoded"),
    ((640, 480), (5000, 0), (640, 480), "original bytes"),
    ((640, 480), (640, 480), (640, 480), "original bytes"),
    ((1280, 720), (100, 100), (100, 56), "re-encoded"),
]


def _size(jpeg: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(jpeg)) as image:
        return image.size


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_contract_vectors(
    turbo: Engine, pictures: Any, vector: tuple[tuple[int, int], tuple[int, int], tuple[int, int], str]
) -> None:
    frame, limits, result, what = vector
    assert preview_size(*frame, *limits) == result
    jpeg = JpegEncoder(using=turbo).encode(pictures.lay_out(pictures.known(*frame), PixelFormat.RGB24), 80)
    scaled = scale_jpeg(jpeg, *limits, 70)
    assert _size(scaled) == result
    assert (scaled is jpeg) == (what == "original bytes")


@given(
    width=st.integers(5, 4000),
    height=st.integers(5, 4000),
    limits=st.tuples(st.integers(0, 4500), st.integers(0, 4500)),
)
@settings(max_examples=500)
def test_sizes_agree_with_an_independent_implementation(
    width: int, height: int, limits: tuple[int, int]
) -> None:
    size = preview_size(width, height, *limits)
    box = (
        (width // 5, height // 5)
        if limits == (0, 0)
        else (min(limits[0] or width, width), min(limits[1] or height, height))
    )
    with Image.new("1", (width, height)) as image:
        image.thumbnail(box, Image.Resampling.NEAREST)
        # Which of two sizes equally near to the proportions it takes is a matter of its rounding errors.
        distances = {abs(Fraction(width, height) - Fraction(*each)) for each in (size, image.size)}
        assert size == image.size or len(distances) == 1
    assert 1 <= size[0] <= box[0]
    assert 1 <= size[1] <= box[1]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (4, 4), (65500, 1), (1, 65500), (3, 700)])
@pytest.mark.parametrize("limits", [(0, 0), (1, 1), (0, 1), (1, 0), (7, 7)])
def test_no_preview_is_empty_or_larger_than_its_picture(
    width: int, height: int, limits: tuple[int, int]
) -> None:
    wide, high = preview_size(width, height, *limits)
    assert 1 <= wide <= width
    assert 1 <= high <= height


@pytest.mark.parametrize("arguments", [(0, 1, 0, 0), (1, 0, 0, 0), (5, 5, -1, 0), (5, 5, 0, -1)])
def test_impossible_sizes_are_refused(arguments: tuple[int, int, int, int]) -> None:
    with pytest.raises(
        ValueError, match=r"expected (width|height|max_width|max_height) of at least [01], got"
    ):
        preview_size(*arguments)


@pytest.mark.parametrize("pixel_format", [PixelFormat.RGB24, PixelFormat.YUYV, PixelFormat.GREY])
def test_a_preview_looks_like_its_picture(turbo: Engine, pictures: Any, pixel_format: PixelFormat) -> None:
    rgb = pictures.known(1280, 720)
    jpeg = JpegEncoder(using=turbo).encode(pictures.lay_out(rgb, pixel_format), 90)
    scaled = pictures.decode(scale_jpeg(jpeg, 320, 0, 90))
    with Image.fromarray(pictures.decode(jpeg)) as image:
        wanted = image.resize((320, 180), Image.Resampling.LANCZOS)
    assert pictures.psnr_db(scaled, np.asarray(wanted)) > 33


def test_quality_is_obeyed(turbo: Engine, pictures: Any) -> None:
    jpeg = JpegEncoder(using=turbo).encode(pictures.lay_out(pictures.known(640, 480), PixelFormat.RGB24), 90)
    assert len(scale_jpeg(jpeg, 320, 240, 5)) < len(scale_jpeg(jpeg, 320, 240, 95))
    for quality in (0, 101, -5):
        with pytest.raises(ValueError, match="expected quality between 1 and 100, got"):
            scale_jpeg(jpeg, 320, 240, quality)


def test_what_is_no_jpeg_is_refused(turbo: Engine, pictures: Any) -> None:
    jpeg = JpegEncoder(using=turbo).encode(pictures.lay_out(pictures.known(640, 480), PixelFormat.RGB24), 90)
    png = io.BytesIO()
    Image.new("RGB", (640, 480)).save(png, "PNG")
    for broken in (b"", b"\xff\xd8", b"not a picture", png.getvalue(), jpeg[: len(jpeg) // 2], jpeg[:30]):
        with pytest.raises(ValueError, match="expected a JPEG picture, got"):
            scale_jpeg(broken, 100, 100, 80)
