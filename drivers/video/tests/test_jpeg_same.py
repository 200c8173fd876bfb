"""Comparison: visible bytes count, each of them, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.video.frame import RAW_FORMATS, Frame, PixelFormat
from drivers.video.jpeg import Engine, same_picture

EVEN = {PixelFormat.YUYV, PixelFormat.UYVY}


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
@given(numbers=st.tuples(st.integers(1, 40), st.integers(1, 30), st.integers(0, 9), st.integers(0, 9)))
@settings(max_examples=40, deadline=None)
def test_padding_does_not_count(
    any_engine: Engine, pixel_format: PixelFormat, pictures: Any, numbers: tuple[int, int, int, int]
) -> None:
    width, height, padding_a, padding_b = numbers
    rgb = pictures.known(width + width % 2 if pixel_format in EVEN else width, height)
    a = pictures.lay_out(rgb, pixel_format, padding_a, noise=1)
    b = pictures.lay_out(rgb, pixel_format, padding_b, noise=2)
    longer = replace(b, data=bytes(b.data) + b"more", grab_begin=9.0, grab_end=9.5)
    assert same_picture(a, b, using=any_engine)
    assert same_picture(a, longer, using=any_engine)
    assert same_picture(longer, a, using=any_engine)


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
@pytest.mark.parametrize("padding", [0, 3])
def test_every_visible_byte_counts(
    any_engine: Engine, pixel_format: PixelFormat, padding: int, pictures: Any
) -> None:
    """Change each byte in turn: as many of the changes go unseen as the rows of all planes have padding."""
    frame = pictures.lay_out(pictures.known(6, 5), pixel_format, padding, noise=1)
    unseen = 0
    for i in range(len(frame.data)):
        changed = bytearray(frame.data)
        changed[i] ^= 1
        unseen += same_picture(frame, replace(frame, data=changed), using=any_engine)
    padding_bytes = 5 * padding
    if pixel_format is PixelFormat.NV12:
        padding_bytes += 3 * padding
    elif pixel_format is PixelFormat.YUV420:
        padding_bytes += 2 * 3 * ((frame.stride_bytes + 1) // 2 - 3)
    assert unseen == padding_bytes


@pytest.mark.parametrize(
    "change", [{"width": 32}, {"height": 16}, {"format": PixelFormat.UYVY}, {"format": PixelFormat.GREY}]
)
def test_another_geometry_or_format_is_another_picture(any_engine: Engine, change: dict[str, Any]) -> None:
    frame = Frame(bytes(64 * 48 * 2), 64, 48, 128, PixelFormat.YUYV, 0.0, 0.0)
    assert same_picture(frame, frame, using=any_engine)
    assert not same_picture(frame, replace(frame, **change), using=any_engine)
    assert not same_picture(replace(frame, **change), frame, using=any_engine)


def test_a_frame_that_contradicts_itself_is_an_error(any_engine: Engine) -> None:
    good = Frame(bytes(64 * 48 * 2), 64, 48, 128, PixelFormat.YUYV, 0.0, 0.0)
    short = replace(good, data=bytes(100))
    with pytest.raises(ValueError, match="expected a of at least 6144 bytes"):
        same_picture(short, good, using=any_engine)
    with pytest.raises(ValueError, match="expected b of at least 6144 bytes"):
        same_picture(good, short, using=any_engine)


def test_buffers_are_given_back(any_engine: Engine) -> None:
    a, b = bytearray(64 * 48 * 2), bytearray(64 * 48 * 2)
    frame = Frame(a, 64, 48, 128, PixelFormat.YUYV, 0.0, 0.0)
    assert same_picture(frame, replace(frame, data=b), using=any_engine)
    with pytest.raises(ValueError, match="expected b"):
        same_picture(frame, replace(frame, data=bytearray(5)), using=any_engine)
    a.append(0)
    b.append(0)
