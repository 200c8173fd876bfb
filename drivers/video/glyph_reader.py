"""Reads a grid of character cells back from a picture by matching glyphs of a known bitmap font.

For screens whose font and cell size are known (the emulated PC, a text console): exact where OCR guesses.
Robust to JPEG noise, colours and inverse video: each cell is split at the middle of its own brightness
range and matched to the glyph with the fewest differing pixels. Needs numpy (imported on use): it must
stay out of the streaming path.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

from drivers.video.frame import Frame, PixelFormat
from drivers.video.text import console_font
from drivers.wire.psf import PsfFont

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

PRINTABLE_ASCII = "".join(map(chr, range(0x20, 0x7F)))

# JPEG at quality 80 moves a flat cell's luma by less than 40 of 255; readable text differs by more than this.
_MIN_CONTRAST = 48
# Of the bundled font the nearest two letters differ in 2 of 128 pixels, but damage beyond this share of a
# cell (a mouse pointer, a photo) means that there is no letter to be read.
_MAX_DAMAGED_SHARE = 0.10


def frame_of_jpeg(jpeg: bytes) -> Frame:
    """Decode *jpeg* to an RGB24 frame. Raises OSError if it is none."""
    from PIL import Image  # noqa: PLC0415 - a heavy library that only readers of pictures need

    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        return _frame_of_image(image)


def _frame_of_image(image: Image.Image) -> Frame:
    data, now = image.convert("RGB").tobytes(), time.monotonic()
    return Frame(data, image.width, image.height, image.width * 3, PixelFormat.RGB24, now, now)


def read_text(
    picture: Frame | Image.Image,
    *,
    left_px: int = 0,
    top_px: int = 0,
    columns: int | None = None,
    rows: int | None = None,
    scale: int = 1,
    cell_width_px: int | None = None,
    font: PsfFont | None = None,
    alphabet: str = PRINTABLE_ASCII,
    unknown: str = "\ufffd",
) -> list[str]:
    """Read the cells of *picture* from (*left_px*, *top_px*) on; one string for each row of cells.

    By default the grid fills the frame, in the bundled 8x16 font. *scale* is the size of a glyph's pixel on
    the screen; *cell_width_px* is the distance of cells if it is not the glyph's width (VGA text: 9), before
    scaling. Blanks at the ends of rows are stripped; a cell that resembles no letter of *alphabet* reads
    as *unknown*. Raises ValueError if the grid does not fit into the frame.
    """
    import numpy as np  # noqa: PLC0415 - see above

    frame = picture if isinstance(picture, Frame) else _frame_of_image(picture)
    face = font if font is not None else console_font()
    pitch_px = (cell_width_px or face.width_px) * scale
    cell_height_px = face.height_px * scale
    if columns is None:
        columns = max(0, (frame.width - left_px) // pitch_px)
    if rows is None:
        rows = max(0, (frame.height - top_px) // cell_height_px)
    right_px, bottom_px = left_px + columns * pitch_px, top_px + rows * cell_height_px
    if left_px < 0 or top_px < 0 or right_px > frame.width or bottom_px > frame.height:
        raise ValueError(
            f"expected cells inside {frame.width}x{frame.height}, "
            f"got ({left_px}, {top_px}) to ({right_px}, {bottom_px}) - at a text grid"
        )
    if not columns or not rows:
        return [""] * rows

    luma = _luma(frame)[top_px:bottom_px, left_px:right_px]
    # Axes: row of cells, glyph row, pixel in it, cell, glyph column, pixel in it.
    cells = luma.reshape(rows, face.height_px, scale, columns, pitch_px // scale, scale).mean(axis=(2, 5))
    cells = cells.transpose(0, 2, 1, 3)[..., : face.width_px].reshape(rows * columns, -1)
    low, high = cells.min(axis=1), cells.max(axis=1)
    ink = cells > ((low + high) / 2)[:, np.newaxis]
    # Ink is the minority of a cell's pixels, whichever of the two colours is brighter.
    inverse = ink.sum(axis=1) * 2 > ink.shape[1]
    ink ^= inverse[:, np.newaxis]

    letters, glyphs = _glyph_table(face, alphabet)
    # Hamming distances by one matrix product: |a| + |b| - 2 a.b
    signs = ink.astype(np.float32)
    distance = signs.sum(axis=1)[:, np.newaxis] + glyphs.sum(axis=1)[np.newaxis, :] - 2 * (signs @ glyphs.T)
    nearest = distance.argmin(axis=1)
    damaged = distance.min(axis=1) > _MAX_DAMAGED_SHARE * glyphs.shape[1]
    flat = (high - low) < _MIN_CONTRAST
    text = [
        " " if is_flat else unknown if is_damaged else letters[index]
        for index, is_flat, is_damaged in zip(nearest.tolist(), flat.tolist(), damaged.tolist(), strict=True)
    ]
    return ["".join(text[at : at + columns]).rstrip() for at in range(0, rows * columns, columns)]


def _glyph_table(font: PsfFont, alphabet: str) -> tuple[list[str], NDArray[np.float32]]:
    import numpy as np  # noqa: PLC0415 - see above

    letters: list[str] = []
    table: list[list[int]] = []
    for letter in alphabet:
        bits = font.rows(letter)
        if bits is not None:
            letters.append(letter)
            table.append([row >> bit & 1 for row in bits for bit in range(font.width_px - 1, -1, -1)])
    if not letters:
        raise ValueError("expected an alphabet with letters of the font, got none of them - at read_text")
    return letters, np.array(table, dtype=np.float32)


def _luma(frame: Frame) -> NDArray[np.float32]:
    """Return the brightness, height by width."""
    import numpy as np  # noqa: PLC0415 - see above

    flat = np.frombuffer(frame.data, dtype=np.uint8)
    rows = flat[: frame.height * frame.stride_bytes].reshape(frame.height, frame.stride_bytes)

    def packed(bytes_per_pixel: int) -> NDArray[np.uint8]:
        return rows[:, : frame.width * bytes_per_pixel].reshape(frame.height, frame.width, bytes_per_pixel)

    red_green_blue = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    match frame.format:
        case PixelFormat.RGB24:
            return packed(3).astype(np.float32) @ red_green_blue
        case PixelFormat.BGR24:
            return packed(3).astype(np.float32) @ red_green_blue[::-1]
        case PixelFormat.BGRX32:
            return packed(4)[..., :3].astype(np.float32) @ red_green_blue[::-1]
        case PixelFormat.YUYV:
            return packed(2)[..., 0].astype(np.float32)
        case PixelFormat.UYVY:
            return packed(2)[..., 1].astype(np.float32)
        case PixelFormat.GREY | PixelFormat.NV12 | PixelFormat.YUV420:
            return packed(1)[..., 0].astype(np.float32)
        case PixelFormat.JPEG:
            raise ValueError("expected a raw picture, got JPEG - at read_text")
