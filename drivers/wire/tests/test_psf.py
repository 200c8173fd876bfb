"""PC Screen Fonts: hand-made files of both versions, the bundled font, and garbage."""

from __future__ import annotations

import gzip
import struct
from contextlib import suppress
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.psf import PsfError, parse_psf


def psf1(*, mode: int = 0x02, height: int = 2) -> bytes:
    glyphs = b"".join(bytes((index & 0xFF,)) * height for index in range(256))
    units: list[int] = []
    for index in range(256):
        units.append(0x20 + index)
        if index == 1:
            units += [0xFFFE, 0x41, 0x301]
        units.append(0xFFFF)
    return bytes((0x36, 0x04, mode, height)) + glyphs + struct.pack(f"<{len(units)}H", *units)


def psf2(*, version: int = 0, header: int = 36, width: int = 12, glyph_bytes: int = 4) -> bytes:
    head = struct.pack("<8I", 0x864AB572, version, header, 1, 2, glyph_bytes, 2, width).ljust(header, b"\0")
    glyphs = bytes((0xFF, 0xF0, 0x80, 0x10)) + bytes((0x00, 0x00, 0x0F, 0xF0))
    return head + glyphs + "aä".encode() + b"\xfee\xcc\x81\xff" + "€".encode() + b"\xff"


def test_version_1_with_table() -> None:
    font = parse_psf(psf1())
    assert (font.width_px, font.height_px, len(font.glyphs)) == (8, 2, 256)
    assert font.rows("!") == (1, 1)
    assert "\u0301" not in font.characters
    assert font.characters["A"] == 0x21


def test_version_1_without_table_maps_one_to_one() -> None:
    font = parse_psf(psf1(mode=0))
    assert font.rows("A") == (0x41, 0x41)


def test_version_2_with_odd_width_and_sequences() -> None:
    font = parse_psf(psf2())
    assert (font.width_px, font.height_px) == (12, 2)
    assert font.rows("a") == font.rows("ä") == (0xFFF, 0x801)
    assert font.rows("€") == (0, 0x0FF)
    assert font.rows("b") is None
    assert set(font.characters) == {"a", "ä", "€"}


def test_the_bundled_font() -> None:
    data = gzip.decompress((files("drivers.video") / "fonts" / "spleen-8x16.psfu.gz").read_bytes())
    font = parse_psf(data)
    assert len(font.glyphs) == 512
    assert font.rows(" ") == (0,) * 16
    assert font.rows("█") == (0xFF,) * 16


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "magic"),
        (b"\x1f\x8b\x08\x00", "magic"),
        (b"\x36\x04\x00", "header of 4 bytes"),
        (psf1()[:300], "glyphs"),
        (psf1()[:600], "Unicode table"),
        (psf2()[:20], "header of 32 bytes"),
        (psf2(version=1), "version 0"),
        (psf2(header=31), "at least 32"),
        (psf2(width=0), "1 to 128"),
        (psf2(glyph_bytes=5), "bytes a glyph"),
        (psf2()[:-1], "glyph 1"),
        (psf2()[:-2] + b"\xc3\xff", "UTF-8"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, message: str) -> None:
    with pytest.raises(PsfError, match=message):
        parse_psf(data)


@given(st.binary(max_size=600), st.sampled_from([b"", b"\x36\x04", b"\x72\xb5\x4a\x86"]))
def test_garbage_raises_its_own_error_only(garbage: bytes, magic: bytes) -> None:
    with suppress(PsfError):
        parse_psf(magic + garbage)


@given(st.integers(0, 60), st.integers(0, 255))
def test_a_damaged_header_raises_its_own_error_only(at: int, value: int) -> None:
    damaged = bytearray(psf2())
    damaged[at % len(damaged)] = value
    with suppress(PsfError):
        parse_psf(bytes(damaged))
