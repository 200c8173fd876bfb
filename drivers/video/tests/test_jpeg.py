"""Encoding: what comes out decodes to what went in, for every format, size and stride."""

from __future__ import annotations

import array
import io
import mmap
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drivers.video.frame import RAW_FORMATS, Colour, ColourRange, Frame, PixelFormat
from drivers.video.jpeg import Engine, JpegEncoder

SIZES = [
    (1, 1),
    (2, 1),
    (1, 2),
    (2, 2),
    (3, 5),
    (7, 9),
    (15, 17),
    (16, 16),
    (17, 16),
    (16, 17),
    (33, 31),
    (640, 480),
    (641, 479),
    (720, 401),
    (1279, 3),
    (2, 65500),
    (65500, 2),
]
NEEDS_EVEN_WIDTH = {PixelFormat.YUYV, PixelFormat.UYVY}
# (horizontal, vertical) sampling of the brightness in the frame header, by ITU-T T.81 B.2.2.
SAMPLING = {
    PixelFormat.YUYV: (2, 1),
    PixelFormat.UYVY: (2, 1),
    PixelFormat.GREY: (1, 1),
}


def _even(width: int, pixel_format: PixelFormat) -> int:
    return width + width % 2 if pixel_format in NEEDS_EVEN_WIDTH else width


@pytest.mark.parametrize("padding", [0, 1, 64])
@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
def test_decodes_to_the_source(
    any_engine: Engine,
    pixel_format: PixelFormat,
    padding: int,
    pictures: Any,
) -> None:
    encoder = JpegEncoder(using=any_engine)
    for width, height in SIZES:
        rgb = pictures.known(_even(width, pixel_format), height)
        if pixel_format is PixelFormat.GREY:
            wanted = np.frombuffer(pictures.lay_out(rgb, pixel_format).data, np.uint8).reshape(
                *rgb.shape[:2], 1
            )
            wanted = np.repeat(wanted, 3, axis=2)
        else:
            wanted = rgb
        jpeg = encoder.encode(pictures.lay_out(rgb, pixel_format, padding, noise=1), 95)
        for name in pictures.decoders:
            decoded = pictures.decode(jpeg, name)
            assert decoded.shape == wanted.shape
            assert pictures.psnr_db(decoded, wanted) > 38, (width, height, name)


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
@given(numbers=st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(0, 40), st.integers(1, 100)))
@settings(max_examples=60, deadline=None)
def test_padding_never_reaches_the_picture(
    any_engine: Engine, pictures: Any, pixel_format: PixelFormat, numbers: tuple[int, int, int, int]
) -> None:
    """Not the padding of rows, and not what an odd picture lacks to whole blocks."""
    width, height, padding, quality = numbers
    rgb = pictures.known(_even(width, pixel_format), height)
    encoder = JpegEncoder(using=any_engine)
    plain = encoder.encode(pictures.lay_out(rgb, pixel_format, padding), quality)
    noisy = pictures.lay_out(rgb, pixel_format, padding, noise=width)
    assert encoder.encode(noisy, quality) == plain
    longer = Frame(bytes(noisy.data) + b"\xff" * 99, *_geometry(noisy))
    assert encoder.encode(longer, quality) == plain


def _geometry(frame: Frame) -> tuple[int, int, int, PixelFormat, float, float]:
    return frame.width, frame.height, frame.stride_bytes, frame.format, 0.0, 0.0


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 40, 90), (10, 220, 30)])
def test_one_colour_stays_one_colour_up_to_every_edge(
    any_engine: Engine,
    pixel_format: PixelFormat,
    colour: tuple[int, int, int],
    pictures: Any,
) -> None:
    for width, height in [(1, 1), (9, 7), (17, 33), (31, 16), (64, 15)]:
        rgb = np.full((height, _even(width, pixel_format), 3), colour, np.uint8)
        jpeg = JpegEncoder(using=any_engine).encode(pictures.lay_out(rgb, pixel_format, 5, noise=3), 95)
        decoded = pictures.decode(jpeg).astype(int)
        wanted = np.array(colour)
        if pixel_format is PixelFormat.GREY:
            wanted = np.full(3, round(float(wanted @ (0.299, 0.587, 0.114))))
        assert np.abs(decoded - wanted).max() <= 4, (width, height)


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
def test_is_a_baseline_jfif_file(
    any_engine: Engine,
    pixel_format: PixelFormat,
    pictures: Any,
) -> None:
    jpeg = JpegEncoder(using=any_engine).encode(pictures.lay_out(pictures.known(322, 241), pixel_format), 80)
    assert jpeg[:4] == b"\xff\xd8\xff\xe0"
    assert jpeg[6:13] == b"JFIF\0\x01\x01"
    assert jpeg[-2:] == b"\xff\xd9"
    at = 2
    while jpeg[at + 1] != 0xC0:  # every segment up to the baseline frame header
        assert jpeg[at] == 0xFF
        assert jpeg[at + 1] not in range(0xC1, 0xC4)
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    header = jpeg[at + 4 :]
    assert (header[0], int.from_bytes(header[1:3]), int.from_bytes(header[3:5])) == (8, 241, 322)
    assert header[5] == (1 if pixel_format is PixelFormat.GREY else 3)
    assert (header[7] >> 4, header[7] & 15) == SAMPLING.get(pixel_format, (2, 2))
    if header[5] == 3:
        assert (header[10], header[13]) == (0x11, 0x11)


