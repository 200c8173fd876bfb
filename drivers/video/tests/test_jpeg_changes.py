"""Pictures that differ in parts from the one before: what comes out is what encoding the whole gives."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drivers.video.frame import RAW_FORMATS, Frame, PixelFormat
from drivers.video.jpeg import Engine, JpegEncoder, same_picture

SIZES = [(1, 1), (2, 3), (16, 8), (34, 17), (48, 33), (130, 65), (258, 257), (640, 360), (32, 1100)]


def even(size: tuple[int, int], pixel_format: PixelFormat) -> tuple[int, int]:
    width, height = size
    packed = pixel_format in {PixelFormat.YUYV, PixelFormat.UYVY}
    return (width + width % 2 if packed else width), height


def changed(frame: Frame, seed: int, rows: tuple[float, float]) -> Frame:
    """With other bytes in a share of the rows, of every plane."""
    data = np.frombuffer(frame.data, np.uint8).copy()
    begin, end = (int(share * len(data)) for share in sorted(rows))
    data[begin:end] = np.random.default_rng(seed).integers(0, 256, end - begin, np.uint8)
    return Frame(data.tobytes(), frame.width, frame.height, frame.stride_bytes, frame.format, 0.0, 0.0)


@pytest.mark.parametrize("pixel_format", list(RAW_FORMATS))
@given(
    size=st.sampled_from(SIZES),
    steps=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.tuples(st.floats(0, 1), st.floats(0, 1)),
            st.sampled_from([20, 80, 97]),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
)
@pytest.mark.parametrize("threads", [1, 4])
@settings(max_examples=12, deadline=None)
def test_parts_make_the_same_file_as_the_whole(  # noqa: PLR0917 - fixtures and strategies go by name
    turbo: Engine, pictures: Any, pixel_format: PixelFormat, size: Any, threads: int, steps: Any
) -> None:
    encoder = JpegEncoder(threads=threads, using=turbo)
    whole = JpegEncoder(threads=1, using=turbo)
    last: Frame | None = None
    last_quality = 0
    frame = pictures.lay_out(pictures.known(*even(size, pixel_format)), pixel_format)
    for seed, rows, quality, forget in steps:
        frame = changed(frame, seed, rows)
        file = encoder.encode_changes(frame, quality, None if forget else last)
        # Rows may have padding, which nobody sees.
        if last is not None and not forget and quality == last_quality and same_picture(frame, last):
            assert file is None
        else:
            assert file == whole.encode(frame, quality)
        last, last_quality = frame, quality


def test_a_change_of_size_or_format_is_a_new_file(any_engine: Engine, pictures: Any) -> None:
    encoder = JpegEncoder(using=any_engine)
    last: Frame | None = None
    for width, height in ((64, 48), (64, 50), (66, 50), (64, 48)):
        for pixel_format in (PixelFormat.YUYV, PixelFormat.NV12, PixelFormat.GREY, PixelFormat.RGB24):
            frame = pictures.lay_out(pictures.known(width, height), pixel_format)
            file = encoder.encode_changes(frame, 80, last)
            assert file is not None
            with Image.open(io.BytesIO(file)) as image:
                image.load()
                assert image.size == (width, height)
            assert encoder.encode_changes(frame, 80, frame) is None
            last = frame


def test_a_change_of_one_pixel_is_seen_and_padding_is_not(any_engine: Engine, pictures: Any) -> None:
    for pixel_format in RAW_FORMATS:
        encoder = JpegEncoder(using=any_engine)
        frame = pictures.lay_out(pictures.known(50, 38), pixel_format, 6)
        before = encoder.encode(frame, 80)
        data = bytearray(frame.data)
        row_bytes = len(pictures.lay_out(pictures.known(50, 2), PixelFormat.GREY).data) // 2
        unseen = bytearray(data)
        unseen[frame.stride_bytes - 1] ^= 0xFF
        assert row_bytes < frame.stride_bytes
        padded = Frame(bytes(unseen), 50, 38, frame.stride_bytes, pixel_format, 0.0, 0.0)
        assert encoder.encode_changes(padded, 80, frame) is None
        data[frame.stride_bytes * 21 + 8] ^= 0xFF
        after = encoder.encode_changes(
            Frame(bytes(data), 50, 38, frame.stride_bytes, pixel_format, 0, 0), 80, padded
        )
        assert after is not None
        assert after != before


def test_every_decoder_reads_a_file_of_old_and_new_parts(turbo: Engine, pictures: Any) -> None:
    """More than eight bands, so that the numbers of the restart markers begin again."""
    encoder = JpegEncoder(using=turbo, threads=3)
    frame = pictures.lay_out(pictures.known(320, 400), PixelFormat.YUYV)
    encoder.encode(frame, 90)
    other = changed(frame, 1, (0.4, 0.6))
    file = encoder.encode_changes(other, 90, frame)
    assert file is not None
    ours = simplejpeg.decode_jpeg(file, fastdct=False, fastupsample=False)
    with Image.open(io.BytesIO(file)) as image:
        theirs = np.asarray(image.convert("RGB"))
    assert ours.shape == theirs.shape == (400, 320, 3)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 3


def test_after_an_error_everything_is_encoded(turbo: Engine, pictures: Any) -> None:
    encoder = JpegEncoder(using=turbo)
    frame = pictures.lay_out(pictures.known(64, 64), PixelFormat.YUYV)
    wanted = encoder.encode(frame, 80)
    short = Frame(bytes(frame.data)[:-1], 64, 64, 128, PixelFormat.YUYV, 0.0, 0.0)
    with pytest.raises(ValueError, match="expected last of at least"):
        encoder.encode_changes(frame, 80, short)
    assert encoder.encode_changes(frame, 80, frame) is None
    assert encoder.encode(frame, 80) == wanted


def test_memory_stays_the_same_over_many_changes(turbo: Engine, pictures: Any) -> None:
    engine: Any = turbo.encoder(2)
    frame = pictures.lay_out(pictures.known(640, 480), PixelFormat.NV12)

    def encode(next_frame: Frame, last: Frame) -> int:
        geometry = (640, 480, 640, "NV12", 80)
        engine.encode_changes(next_frame.data, *geometry, last.data, 640)
        return int(engine.__sizeof__())

    last = frame
    engine.encode(frame.data, 640, 480, 640, "NV12", 80)
    sizes = []
    for number in range(60):
        share = number % 10 / 10
        following = changed(frame, number, (share, share + 0.1))
        sizes.append(encode(following, last))
        last = following
    assert max(sizes[30:]) <= max(sizes[:30]) * 1.3
