"""PC Screen Font files, versions 1 and 2, with their Unicode tables: bytes in, glyphs out.

Must never read files, decompress, or believe a header: every length is checked against the data.

Source: the format as the Linux console and kbd use it (kbd's `psf.h`; "PC Screen Fonts", J. Somm).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MAGIC_1 = b"\x36\x04"
_MAGIC_2 = b"\x72\xb5\x4a\x86"
_MODE_512 = 0x01
_MODE_UNICODE = 0x06  # either the table or its newer name for "with sequences"
_FLAG_UNICODE = 0x01
_MAX_SIDE_PX = 128  # no console font comes near; a forged header must not make huge glyphs


class PsfError(ValueError):
    """The data is no PC Screen Font; the message says where it stops being one."""


@dataclass(frozen=True, slots=True)
class PsfFont:
    """A fixed-width bitmap font.

    A glyph is `height_px` rows of `ceil(width_px / 8)` bytes, most significant bit leftmost.
    `characters` maps single characters to the index of their glyph; without a Unicode table in the file
    it maps code points to glyphs one to one. Sequences of combining characters are left out.
    """

    width_px: int
    height_px: int
    glyphs: tuple[bytes, ...]
    characters: dict[str, int]

    def rows(self, character: str) -> tuple[int, ...] | None:
        """Return a glyph's rows as integers of `width_px` bits, leftmost highest; None if there is none."""
        index = self.characters.get(character)
        if index is None:
            return None
        row_bytes = (self.width_px + 7) // 8
        spare_bits = row_bytes * 8 - self.width_px
        glyph = self.glyphs[index]
        return tuple(
            int.from_bytes(glyph[at : at + row_bytes], "big") >> spare_bits
            for at in range(0, len(glyph), row_bytes)
        )


def parse_psf(data: bytes) -> PsfFont:
    """Read an uncompressed PSF file. Raises PsfError for anything else."""
    if data[:4] == _MAGIC_2:
        return _parse_2(data)
    if data[:2] == _MAGIC_1:
        return _parse_1(data)
    raise PsfError(f"expected a PSF magic, got {data[:4].hex(' ') or 'nothing'} - at byte 0")


def _parse_1(data: bytes) -> PsfFont:
    if len(data) < 4:
        raise PsfError(f"expected a header of 4 bytes, got {len(data)} - at byte 0")
    mode, height = data[2], data[3]
    count = 512 if mode & _MODE_512 else 256
    end = 4 + count * height
    glyphs = _glyphs(data, 4, count, (8, height), height)
    if mode & _MODE_UNICODE:
        characters = _table_1(data[end:], count)
    else:
        characters = {chr(index): index for index in range(count)}
    return PsfFont(8, height, glyphs, characters)


def _parse_2(data: bytes) -> PsfFont:
    if len(data) < 32:
        raise PsfError(f"expected a header of 32 bytes, got {len(data)} - at byte 0")
    _, version, header_bytes, flags, count, glyph_bytes, height, width = struct.unpack_from("<8I", data)
    if version != 0:
        raise PsfError(f"expected PSF2 version 0, got {version} - at byte 4")
    if header_bytes < 32:
        raise PsfError(f"expected a header of at least 32 bytes, got {header_bytes} - at byte 8")
    glyphs = _glyphs(data, header_bytes, count, (width, height), glyph_bytes)
    if flags & _FLAG_UNICODE:
        characters = _table_2(data[header_bytes + count * glyph_bytes :], count)
    else:
        characters = {chr(index): index for index in range(min(count, 0xD800))}
    return PsfFont(width, height, glyphs, characters)


def _glyphs(
    data: bytes, start: int, count: int, size_px: tuple[int, int], glyph_bytes: int
) -> tuple[bytes, ...]:
    width, height = size_px
    if not (1 <= width <= _MAX_SIDE_PX and 1 <= height <= _MAX_SIDE_PX):
        raise PsfError(
            f"expected glyphs of 1 to {_MAX_SIDE_PX} pixels a side, got {width}x{height} - at the header"
        )
    if glyph_bytes != height * ((width + 7) // 8):
        raise PsfError(
            f"expected {height * ((width + 7) // 8)} bytes a glyph, got {glyph_bytes} - at the header"
        )
    end = start + count * glyph_bytes
    if len(data) < end:
        raise PsfError(f"expected {count} glyphs up to byte {end}, got {len(data)} bytes - at the glyphs")
    return tuple(data[at : at + glyph_bytes] for at in range(start, end, glyph_bytes))


def _table_1(table: bytes, count: int) -> dict[str, int]:
    """Per glyph: UTF-16 units of single characters, then sequences each led by FFFE, then FFFF."""
    characters: dict[str, int] = {}
    at = 0
    for index in range(count):
        in_sequence = False
        while True:
            if at + 2 > len(table):
                raise PsfError(
                    f"expected the characters of glyph {index}, got the end - at the Unicode table"
                )
            unit = int.from_bytes(table[at : at + 2], "little")
            at += 2
            if unit == 0xFFFF:
                break
            if unit == 0xFFFE:
                in_sequence = True
            elif not in_sequence:
                characters.setdefault(chr(unit), index)
    return characters


def _table_2(table: bytes, count: int) -> dict[str, int]:
    """Per glyph: UTF-8 of single characters, then sequences each led by FE, then FF."""
    characters: dict[str, int] = {}
    at = 0
    for index in range(count):
        end = table.find(b"\xff", at)
        if end < 0:
            raise PsfError(f"expected the characters of glyph {index}, got the end - at the Unicode table")
        singles = table[at:end].partition(b"\xfe")[0]
        try:
            for character in singles.decode("utf-8"):
                characters.setdefault(character, index)
        except UnicodeDecodeError as exc:
            raise PsfError(
                f"expected UTF-8, got {singles.hex(' ')} - at glyph {index} of the Unicode table"
            ) from exc
        at = end + 1
    return characters
