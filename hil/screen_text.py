"""Reading the text on a screen: a snapshot goes in, lines come out.

VGA text screens are read exactly, by comparing each character cell with the font that QEMU's video BIOS
draws with; other screens go through tesseract, which guesses. The font is read from the BIOS image that
Debian's `seabios` package installs beside QEMU; nothing of it is copied here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

VGA_BIOS = Path("/usr/share/seabios/vgabios-stdvga.bin")
ROWS, COLUMNS = 25, 80
_CELL_HEIGHT_PX = 16
# The width of a text screen tells the width of its cells; a ninth column of pixels is mere spacing.
_CELL_WIDTHS_PX = {720: 9, 640: 8}
_GLYPH_WIDTH_PX = 8

# Character 1 of every VGA font, the smiling face: what the font is found by.
_SMILE = bytes.fromhex("00007e81a58181bd9981817e00000000")
# A cell with less contrast is blank; JPEG's ringing is below it, VGA's darkest colour on black above.
_MIN_CONTRAST = 48

_OCR_DEADLINE_S = 60
_OCR_SCALE = 2


class ScreenReadError(Exception):
    """The screen cannot be read; the message says what is missing."""


def read_screen(image: Image.Image) -> list[str]:
    """Return the lines on a screen: exact in VGA text mode, else tesseract's guess."""
    if is_text_mode(image):
        return read_text_mode(image)
    return read_by_ocr(image)


def is_text_mode(image: Image.Image) -> bool:
    """Tell whether a picture has the size of a VGA text screen of 80x25 characters."""
    return image.height == ROWS * _CELL_HEIGHT_PX and image.width in _CELL_WIDTHS_PX


def read_text_mode(image: Image.Image) -> list[str]:
    """Return the 25 lines of a VGA text screen without trailing blanks; the cursor reads as an underscore.

    Any colours do, and JPEG down to a quality of 70. Raises ScreenReadError if the video BIOS that has the
    font is missing.
    """
    cell_width_px = _CELL_WIDTHS_PX[image.width]
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    cells = grey.reshape(ROWS, _CELL_HEIGHT_PX, COLUMNS, cell_width_px)[:, :, :, :_GLYPH_WIDTH_PX]
    cells = cells.transpose(0, 2, 1, 3).reshape(ROWS * COLUMNS, -1)
    low, high = cells.min(axis=1, keepdims=True), cells.max(axis=1, keepdims=True)
    # How bright each pixel is between the cell's extremes, -1 to 1, and how far that agrees with each glyph;
    # a dark character on a light cell agrees negatively.
    bright = (cells * 2 - low - high) / np.maximum(high - low, 1)
    agreement = np.abs(bright @ _font().T)
    characters = _DRAWN[agreement.argmax(axis=1)]
    characters[(high - low < _MIN_CONTRAST)[:, 0]] = " "
    return ["".join(row).rstrip() for row in characters.reshape(ROWS, COLUMNS)]


def read_by_ocr(image: Image.Image) -> list[str]:
    """Return the lines that tesseract sees on any screen; blank lines are left out. Blocks for about 0.5 s.

    Raises ScreenReadError if tesseract is missing or fails.
    """
    if shutil.which("tesseract") is None:
        raise ScreenReadError("expected tesseract on the PATH, found none: install Debian's tesseract-ocr")
    grey = image.convert("L")
    if np.asarray(grey).mean() < 128:
        grey = ImageOps.invert(grey)
    size = (grey.width * _OCR_SCALE, grey.height * _OCR_SCALE)
    with tempfile.TemporaryDirectory() as directory:
        picture = Path(directory, "screen.png")
        grey.resize(size, Image.Resampling.BICUBIC).save(picture)
        done = subprocess.run(
            ["tesseract", str(picture), "-", "--psm", "6"],
            capture_output=True,
            text=True,
            timeout=_OCR_DEADLINE_S,
            check=False,
            # Its threads wait for each other more than they work on so small a picture.
            env=os.environ | {"OMP_THREAD_LIMIT": "1"},
        )
    if done.returncode != 0:
        raise ScreenReadError(f"tesseract failed: {done.stderr.strip()}")
    return [line for line in done.stdout.splitlines() if line.strip()]


# The glyphs in the order in which they win a tie, and what they are read as: printable ASCII, then the rest
# of code page 437 and its pictures below 32. Left out are 0, 127 and 255, which look like others.
_GLYPHS = [*range(32, 127), *range(128, 255), *range(1, 32)]
_PICTURES = "☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
_DRAWN = np.array([*bytes(_GLYPHS[: -len(_PICTURES)]).decode("cp437"), *_PICTURES])


@cache
def _font() -> npt.NDArray[np.float64]:
    """Return one row of 128 pixels, 1 or -1, for each of `_GLYPHS`."""
    try:
        bios = VGA_BIOS.read_bytes()
    except OSError as exc:
        raise ScreenReadError(
            f"expected the video BIOS {VGA_BIOS}: install Debian's seabios ({exc})"
        ) from exc
    start = bios.find(_SMILE) - len(_SMILE)
    if start < 0:
        raise ScreenReadError(f"expected a VGA font in {VGA_BIOS}, found none")
    glyphs = np.frombuffer(bios, np.uint8, count=256 * _CELL_HEIGHT_PX, offset=start).reshape(256, -1)
    pixels = np.unpackbits(glyphs[_GLYPHS], axis=1).astype(np.float64)
    return pixels * 2 - 1
