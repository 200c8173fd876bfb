"""The slower engine of `mjpeg`, in Python and on Pillow, for installations without the C extension.

Responsible for the results and the errors, word for word, of `_jpeg.repair` (_header.c and _scan.c say why),
and for those of `_jpeg.decode_i420` but for rounding; the same tests run over both. To read the codes of a
scan without an end marker takes a second for a large picture.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from drivers.video.frame import DamagedPictureError
from drivers.video.pillow_jpeg import MAX_PIXELS, MAX_SIDE_PX, bytes_of, read_int
from drivers.video.python_scan import MARKER, MAX_CODE_BITS, RESTARTS, STANDARD, ScanShape, Table, count_units

_TEM, _SOF0, _SOF1, _DHT, _SOI, _EOI, _SOS, _DQT, _DRI = 0x01, 0xC0, 0xC1, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD
_KNOWN: Final = frozenset({_SOF0, _SOF1, _DHT, _SOS, _DQT, _DRI, *range(0xE0, 0xF0), 0xFE})
_TABLES: Final = 4
_STANDARD_TABLES: Final = 2
_MAX_BLOCKS: Final = 10
_BLOCK_SIDE: Final = 8
_MISSING_DIVISOR: Final = 16
_MAX_PIECES: Final = 64
_NO_COLOUR: Final = 128


@dataclass(frozen=True, slots=True)
class _Component:
    id: int
    across: int
    down: int
    quantisation: int


def _units_of(pixels: int, unit: int) -> int:
    return -(-pixels // unit)


@dataclass(slots=True)
class _Picture:
    """What is known of a picture."""

    data: bytes
    width: int
    height: int
    kept: list[tuple[int, int]] = field(default_factory=list)
    """Begin and end of the pieces of the header that stay, up to the scan's own segment."""
    components: list[_Component] = field(default_factory=list)
    size_at: int = 0
    quantisations: set[int] = field(default_factory=set)
    tables: dict[tuple[int, int], Table] = field(default_factory=dict)
    standard: set[tuple[int, int]] = field(default_factory=set)
    restart_interval: int = 0

    def begin(self, at: int) -> None:
        """Begin a picture at *at*; forgets what was read before."""
        self.kept = [(at, at + 2)]
        self.components, self.quantisations, self.tables, self.restart_interval = [], set(), {}, 0

    def read(self) -> bytes:
        """Read it and return the whole picture. Raises DamagedPictureError."""
        data = self.data
        at = data.find(b"\xff\xd8\xff")
        if at < 0:
            raise DamagedPictureError(f"expected the start of a JPEG picture, got none in {len(data)} bytes")
        self.begin(at)
        at += 2
        while (found := MARKER.search(data, at)) is not None and data[found.start() + 1] != _EOI:
            at, marker = found.start(), data[found.start() + 1]
            if marker == _SOI:
                self.begin(at)
            if marker in {_SOI, _TEM} or marker in RESTARTS:
                at += 2
                continue
            if marker not in _KNOWN:
                raise DamagedPictureError(
                    f"expected a baseline JPEG picture, got the marker FF {marker:02X} at byte {at}"
                )
            length = int.from_bytes(data[at + 2 : at + 4]) if len(data) - at >= 4 else 0
            if not 2 <= length <= len(data) - at - 2:
                raise DamagedPictureError(
                    f"expected the segment FF {marker:02X} at byte {at} to end within {len(data)} bytes, "
                    f"got {length}"
                )
            end = at + 2 + length
            body = data[at + 4 : end]
            if marker == _SOS:
                shape = self._read_scan_header(body, at)
                return self._whole(at, end, self._scan_end(end, shape))
            self._read_segment(marker, body, at)
            self._keep(at, end)
            at = end
        raise DamagedPictureError(f"expected a scan, got none in {len(data)} bytes")

    def _keep(self, begin: int, end: int) -> None:
        if self.kept[-1][1] == begin:
            self.kept[-1] = (self.kept[-1][0], end)
        elif len(self.kept) == _MAX_PIECES:
            raise DamagedPictureError(
                f"expected a header in at most {_MAX_PIECES} pieces, got more by byte {begin}"
            )
        else:
            self.kept.append((begin, end))

    def _read_segment(self, marker: int, body: bytes, at: int) -> None:
        if marker in {_SOF0, _SOF1}:
            self._read_frame(body, at)
        elif marker == _DHT:
            self._read_huffman_tables(body, at)
        elif marker == _DQT:
            self._read_quantisations(body, at)
        elif marker == _DRI:
            if len(body) != 2:
                raise DamagedPictureError(
                    f"expected a restart interval of 2 bytes at byte {at}, got {len(body)}"
                )
            self.restart_interval = int.from_bytes(body)

    def _read_frame(self, body: bytes, at: int) -> None:
        if self.components:
            raise DamagedPictureError(f"expected one frame header, got a second one at byte {at}")
        if len(body) < 6 or len(body) != 6 + 3 * body[5]:
            raise DamagedPictureError(
                f"expected a frame header as long as it says at byte {at}, got {len(body)} bytes"
            )
        height, width, count = int.from_bytes(body[1:3]), int.from_bytes(body[3:5]), body[5]
        if body[0] != 8:
            raise DamagedPictureError(f"expected 8 bits for each sample, got {body[0]}")
        if count not in {1, 3}:
            raise DamagedPictureError(f"expected 1 or 3 components, got {count}")
        components = []
        for i in range(6, len(body), 3):
            one = _Component(body[i], body[i + 1] >> 4, body[i + 1] & 15, body[i + 2])
            if not (1 <= one.across <= 4 and 1 <= one.down <= 4):
                raise DamagedPictureError(
                    f"expected sampling factors between 1 and 4, got {one.across} x {one.down}"
                )
            if one.quantisation >= _TABLES:
                raise DamagedPictureError(
                    f"expected the number of a quantisation table up to {_TABLES - 1}, got {one.quantisation}"
                )
            components.append(one)
        if count == 1:
            components = [_Component(components[0].id, 1, 1, components[0].quantisation)]
        across, down = max(one.across for one in components), max(one.down for one in components)
        if any(across % one.across or down % one.down for one in components):
            raise DamagedPictureError(
                "expected sampling factors that divide the largest, got some that do not"
            )
        blocks = sum(one.across * one.down for one in components)
        if blocks > _MAX_BLOCKS:
            raise DamagedPictureError(f"expected at most {_MAX_BLOCKS} blocks in a unit, got {blocks}")
        self.components = components
        units, wanted = self._units(width, height), self._units(self.width, self.height)
        if not width or not height or units != wanted:
            raise DamagedPictureError(
                f"expected a picture of {self.width} x {self.height} pixels, got {width} x {height}"
            )
        self.size_at = at + 5

    def _units(self, width: int, height: int) -> tuple[int, int]:
        across = _BLOCK_SIDE * max(one.across for one in self.components)
        down = _BLOCK_SIDE * max(one.down for one in self.components)
        return _units_of(width, across), _units_of(height, down)

    def _read_quantisations(self, body: bytes, at: int) -> None:
        while body:
            wide, number = body[0] >> 4, body[0] & 15
            size = 1 + 64 * (wide + 1)
            if wide > 1 or number >= _TABLES or len(body) < size:
                raise DamagedPictureError(f"expected quantisation tables at byte {at}, got something else")
            self.quantisations.add(number)
            body = body[size:]

    def _read_huffman_tables(self, body: bytes, at: int) -> None:
        while body:
            kind, number = body[0] >> 4, body[0] & 15
            counts = body[1:17]
            symbols = body[17 : 17 + sum(counts)]
            code, fits = 0, True
            for bits, count in enumerate(counts, 1):
                code = (code << 1) + count
                fits = fits and code < 1 << bits
            if (
                kind > 1
                or number >= _TABLES
                or len(counts) != MAX_CODE_BITS
                or not fits
                or len(symbols) != sum(counts)
                or len(symbols) > 256
                or (kind == 0 and any(symbol > 15 for symbol in symbols))
            ):
                raise DamagedPictureError(f"expected Huffman tables at byte {at}, got something else")
            self.tables.pop((kind, number), None)
            if symbols:
                self.tables[kind, number] = Table(counts, symbols)
            body = body[17 + len(symbols) :]

    def _table_of(self, kind: int, number: int) -> Table | None:
        if (kind, number) in self.tables:
            return self.tables[kind, number]
        if number < _STANDARD_TABLES:
            self.standard.add((kind, number))
            return STANDARD[kind, number]
        return None

    def _read_scan_header(self, body: bytes, at: int) -> ScanShape:
        count = len(self.components)
        if not count:
            raise DamagedPictureError(f"expected a frame header before the scan at byte {at}, got none")
        if len(body) != 4 + 2 * count or body[0] != count:
            raise DamagedPictureError(
                f"expected one scan of all {count} components at byte {at}, got another one"
            )
        parts = []
        for i, one in enumerate(self.components):
            component_id, numbers = body[1 + 2 * i : 3 + 2 * i]
            if component_id != one.id:
                raise DamagedPictureError(f"expected component {one.id} in the scan, got {component_id}")
            if one.quantisation not in self.quantisations:
                raise DamagedPictureError(f"expected the quantisation table {one.quantisation}, got none")
            direct = self._table_of(0, numbers >> 4)
            alternating = self._table_of(1, numbers & 15)
            if direct is None or alternating is None:
                raise DamagedPictureError(
                    f"expected the Huffman tables {numbers >> 4} and {numbers & 15}, got none"
                )
            parts.append((one.across * one.down, direct, alternating))
        across, down = self._units(self.width, self.height)
        return ScanShape(parts, across * down, self.restart_interval)

    def _scan_end(self, begin: int, shape: ScanShape) -> int:
        """Find out where the scan's data ends, and whether enough of it is there."""
        data, end, ended, restarts = self.data, len(self.data), False, 0
        for found in MARKER.finditer(data, begin):
            code = data[found.start() + 1]
            if not (shape.restart_interval and code in RESTARTS):
                end, ended = found.start(), code == _EOI
                break
            restarts += 1
        else:
            if end > begin and data[end - 1] == 0xFF:
                end -= 1
        bits = sum(blocks * (direct.shortest + other.shortest) for blocks, direct, other in shape.components)
        fewest = shape.units * bits // 8
        if end == begin or end - begin < fewest - fewest // _MISSING_DIVISOR:
            raise DamagedPictureError(f"expected a scan of at least {fewest} bytes, got {end - begin}")
        expected = (shape.units - 1) // shape.restart_interval if shape.restart_interval else 0
        if ended and restarts == expected:
            return end
        units, used = count_units(shape, data[begin:end])
        if units == shape.units:
            return begin + used
        if units < shape.units - shape.units // _MISSING_DIVISOR:
            raise DamagedPictureError(
                f"expected a scan of {shape.units} units, got one that breaks off after {units}"
            )
        return end

    def _whole(self, header_at: int, scan_at: int, scan_end: int) -> bytes:
        size = self.height.to_bytes(2) + self.width.to_bytes(2)
        pieces = []
        for begin, end in self.kept:
            piece = self.data[begin:end]
            if begin <= self.size_at < end:
                at = self.size_at - begin
                piece = piece[:at] + size + piece[at + 4 :]
            pieces.append(piece)
        tables = b"".join(
            bytes((kind << 4 | number,)) + STANDARD[kind, number].counts + STANDARD[kind, number].symbols
            for kind, number in sorted(self.standard)
        )
        if tables:
            pieces += [bytes((0xFF, _DHT)), (2 + len(tables)).to_bytes(2), tables]
        return b"".join((*pieces, self.data[header_at:scan_at], self.data[scan_at:scan_end], b"\xff\xd9"))


