"""Reading screens: what was drawn with the video BIOS's font comes back, whatever the colours and coding."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import screen_text
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from screen_text import COLUMNS, ROWS, ScreenReadError, is_text_mode, read_by_ocr, read_screen, read_text_mode

PRINTABLE = "".join(map(chr, range(32, 127)))
# The sixteen colours of a VGA text screen.
PALETTE = [
    *((0, 0, 0), (0, 0, 170), (0, 170, 0), (0, 170, 170), (170, 0, 0), (170, 0, 170), (170, 85, 0)),
    *((170, 170, 170), (85, 85, 85), (85, 85, 255), (85, 255, 85), (85, 255, 255), (255, 85, 85)),
    *((255, 85, 255), (255, 255, 85), (255, 255, 255)),
]
GREY, BLACK = PALETTE[7], PALETTE[0]


def draw(
    lines: list[str],
    *,
    cell_width_px: int = 9,
    foreground: tuple[int, int, int] = GREY,
    background: tuple[int, int, int] = BLACK,
) -> Image.Image:
    """A text screen as the video hardware makes it: a ninth column is background."""
    glyphs = dict(zip(screen_text._DRAWN.tolist(), screen_text._font() > 0, strict=True))
    lit = np.zeros((ROWS * 16, COLUMNS * cell_width_px), bool)
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            x = column * cell_width_px
            lit[row * 16 : row * 16 + 16, x : x + 8] = glyphs[character].reshape(16, 8)
    return Image.fromarray(np.where(lit[:, :, None], foreground, background).astype(np.uint8))


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    coded = io.BytesIO()
    image.save(coded, "JPEG", quality=quality)
    return Image.open(coded)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.text(PRINTABLE, max_size=COLUMNS), max_size=ROWS),
    st.sampled_from([8, 9]),
    st.sampled_from([None, 70, 80]),
)
def test_any_text_is_read_back(lines: list[str], cell_width_px: int, quality: int | None) -> None:
    image = draw(lines, cell_width_px=cell_width_px)
    if quality is not None:
        image = through_jpeg(image, quality)
    assert read_screen(image) == [line.rstrip() for line in lines] + [""] * (ROWS - len(lines))


@pytest.mark.parametrize(
    ("foreground", "background"), [(7, 0), (0, 7), (15, 1), (14, 4), (15, 2), (1, 0), (12, 7)]
)
def test_colours_and_highlights_do_not_matter(foreground: int, background: int) -> None:
    # A line of one colour is blank; only what differs from its background can be read.
    image = draw(["*Farhand demo shell"], foreground=PALETTE[foreground], background=PALETTE[background])
    readable = abs(luminance(PALETTE[foreground]) - luminance(PALETTE[background])) >= 48
    assert (read_text_mode(image)[0] == "*Farhand demo shell") == readable


def luminance(colour: tuple[int, int, int]) -> float:
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_the_frame_of_a_menu_is_read_too() -> None:
    lines = ["┌──────┐", "│*↑ ↓  │", "└──────┘"]
    assert read_text_mode(draw(lines))[:3] == lines


@pytest.mark.parametrize(
    ("size", "text_mode"), [((720, 400), True), ((640, 400), True), ((640, 480), False), ((1024, 768), False)]
)
def test_text_screens_are_told_by_their_size(size: tuple[int, int], text_mode: bool) -> None:
    assert is_text_mode(Image.new("RGB", size)) is text_mode


def test_a_graphics_screen_goes_through_ocr() -> None:
    image = Image.new("RGB", (1024, 768), "black")
    ImageDraw.Draw(image).text((40, 40), "Farhand demo graphics", "white", ImageFont.load_default(28))
    assert read_screen(image) == ["Farhand demo graphics"]


def test_a_missing_font_and_a_missing_tesseract_name_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ScreenReadError, match="install Debian's tesseract-ocr"):
        read_by_ocr(Image.new("RGB", (1024, 768)))
    monkeypatch.setattr(screen_text, "VGA_BIOS", tmp_path / "none.bin")
    screen_text._font.cache_clear()
    with pytest.raises(ScreenReadError, match="install Debian's seabios"):
        read_text_mode(Image.new("RGB", (720, 400)))
    (tmp_path / "none.bin").write_bytes(bytes(4096))
    with pytest.raises(ScreenReadError, match="found none"):
        read_text_mode(Image.new("RGB", (720, 400)))
