"""Text into pictures: rows of coloured character cells, drawn with the bundled bitmap font.

Used by the emulated PC's console and by whoever has to say something where a picture should be ("no
signal"). Plain bytes, no numerical library: a cell's pixel rows are computed once and joined. Must never
be part of the path of captured pictures.

YUYV is full-range BT.601, as JFIF wants it, so that it can be encoded without colour conversion.
"""

from __future__ import annotations

import functools
import gzip
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from drivers.video.frame import Frame, PixelFormat
from drivers.wire.psf import PsfFont, parse_psf

type Rgb = tuple[int, int, int]
"""Red, green, blue, 0..255 each."""

FONT_FILE = "spleen-8x16.psfu.gz"
BLACK: Rgb = (0, 0, 0)
LIGHT_GREY: Rgb = (192, 192, 192)

_BYTES_PER_PIXEL = {
    PixelFormat.RGB24: 3,
    PixelFormat.BGR24: 3,
    PixelFormat.BGRX32: 4,
    PixelFormat.GREY: 1,
    PixelFormat.YUYV: 2,
}
# All characters of the font in a handful of colours; a picture of countless colours starts over.
_CACHE_LIMIT_GLYPHS = 8192
# Larger letters than these read no better on any screen.
_BANNER_MAX_SCALE = 4
_BANNER_MARGIN_CELLS = 1


class Run(NamedTuple):
    """Neighbouring cells of the same colours."""

    text: str
    foreground: Rgb = LIGHT_GREY
    background: Rgb = BLACK


type Line = tuple[Run, ...]
"""One row of cells, from the left; what is beyond its end is background."""


def line_text(line: Line) -> str:
    """Return the characters of *line* without their colours."""
    return "".join(run.text for run in line)


@functools.cache
def console_font() -> PsfFont:
    """Return the bundled font (Spleen 8x16, BSD-2-Clause: fonts/LICENSE.spleen)."""
    data = (files("drivers.video") / "fonts" / FONT_FILE).read_bytes()
    return parse_psf(gzip.decompress(data))


def yuv_of(colour: Rgb) -> tuple[int, int, int]:
    """Return full-range BT.601 Y, Cb, Cr (JFIF 1.02) of *colour*, 0..255 each."""
    red, green, blue = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    blue_difference = 128 + (blue - luma) * 0.5 / (1 - 0.114)
    red_difference = 128 + (red - luma) * 0.5 / (1 - 0.299)
    return min(255, round(luma)), min(255, round(blue_difference)), min(255, round(red_difference))


