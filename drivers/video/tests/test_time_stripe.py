"""The time stripe: what was painted is read back through JPEG, and nothing else is taken for a time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.video import time_stripe
from drivers.video.frame import RAW_FORMATS, Frame, PixelFormat
from drivers.video.jpeg import Engine, JpegEncoder

TIMES_S = st.floats(0, time_stripe.WRAP_S - 1)
HALF_A_TICK_S = time_stripe.TICK_S / 2 + 1e-9


def painted(pictures: Any, size: tuple[int, int], pixel_format: PixelFormat, time_s: float) -> Frame:
    frame: Frame = pictures.lay_out(pictures.known(*size), pixel_format, padding_bytes=size[1] % 3 * 2)
    return paint_copy(frame, time_s)


def paint_copy(frame: Frame, time_s: float) -> Frame:
    copy = dataclasses.replace(frame, data=bytearray(frame.data))
    time_stripe.paint(copy, time_s)
    return copy


def read_jpeg(jpeg: bytes, near_s: float) -> float | None:
    luma = simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")
    return time_stripe.read(luma.tobytes(), luma.shape[1], near_s=near_s)


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
@given(what=st.tuples(st.integers(256, 400), st.integers(16, 40), TIMES_S, st.integers(20, 100)))
@settings(max_examples=30, deadline=None)
def test_it_survives_jpeg(
    turbo: Engine,
    pictures: Any,
    pixel_format: PixelFormat,
    what: tuple[int, int, float, int],
) -> None:
    half_width, height, time_s, quality = what
    frame = painted(pictures, (half_width * 2, height), pixel_format, time_s)
    read_s = read_jpeg(JpegEncoder(using=turbo).encode(frame, quality), time_s)
    assert read_s == pytest.approx(time_s, abs=HALF_A_TICK_S)


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
def test_it_is_black_and_white_and_nothing_beside_it_changes(
    any_engine: Engine, pictures: Any, pixel_format: PixelFormat
) -> None:
    before = pictures.lay_out(pictures.known(640, 64), pixel_format, padding_bytes=4)
    after = paint_copy(before, 1234.5)
    was, now = (
        pictures.decode(JpegEncoder(using=any_engine).encode(frame, 100)).astype(int)
        for frame in (before, after)
    )
    assert np.abs(was[18:] - now[18:]).max() <= 4
    assert np.abs(was[:, 528:] - now[:, 528:]).max() <= 4
    stripe = now[:15, :510]  # its edge is smoothed with what is beside it
    assert np.abs(stripe - stripe.mean(axis=2, keepdims=True)).max() <= 8
    assert set(np.unique(stripe // 128)) == {0, 1}


def test_a_limited_range_that_was_made_full_is_read_too(pictures: Any) -> None:
    """As decoders of video do it on the way to RGB."""
    luma = np.frombuffer(painted(pictures, (640, 16), PixelFormat.GREY, 77.5).data, np.uint8)
    wide = np.clip((luma.astype(float) - 16) * 255 / 219, 0, 255).astype(np.uint8)
    stride_bytes = len(wide) // 16
    assert time_stripe.read(wide.tobytes(), stride_bytes, near_s=0) == pytest.approx(77.5)


@given(times_s=st.tuples(TIMES_S, st.floats(0, 100)), row=st.integers(0, 16), quality=st.integers(20, 100))
@settings(max_examples=200, deadline=None)
def test_of_a_torn_picture_no_wrong_time_is_read(
    turbo: Engine, pictures: Any, times_s: tuple[float, float], row: int, quality: int
) -> None:
    one_s, other_s = times_s[0], sum(times_s)
    frame = painted(pictures, (640, 48), PixelFormat.YUYV, one_s)
    other = painted(pictures, (640, 48), PixelFormat.YUYV, other_s)
    assert isinstance(frame.data, bytearray)
    at = row * frame.stride_bytes
    frame.data[at:] = other.data[at:]
    read_s = read_jpeg(JpegEncoder(using=turbo).encode(frame, quality), one_s)
    if read_s is not None:
        assert min(abs(read_s - one_s), abs(read_s - other_s)) <= HALF_A_TICK_S
        assert row not in range(3, 14) or abs(one_s - other_s) <= time_stripe.TICK_S


@given(time_s=TIMES_S, blocks=st.sets(st.integers(0, 63), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_wrong_blocks_are_noticed(pictures: Any, time_s: float, blocks: set[int]) -> None:
    frame = painted(pictures, (640, 18), PixelFormat.GREY, time_s)
    luma = np.frombuffer(frame.data, np.uint8).reshape(18, -1).copy()
    for block in blocks:
        part = luma[:16, block * 8 : block * 8 + 8]
        part[:] = 251 - part
    assert time_stripe.read(luma.tobytes(), frame.stride_bytes, near_s=time_s) is None


@given(st.integers(0, 1 << 32), st.sampled_from(["waves", "noise", "blocks", "black", "white"]))
@settings(max_examples=100, deadline=None)
def test_other_pictures_have_no_time(pictures: Any, seed: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    luma = np.zeros((16, 512), np.uint8)
    if kind == "waves":
        luma = pictures.known(512, 16, seed % 1000)[..., 0].copy()
    elif kind == "noise":
        luma = random.integers(0, 256, luma.shape, np.uint8)
    elif kind == "blocks":
        luma[:] = np.repeat(random.integers(0, 2, 64, np.uint8) * 255, 8)
    elif kind == "white":
        luma[:] = 255
    assert time_stripe.read(luma.tobytes(), 512, near_s=0) is None


@given(time_s=st.floats(0, 100 * time_stripe.WRAP_S), off_s=st.floats(-1000, 1000))
@settings(deadline=None)
def test_a_long_uptime_is_told_by_the_time_nearby(pictures: Any, time_s: float, off_s: float) -> None:
    frame = painted(pictures, (512, 18), PixelFormat.GREY, time_s)
    read_s = time_stripe.read(bytes(frame.data), frame.stride_bytes, near_s=time_s + off_s)
    assert read_s == pytest.approx(time_s, abs=HALF_A_TICK_S + 1e-6)


@pytest.mark.parametrize("size", [(510, 400), (640, 15)])
def test_a_picture_too_small_for_it_is_refused(size: tuple[int, int]) -> None:
    width, height = size
    frame = Frame(bytearray(width * height * 2), width, height, width * 2, PixelFormat.YUYV, 0.0, 0.0)
    with pytest.raises(ValueError, match=r"at least 512x16, got \d+x\d+"):
        time_stripe.paint(frame, 1.0)
    assert time_stripe.read(bytes(width * height), width, near_s=0) is None
