from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drivers.ocr.picture import CropBox, ready_for_recognition

EDGES = st.integers(-5, 60)


def jpeg(width: int, height: int) -> bytes:
    # Dark on the left, bright on the right.
    ramp = np.tile(np.linspace(0, 255, width, dtype=np.uint8), (height, 1))
    output = io.BytesIO()
    Image.fromarray(ramp).convert("RGB").save(output, "JPEG", quality=95)
    return output.getvalue()


@pytest.mark.parametrize(
    ("box", "part"),
    [
        (CropBox(), (0, 0, 40, 30)),
        (CropBox(left=10), (10, 0, 40, 30)),
        (CropBox(right=10), (0, 0, 10, 30)),
        (CropBox(top=5, bottom=6), (0, 5, 40, 6)),
        (CropBox(0, 0, 0, 0), (0, 0, 40, 30)),
        (CropBox(10, 10, 1000, 1000), (10, 10, 40, 30)),
        (CropBox(left=40), (0, 0, 40, 30)),
        (CropBox(left=1000), (0, 0, 40, 30)),
        (CropBox(20, 5, 10, 25), (0, 0, 40, 30)),
        (CropBox(-7, -7, -7, -7), (0, 0, 40, 30)),
    ],
)
def test_edges_are_clamped_and_a_box_without_area_is_the_whole(
    box: CropBox, part: tuple[int, int, int, int]
) -> None:
    assert box.within(40, 30) == part


@given(edges=st.tuples(EDGES, EDGES, EDGES, EDGES), width=st.integers(1, 50), height=st.integers(1, 50))
def test_a_part_is_never_empty_nor_outside(edges: tuple[int, int, int, int], width: int, height: int) -> None:
    x1, y1, x2, y2 = CropBox(*edges).within(width, height)
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height


def test_the_part_is_grey_and_twice_as_large() -> None:
    pgm = ready_for_recognition(jpeg(64, 16), CropBox(left=32, top=4, bottom=12))
    with Image.open(io.BytesIO(pgm)) as image:
        assert (image.format, image.mode, image.size) == ("PPM", "L", (64, 16))
        pixels = np.asarray(image)
    assert pixels[:, 0].mean() == pytest.approx(255 * 32 / 63, abs=6)
    assert pixels[:, -1].mean() == pytest.approx(255, abs=6)


@pytest.mark.fault("text recognition", "garbage")
def test_bytes_that_are_no_picture_are_refused() -> None:
    for data in (b"", b"no JPEG", jpeg(64, 16)[:-200]):
        with pytest.raises(ValueError, match="expected a JPEG picture"):
            ready_for_recognition(data, CropBox())
