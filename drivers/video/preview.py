"""Previews: how large one is, and a JPEG scaled down to it (contract subsystems.md 7, "Preview size").

Must never re-encode a picture that already has the wanted size.
"""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

_DEFAULT_DIVISOR = 5
# A JPEG can be decoded at a half, a quarter or an eighth for little work, but coarsely: down to twice the
# wanted size nobody sees it.
_DRAFT_GAP = 2


def preview_size(width: int, height: int, max_width: int, max_height: int) -> tuple[int, int]:
    """The sides of the preview of a picture of *width* x *height* pixels.

    Both limits 0: a box of one fifth of each side. Otherwise a limit of 0 is the picture's own side, and no
    limit is larger than that. The picture is scaled down into the box with its proportions kept as well as
    whole pixels can, and is at least 1 x 1. Raises ValueError for a side below 1 or a limit below 0.
    """
    for name, value, least in (
        ("width", width, 1),
        ("height", height, 1),
        ("max_width", max_width, 0),
        ("max_height", max_height, 0),
    ):
        if value < least:
            raise ValueError(f"expected {name} of at least {least}, got {value}")
    if max_width == 0 and max_height == 0:
        max_width = max(width // _DEFAULT_DIVISOR, 1)
        max_height = max(height // _DEFAULT_DIVISOR, 1)
    box_width = min(max_width or width, width)
    box_height = min(max_height or height, height)
    if (box_width, box_height) == (width, height):
        return width, height
    if box_width * height >= box_height * width:  # the box is wider than the picture: its height decides
        return _nearest_side(width, height, box_height), box_height
    return box_width, _nearest_base(width, height, box_width)


def _nearest_side(width: int, height: int, scaled_height: int) -> int:
    """The whole width that with *scaled_height* is nearest to the proportions; the smaller one in doubt."""
    below = width * scaled_height // height
    # |width/height - n/scaled_height|, times height * scaled_height
    return max(min((below, below + 1), key=lambda n: abs(width * scaled_height - n * height)), 1)


def _nearest_base(width: int, height: int, scaled_width: int) -> int:
    """The whole height that with *scaled_width* is nearest to the proportions; the smaller one in doubt."""
    below = height * scaled_width // width
    if below == 0:
        return 1
    # |width/height - scaled_width/n|, times height * below * (below + 1), for n = below and n = below + 1
    error_below = abs(width * below - scaled_width * height) * (below + 1)
    error_above = abs(width * (below + 1) - scaled_width * height) * below
    return below if error_below <= error_above else below + 1


def scale_jpeg(jpeg: bytes, max_width: int, max_height: int, quality: int) -> bytes:
    """Return *jpeg* scaled down to its `preview_size`, encoded with *quality* 1..100 (blocking).

    A picture that has that size already is returned as the very same bytes. Raises ValueError for bytes that
    are no whole JPEG picture and for limits and qualities out of range.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"expected quality between 1 and 100, got {quality}")
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            original = image.size
            size = preview_size(*original, max_width, max_height)
            if size == original:
                return jpeg
            coarse = image.draft(None, (size[0] * _DRAFT_GAP, size[1] * _DRAFT_GAP))
            box = coarse[1] if coarse else None  # the picture's edge may lie within a pixel of the coarse one
            scaled = image.resize(size, Image.Resampling.LANCZOS, box=box)
    except (UnidentifiedImageError, OSError, SyntaxError) as exc:
        raise ValueError(f"expected a JPEG picture, got {len(jpeg)} bytes that are not one: {exc}") from exc
    output = io.BytesIO()
    scaled.save(output, "JPEG", quality=quality)
    return output.getvalue()
