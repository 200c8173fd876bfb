"""The codes of a JPEG scan, read in Python: what _scan.c does, for `python_mjpeg`.

Responsible for telling how much of a picture is in a scan that has no end marker. Must never look beyond the
bytes that it is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

RESTARTS: Final = range(0xD0, 0xD8)
"""The markers RST0 to RST7."""
MARKER: Final = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
"""A marker: neither stuffing nor a fill byte."""
MAX_CODE_BITS: Final = 16
_BLOCK_COEFFICIENTS: Final = 64
_NO_DATA: Final = re.compile(rb"\xff(?:[^\x00]|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Table:
    """A Huffman table as it stands in a DHT segment."""

    counts: bytes
    symbols: bytes

    @property
    def shortest(self) -> int:
        """How many bits the shortest code has."""
        return next(bits for bits, count in enumerate(self.counts, 1) if count)

    def lookup(self) -> list[tuple[int, int] | None]:
        """Length and symbol of the code that each 16 bits begin with."""
        entries: list[tuple[int, int] | None] = []
        symbols = iter(self.symbols)
        for bits, count in enumerate(self.counts, 1):
            for _ in range(count):
                entries += [(bits, next(symbols))] * (1 << MAX_CODE_BITS - bits)
        return entries + [None] * ((1 << MAX_CODE_BITS) - len(entries))


_DIRECT_SYMBOLS: Final = bytes(range(12))
STANDARD: Final = {
    (0, 0): Table(bytes.fromhex("00010501010101010100000000000000"), _DIRECT_SYMBOLS),
    (0, 1): Table(bytes.fromhex("00030101010101010101010000000000"), _DIRECT_SYMBOLS),
    (1, 0): Table(
        bytes.fromhex("0002010303020403050504040000017d"),
        bytes.fromhex(
            "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728"
            "292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a83848586878889"
            "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2"
            "e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
        ),
    ),
    (1, 1): Table(
        bytes.fromhex("00020102040403040705040400010277"),
        bytes.fromhex(
            "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a26"
            "2728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a828384858687"
            "88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9da"
            "e2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
        ),
    ),
}
"""The tables of T.81 K.3.3, by class and number."""


@dataclass(frozen=True, slots=True)
class ScanShape:
    """What a scan consists of: for each component its blocks in an MCU and its two tables."""

    components: list[tuple[int, Table, Table]]
    units: int
    restart_interval: int


class _ScanEnds(Exception):  # noqa: N818 - no error: it ends the counting
    """There is no further code."""


class _Codes:
    """The codes of a scan between two restart markers, without the stuffing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = self._waiting = self._bits = 0
        self._left = 8 * len(data)

    @property
    def raw_bytes(self) -> int:
        """How many bytes of the scan those are that a bit was read of, with their stuffing."""
        used = len(self._data) - self._left // 8
        return used + self._data.count(b"\xff", 0, used)

    def skip(self, bits: int) -> None:
        self._bits -= bits
        self._left -= bits
        if self._left < 0:
            raise _ScanEnds

    def symbol(self, lookup: list[tuple[int, int] | None]) -> int:
        if self._bits < 32:
            taken = self._data[self._at : self._at + 8].ljust(8, b"\0")
            self._at += 8
            self._waiting = (self._waiting & (1 << self._bits) - 1) << 64 | int.from_bytes(taken)
            self._bits += 64
        entry = lookup[self._waiting >> self._bits - MAX_CODE_BITS & 0xFFFF]
        if entry is None:
            raise _ScanEnds
        self.skip(entry[0])
        return entry[1]

    def block(self, direct: list[tuple[int, int] | None], alternating: list[tuple[int, int] | None]) -> None:
        self.skip(self.symbol(direct))
        at = 1
        while at < _BLOCK_COEFFICIENTS:
            symbol = self.symbol(alternating)
            run, size = symbol >> 4, symbol & 15
            if size == 0 and run != 15:
                return
            self.skip(size)
            at += run + 1
        if at != _BLOCK_COEFFICIENTS:
            raise _ScanEnds


def count_units(shape: ScanShape, data: bytes) -> tuple[int, int]:
    """Return how many whole MCUs are in *data*, and, if they are all, the bytes that these take."""
    lookups = [(blocks, direct.lookup(), other.lookup()) for blocks, direct, other in shape.components]
    at = unit = 0
    try:
        while True:
            broken = _NO_DATA.search(data, at)
            end = broken.start() if broken else len(data)
            codes = _Codes(data[at:end].replace(b"\xff\x00", b"\xff"))
            for _ in range(min(shape.restart_interval or shape.units, shape.units - unit)):
                for blocks, direct, other in lookups:
                    for _ in range(blocks):
                        codes.block(direct, other)
                unit += 1
            raw = codes.raw_bytes
            if unit == shape.units:
                return unit, at + raw
            marker = MARKER.search(data, end)
            if at + raw != end or marker is None or data[end : marker.start()].strip(b"\xff"):
                return unit, 0
            if data[marker.start() + 1] not in RESTARTS:
                return unit, 0
            at = marker.end()
    except _ScanEnds:
        return unit, 0