def _encode_pixels(pixel_format: PixelFormat, pixels: Sequence[Rgb]) -> bytes:
    match pixel_format:
        case PixelFormat.RGB24:
            return b"".join(bytes(pixel) for pixel in pixels)
        case PixelFormat.BGR24:
            return b"".join(bytes(pixel[::-1]) for pixel in pixels)
        case PixelFormat.BGRX32:
            return b"".join(bytes((*pixel[::-1], 0)) for pixel in pixels)
        case PixelFormat.GREY:
            return bytes(yuv_of(pixel)[0] for pixel in pixels)
        case PixelFormat.YUYV:
            encoded = bytearray()
            for left, right in zip(pixels[0::2], pixels[1::2], strict=True):
                y0, cb0, cr0 = yuv_of(left)
                y1, cb1, cr1 = yuv_of(right)
                encoded += bytes((y0, (cb0 + cb1 + 1) // 2, y1, (cr0 + cr1 + 1) // 2))
            return bytes(encoded)
        case _:
            raise ValueError(
                f"expected one of {', '.join(_BYTES_PER_PIXEL)}, got {pixel_format} - at a text picture"
            )


class TextRenderer:
    """Draws rows of cells in one font, pixel format and integer scale."""

    def __init__(self, pixel_format: PixelFormat, *, font: PsfFont | None = None, scale: int = 1) -> None:
        if pixel_format not in _BYTES_PER_PIXEL:
            raise ValueError(
                f"expected one of {', '.join(_BYTES_PER_PIXEL)}, got {pixel_format} - at a text picture"
            )
        if scale < 1:
            raise ValueError(f"expected a scale of at least 1, got {scale} - at a text picture")
        self.pixel_format = pixel_format
        self.bytes_per_pixel = _BYTES_PER_PIXEL[pixel_format]
        self._font = font if font is not None else console_font()
        self._scale = scale
        self.cell_width_px = self._font.width_px * scale
        self.cell_height_px = self._font.height_px * scale
        self._cells: dict[tuple[Rgb, Rgb], dict[str, tuple[bytes, ...]]] = {}
        self._cached = 0

    def band(self, line: Line, width_px: int, *, background: Rgb = BLACK) -> bytes:
        """Draw one row of cells: `cell_height_px` rows of *width_px* pixels, clipped or filled up.

        For YUYV the width must be even.
        """
        row_bytes = width_px * self.bytes_per_pixel
        cells: list[tuple[bytes, ...]] = []
        for run in line:
            cells += self._glyphs_of(run)
        if not cells:
            return self.blank(width_px, self.cell_height_px, background=background)
        filling = self.blank(max(0, width_px - len(cells) * self.cell_width_px), 1, background=background)
        pixel_rows = [(b"".join(row) + filling)[:row_bytes] for row in zip(*cells, strict=True)]
        if self._scale == 1:
            return b"".join(pixel_rows)
        return b"".join([row * self._scale for row in pixel_rows])

    def blank(self, width_px: int, height_px: int, *, background: Rgb = BLACK) -> bytes:
        """Return *height_px* pixel rows of *background*."""
        if self.pixel_format is not PixelFormat.YUYV:
            return _encode_pixels(self.pixel_format, (background,)) * (width_px * height_px)
        if width_px % 2:
            raise ValueError(
                f"expected an even width, got {width_px} - at a {self.pixel_format} text picture"
            )
        return _encode_pixels(self.pixel_format, (background, background)) * (width_px // 2 * height_px)

    def _glyphs_of(self, run: Run) -> list[tuple[bytes, ...]]:
        table = self._cells.setdefault((run.foreground, run.background), {})
        try:
            return [table[character] for character in run.text]
        except KeyError:
            missing = set(run.text).difference(table)
        self._cached += len(missing)
        if self._cached > _CACHE_LIMIT_GLYPHS:
            self._cells.clear()
            table = self._cells[run.foreground, run.background] = {}
            missing = set(run.text)
            self._cached = len(missing)
        for character in missing:
            table[character] = self._draw(character, run.foreground, run.background)
        return [table[character] for character in run.text]

    def _draw(self, character: str, foreground: Rgb, background: Rgb) -> tuple[bytes, ...]:
        width = self._font.width_px
        rows = self._font.rows(character) or self._font.rows("\ufffd") or self._font.rows("?") or ()
        rows = rows or (0,) * self._font.height_px
        return tuple(
            _encode_pixels(
                self.pixel_format,
                [
                    foreground if bits >> bit & 1 else background
                    for bit in range(width - 1, -1, -1)
                    for _ in range(self._scale)
                ],
            )
            for bits in rows
        )


def text_picture(
    lines: Sequence[Line],
    width_px: int,
    height_px: int,
    *,
    pixel_format: PixelFormat = PixelFormat.RGB24,
    background: Rgb = BLACK,
) -> Frame:
    """Draw a grid of 8x16 cells from the top left corner; what does not fit is clipped."""
    renderer = TextRenderer(pixel_format)
    bands = [renderer.band(line, width_px, background=background) for line in lines]
    return _frame_of(renderer, b"".join(bands), width_px, height_px, background)


def banner_picture(
    width_px: int,
    height_px: int,
    lines: Sequence[str],
    *,
    foreground: Rgb = LIGHT_GREY,
    background: Rgb = BLACK,
) -> Frame:
    """Draw *lines* centred, as large as an integer scale allows (at most 4), in RGB24.

    Lines too long for the width at the smallest scale are broken at spaces, then anywhere; what still does
    not fit is clipped. Any size of at least 1x1 works.
    """
    font = console_font()
    scale = _BANNER_MAX_SCALE
    while scale > 1:
        columns = width_px // (font.width_px * scale) - 2 * _BANNER_MARGIN_CELLS
        rows = height_px // (font.height_px * scale)
        if len(lines) <= rows and all(len(line) <= columns for line in lines):
            break
        scale -= 1
    columns = max(1, width_px // (font.width_px * scale))
    broken = [part for line in lines for part in _break(line, columns)]
    renderer = TextRenderer(PixelFormat.RGB24, scale=scale)
    above_px = max(0, (height_px - len(broken) * renderer.cell_height_px) // 2)
    bands = [renderer.blank(width_px, above_px, background=background)]
    for line in broken:
        left_px = max(0, (width_px - len(line) * renderer.cell_width_px) // 2)
        band = renderer.band((Run(line, foreground, background),), width_px - left_px, background=background)
        left = renderer.blank(left_px, 1, background=background)
        row_bytes = (width_px - left_px) * 3
        bands += [left + band[at : at + row_bytes] for at in range(0, len(band), row_bytes)]
    return _frame_of(renderer, b"".join(bands), width_px, height_px, background)


def _break(line: str, columns: int) -> list[str]:
    parts: list[str] = []
    rest = line
    while len(rest) > columns:
        at = rest.rfind(" ", 0, columns + 1)
        if at <= 0:
            parts.append(rest[:columns])
            rest = rest[columns:]
        else:
            parts.append(rest[:at])
            rest = rest[at + 1 :]
    return [*parts, rest]


def _frame_of(renderer: TextRenderer, drawn: bytes, width_px: int, height_px: int, background: Rgb) -> Frame:
    stride_bytes = width_px * renderer.bytes_per_pixel
    wanted_bytes = stride_bytes * height_px
    missing_rows = max(0, (wanted_bytes - len(drawn)) // stride_bytes)
    data = drawn[:wanted_bytes] + renderer.blank(width_px, missing_rows, background=background)
    now = time.monotonic()
    return Frame(data, width_px, height_px, stride_bytes, renderer.pixel_format, now, now)