def test_yuv_is_not_converted(any_engine: Engine, pictures: Any) -> None:
    """Colours that no RGB picture has come through: the planes were compressed as they are."""
    frame = pictures.lay_out(pictures.known(64, 64), PixelFormat.YUYV)
    data = np.frombuffer(bytes(frame.data), np.uint8).reshape(-1, 4).copy()
    data[:] = (16, 240, 16, 128)
    jpeg = JpegEncoder(using=any_engine).encode(Frame(data.tobytes(), *_geometry(frame)), 95)
    assert np.abs(pictures.decode_ycbcr(jpeg).astype(int) - (16, 240, 128)).max() <= 1


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
def test_quality_is_obeyed(
    any_engine: Engine,
    pixel_format: PixelFormat,
    pictures: Any,
) -> None:
    frame = pictures.lay_out(pictures.known(320, 240), pixel_format)
    encoder = JpegEncoder(using=any_engine)
    sizes = [len(encoder.encode(frame, quality)) for quality in (1, 20, 60, 90, 100)]
    assert sizes == sorted(sizes)
    best = pictures.decode(encoder.encode(frame, 100))
    worst = pictures.decode(encoder.encode(frame, 1))
    assert pictures.psnr_db(best, worst) < 30


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
@pytest.mark.parametrize("kind", ["uniform", "black and white", "chequered"])
def test_the_hardest_pictures_fit(
    any_engine: Engine, pixel_format: PixelFormat, kind: str, pictures: Any
) -> None:
    """What does not compress becomes larger than its source; the output buffer is long enough even so."""
    random = np.random.default_rng(2)
    for width, height in [(16, 16), (2, 1), (640, 96), (1002, 3)]:
        shape = (height, width, 3)
        if kind == "uniform":
            rgb = random.integers(0, 256, shape, np.uint8)
        elif kind == "black and white":
            rgb = random.integers(0, 2, shape, np.uint8) * 255
        else:
            rgb = ((np.indices(shape).sum(axis=0) % 2) * 255).astype(np.uint8)
        jpeg = JpegEncoder(using=any_engine).encode(pictures.lay_out(rgb, pixel_format), 100)
        assert pictures.decode(jpeg, "simplejpeg").shape == shape


@given(
    st.lists(
        st.tuples(
            st.sampled_from(RAW_FORMATS), st.integers(1, 200), st.integers(1, 200), st.integers(1, 100)
        ),
        min_size=2,
        max_size=12,
    )
)
@settings(max_examples=30, deadline=None)
def test_an_encoder_forgets_the_picture_before(
    turbo: Engine,
    pictures: Any,
    calls: list[tuple[PixelFormat, int, int, int]],
) -> None:
    used = JpegEncoder(using=turbo)
    for seed, (pixel_format, width, height, quality) in enumerate(calls):
        frame = pictures.lay_out(pictures.known(_even(width, pixel_format), height, seed), pixel_format)
        assert used.encode(frame, quality) == JpegEncoder(using=turbo).encode(frame, quality)


def test_scratch_memory_follows_the_size(turbo: Engine, pictures: Any) -> None:
    encoder: Any = turbo.encoder()

    def encode(frame: Frame) -> int:
        encoder.encode(frame.data, frame.width, frame.height, frame.stride_bytes, frame.format, 80)
        return sys.getsizeof(encoder)

    large = pictures.lay_out(pictures.known(800, 600), PixelFormat.YUYV)
    small = pictures.lay_out(pictures.known(80, 60), PixelFormat.YUYV)
    empty = sys.getsizeof(encoder)
    grown = encode(large)
    assert grown > empty + len(JpegEncoder(using=turbo).encode(large, 80))
    assert encode(large) == grown
    after_many = [encode(small) for _ in range(100)]
    assert after_many[-1] < grown / 2
    assert encode(large) <= grown


