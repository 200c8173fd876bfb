"""Pictures made ready for text recognition (contract subsystems.md 7, "OCR").

Cut to a box, grey and twice as large: screens have fewer pixels for a letter than the paper that recognition
was made for. Must never fail for a box that is nonsense: then the whole picture is taken.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image

SCALE: Final = 2


@dataclass(frozen=True, slots=True)
class CropBox:
    """The edges of a part of a picture in pixels from its upper left; a negative one is no limit there."""

    left: int = -1
    top: int = -1
    right: int = -1
    bottom: int = -1

    def within(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom inside of a picture; the whole of it if nothing would be left."""
        left, right = _edge(self.left, 0, width), _edge(self.right, width, width)
        top, bottom = _edge(self.top, 0, height), _edge(self.bottom, height, height)
        if left < right and top < bottom:
            return left, top, right, bottom
        return 0, 0, width, height


def _edge(edge: int, without: int, side: int) -> int:
    return without if edge < 0 else min(edge, side)


def ready_for_recognition(jpeg: bytes, box: CropBox) -> bytes:
    """Return the part *box* of a JPEG picture, grey, doubled bicubically, as a PGM file (blocking).

    Raises ValueError for bytes that are no whole JPEG picture.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            part = image.convert("L").crop(box.within(*image.size))
    except (OSError, SyntaxError) as exc:
        raise ValueError(f"expected a JPEG picture, got {len(jpeg)} bytes that are not one: {exc}") from exc
    width, height = part.width * SCALE, part.height * SCALE
    doubled = part.resize((width, height), Image.Resampling.BICUBIC)
    return b"P5\n%d %d\n255\n" % (width, height) + doubled.tobytes()