def repair(buffer: Any, width: int, height: int, /) -> bytes:
    """Return the one baseline JPEG picture in *buffer*; the rules and errors of `_jpeg.repair`."""
    width = read_int(width, "width", 1, MAX_SIDE_PX)
    height = read_int(height, "height", 1, MAX_SIDE_PX)
    return _Picture(bytes_of(buffer, "buffer").tobytes(), width, height).read()


def decode_i420(buffer: Any, target: Any, width: int, height: int, /) -> None:
    """Decode *buffer* into *target*; the rules and errors of `_jpeg.decode_i420`."""
    width = read_int(width, "width", 1, MAX_SIDE_PX)
    height = read_int(height, "height", 1, MAX_SIDE_PX)
    if width * height > MAX_PIXELS:
        raise ValueError(f"expected at most {MAX_PIXELS} pixels, got {width} x {height}")
    source, planes = bytes_of(buffer, "buffer"), bytes_of(target, "target", writable=True)
    even_width, even_height = width + width % 2, height + height % 2
    needed = even_width * even_height // 2 * 3
    if len(planes) < needed:
        raise ValueError(
            f"expected target of at least {needed} bytes for {width} x {height} pixels, got {len(planes)}"
        )
    luma, *colour = _decode(source.tobytes(), width, height)
    edges = ((0, even_height - height), (0, even_width - width))
    planes[: even_width * even_height] = np.pad(luma, edges, mode="edge").ravel()
    at, size = even_width * even_height, even_width * even_height // 4
    if not colour:
        planes[at:needed] = _NO_COLOUR
    for plane in colour:
        squares = np.pad(plane, edges, mode="edge").reshape(even_height // 2, 2, even_width // 2, 2)
        planes[at : at + size] = ((squares.sum(axis=(1, 3), dtype=np.uint16) + 2) // 4).ravel()
        at += size


def _decode(jpeg: bytes, width: int, height: int) -> list[NDArray[np.uint8]]:
    """The planes of brightness and colour, each of the picture's size; of grey only the first."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if image.mode not in {"RGB", "L"} or image.info.get("adobe_transform") == 0:
                raise DamagedPictureError("expected a JPEG picture, got: colours other than YCbCr")
            if image.size != (width, height):
                raise DamagedPictureError(
                    f"expected a picture of {width} x {height} pixels, got {image.width} x {image.height}"
                )
            if image.mode == "RGB":
                image.draft("YCbCr", None)
            image.load()
            return [np.asarray(channel) for channel in image.split()]
    except (UnidentifiedImageError, OSError, SyntaxError) as exc:
        raise DamagedPictureError(f"expected a JPEG picture, got: {exc}") from exc