@pytest.mark.parametrize(
    "kind", ["bytes", "bytearray", "memoryview", "array", "mmap", "numpy", "2-D", "part"]
)
def test_any_contiguous_buffer_is_taken_and_given_back(any_engine: Engine, kind: str, pictures: Any) -> None:
    frame = pictures.lay_out(pictures.known(48, 32), PixelFormat.YUYV)
    data = bytes(frame.data)
    wanted = JpegEncoder(using=any_engine).encode(frame, 80)
    mapped = mmap.mmap(-1, len(data))
    mapped[:] = data
    makers: dict[str, Callable[[], Any]] = {
        "bytes": lambda: data,
        "bytearray": lambda: bytearray(data),
        "memoryview": lambda: memoryview(data),
        "array": lambda: array.array("H", data),
        "mmap": lambda: mapped,
        "numpy": lambda: np.frombuffer(data, np.uint8),
        "2-D": lambda: np.frombuffer(data, np.uint32).reshape(32, 24),
        "part": lambda: memoryview(b"xyz" + data + b"xyz")[3:-3],
    }
    buffer = makers[kind]()
    assert JpegEncoder(using=any_engine).encode(Frame(buffer, *_geometry(frame)), 80) == wanted
    if isinstance(buffer, bytearray):
        buffer.append(0)  # BufferError if the encoder still held it
    mapped.close()  # the same


YUV = [
    PixelFormat.YUYV,
    PixelFormat.UYVY,
    PixelFormat.NV12,
    PixelFormat.YUV420,
    PixelFormat.GREY,
]


@pytest.mark.parametrize("pixel_format", YUV)
@pytest.mark.parametrize("size", [(64, 48), (50, 38)])
def test_the_limited_range_becomes_the_full_one(
    any_engine: Engine, pictures: Any, pixel_format: PixelFormat, size: tuple[int, int]
) -> None:
    """Black is black and white is white, whatever numbers they had."""
    full = pictures.lay_out(pictures.known(*size), pixel_format)
    limited = replace(full, data=_narrowed(full), colour=Colour(range=ColourRange.LIMITED))
    encoder = JpegEncoder(using=any_engine)
    wanted = pictures.decode(encoder.encode(full, 98)).astype(int)
    widened = pictures.decode(encoder.encode(limited, 98)).astype(int)
    assert np.abs(widened - wanted).mean() < 1.5
    assert np.abs(widened - wanted).max() <= 16
    # And not if nobody said so.
    untold = pictures.decode(encoder.encode(replace(limited, colour=Colour()), 98)).astype(int)
    assert np.abs(untold - wanted).mean() > 3


def test_numbers_beyond_the_limited_range_do_not_turn_over(any_engine: Engine) -> None:
    colour = Colour(range=ColourRange.LIMITED)
    for value, wanted in ((0, 0), (15, 0), (16, 0), (126, 128), (235, 255), (255, 255)):
        grey = Frame(bytes([value]) * 256, 16, 16, 16, PixelFormat.GREY, 0.0, 0.0, colour=colour)
        with Image.open(io.BytesIO(JpegEncoder(using=any_engine).encode(grey, 100))) as image:
            assert abs(int(np.asarray(image).mean()) - wanted) <= 1
    for blue, red in ((0, 255), (255, 0), (16, 240), (128, 128)):
        data = bytes([126, blue, 126, red]) * 128
        frame = Frame(data, 16, 16, 32, PixelFormat.YUYV, 0.0, 0.0, colour=colour)
        with Image.open(io.BytesIO(JpegEncoder(using=any_engine).encode(frame, 100))) as image:
            image.draft("YCbCr", image.size)
            seen = np.asarray(image).reshape(-1, 3).mean(axis=0)
        for value, one in ((blue, seen[1]), (red, seen[2])):
            assert abs(min(max((value - 128) * 255 / 224 + 128, 0), 255) - one) <= 2


def test_another_range_is_another_file(any_engine: Engine, pictures: Any) -> None:
    frame = pictures.lay_out(pictures.known(64, 48), PixelFormat.YUYV)
    encoder = JpegEncoder(using=any_engine)
    first = encoder.encode(frame, 80)
    limited = replace(frame, colour=Colour(range=ColourRange.LIMITED))
    second = encoder.encode_changes(limited, 80, frame)
    assert second is not None
    assert second != first
    assert encoder.encode_changes(limited, 80, limited) is None


def _narrowed(frame: Frame) -> bytes:
    """The bytes of a full-range frame in the limited range."""
    data = np.frombuffer(frame.data, np.uint8).astype(float)
    luma = np.ones(len(data), bool)
    match frame.format:
        case PixelFormat.YUYV:
            luma[1::2] = False
        case PixelFormat.UYVY:
            luma[::2] = False
        case PixelFormat.NV12 | PixelFormat.YUV420:
            luma[frame.stride_bytes * frame.height :] = False
        case _:
            pass
    narrowed = np.where(luma, data * 219 / 255 + 16, (data - 128) * 224 / 255 + 128)
    return bytes(narrowed.round().astype(np.uint8))
