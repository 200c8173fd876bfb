"""Pictures of text: what is drawn can be read back, in every format and size, after JPEG too."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drivers.video.frame import Frame, PixelFormat
from drivers.video.glyph_reader import PRINTABLE_ASCII, frame_of_jpeg, read_text
from drivers.video.text import (
    BLACK,
    LIGHT_GREY,
    Run,
    TextRenderer,
    banner_picture,
    console_font,
    text_picture,
    yuv_of,
)

FORMATS = [PixelFormat.RGB24, PixelFormat.BGR24, PixelFormat.BGRX32, PixelFormat.GREY, PixelFormat.YUYV]
PANGRAM = ["Sphinx of black quartz, judge my vow! 0123456789", r"~!@#$%^&*()_+`-={}[]|\:;<>?,./ 'x' \"y\""]


def jpeg_of(frame: Frame, quality: int = 80) -> bytes:
    assert frame.format is PixelFormat.RGB24
    output = io.BytesIO()
    image = Image.frombytes("RGB", (frame.width, frame.height), bytes(frame.data))
    image.save(output, "JPEG", quality=quality, subsampling="4:2:2")
    return output.getvalue()


def test_the_font_has_all_printable_ascii_and_tells_its_letters_apart() -> None:
    font = console_font()
    assert (font.width_px, font.height_px) == (8, 16)
    shapes = {font.rows(letter) for letter in PRINTABLE_ASCII}
    assert None not in shapes
    assert len(shapes) == len(PRINTABLE_ASCII)


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_text_reads_back_from_the_raw_picture(pixel_format: PixelFormat) -> None:
    frame = text_picture([(Run(text),) for text in PANGRAM], 640, 48, pixel_format=pixel_format)
    assert len(frame.data) == frame.stride_bytes * 48
    assert read_text(frame) == [*PANGRAM, ""]


@settings(deadline=None)  # how fast it is depends on what else runs
@given(
    st.lists(st.text(alphabet=PRINTABLE_ASCII, max_size=40), min_size=1, max_size=8),
    st.sampled_from(
        [(LIGHT_GREY, BLACK), (BLACK, LIGHT_GREY), ((90, 255, 90), BLACK), ((255, 220, 0), (0, 0, 120))]
    ),
)
def test_any_text_survives_jpeg_quality_80(
    lines: list[str], colours: tuple[tuple[int, int, int], ...]
) -> None:
    foreground, background = colours
    frame = text_picture(
        [(Run(text.ljust(40), foreground, background),) for text in lines], 320, 16 * len(lines)
    )
    assert read_text(frame_of_jpeg(jpeg_of(frame))) == [line.rstrip() for line in lines]


def test_a_grid_can_start_anywhere_and_be_scaled() -> None:
    picture = Image.new("RGB", (400, 200), (0, 0, 40))
    text = text_picture([(Run("Over here"), Run(" and there"))], 19 * 8, 16)
    cells = Image.frombytes("RGB", (19 * 8, 16), bytes(text.data))
    picture.paste(cells.resize((19 * 16, 32), Image.Resampling.NEAREST), (13, 21))
    frame = Frame(picture.tobytes(), 400, 200, 1200, PixelFormat.RGB24, 0, 0)
    assert read_text(frame_of_jpeg(jpeg_of(frame)), left_px=13, top_px=21, columns=19, rows=1, scale=2) == [
        "Over here and there"
    ]


def test_vga_text_has_cells_wider_than_glyphs() -> None:
    narrow = text_picture([(Run("C:\\>dir"),)], 56, 16)
    picture = Image.new("RGB", (63, 16))
    cells = Image.frombytes("RGB", (56, 16), bytes(narrow.data))
    for column in range(7):
        picture.paste(cells.crop((column * 8, 0, column * 8 + 8, 16)), (column * 9, 0))
    frame = Frame(picture.tobytes(), 63, 16, 63 * 3, PixelFormat.RGB24, 0, 0)
    assert read_text(frame, cell_width_px=9) == ["C:\\>dir"]


def test_what_is_no_letter_reads_as_unknown() -> None:
    frame = text_picture([(Run("a▒b"),)], 24, 16)
    assert read_text(frame) == ["a\ufffdb"]
    assert read_text(frame, alphabet=PRINTABLE_ASCII + "▒") == ["a▒b"]


def test_a_grid_outside_the_picture_is_refused() -> None:
    frame = text_picture([(Run("x"),)], 16, 16)
    with pytest.raises(ValueError, match="expected cells inside 16x16"):
        read_text(frame, columns=3)


def test_characters_that_the_font_lacks_are_drawn_as_replacement() -> None:
    assert text_picture([(Run("漢"),)], 8, 16).data == text_picture([(Run("\ufffd"),)], 8, 16).data


def test_yuyv_is_full_range() -> None:
    renderer = TextRenderer(PixelFormat.YUYV)
    assert renderer.blank(2, 1) == bytes((0, 128, 0, 128))
    assert renderer.blank(2, 1, background=(255, 255, 255)) == bytes((255, 128, 255, 128))
    assert yuv_of((255, 0, 0)) == (76, 85, 255)
    with pytest.raises(ValueError, match="even width"):
        renderer.blank(3, 1)


def test_formats_that_text_cannot_be_drawn_in_are_refused() -> None:
    with pytest.raises(ValueError, match="NV12"):
        TextRenderer(PixelFormat.NV12)


def test_many_colours_do_not_grow_the_cache_without_bound() -> None:
    renderer = TextRenderer(PixelFormat.GREY)
    band = b""
    for shade in range(256):
        band = renderer.band((Run(PRINTABLE_ASCII, (shade, 255 - shade, 0)),), 760)
    assert sum(len(table) for table in renderer._cells.values()) <= 8192
    assert band == TextRenderer(PixelFormat.GREY).band((Run(PRINTABLE_ASCII, (255, 0, 0)),), 760)


def test_a_banner_is_large_centred_and_readable() -> None:
    frame = banner_picture(1280, 720, ["No signal", "target is off"])
    assert (frame.width, frame.height, frame.format) == (1280, 720, PixelFormat.RGB24)
    top = (720 - 2 * 64) // 2
    decoded = frame_of_jpeg(jpeg_of(frame))
    for row, text in enumerate(["No signal", "target is off"]):
        left = (1280 - len(text) * 32) // 2
        assert read_text(
            decoded, left_px=left, top_px=top + row * 64, columns=len(text), rows=1, scale=4
        ) == [text]


def test_a_long_banner_is_made_smaller_and_then_broken() -> None:
    frame = banner_picture(320, 240, ["the capture device /dev/video0 is gone: plug it in again"])
    top = (240 - 2 * 16) // 2
    for row, text in enumerate(["the capture device /dev/video0 is gone:", "plug it in again"]):
        left = (320 - len(text) * 8) // 2
        found = read_text(frame, left_px=left, top_px=top + row * 16, columns=len(text), rows=1)
        assert found == [text]


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(1, 100), st.lists(st.text(max_size=60), max_size=6))
def test_a_banner_of_any_size_has_exactly_its_bytes(width: int, height: int, lines: list[str]) -> None:
    frame = banner_picture(width, height, lines)
    assert len(frame.data) == width * height * 3 == frame.stride_bytes * frame.height
