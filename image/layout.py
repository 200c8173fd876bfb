"""What is on an image: its partition table, read without any tool (MBR with logical partitions)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

SECTOR: Final = 512
_ENTRY: Final = struct.Struct("<B3xB3xII")
_TABLE: Final = 446
_ENTRIES: Final = 4
_MARK: Final = b"\x55\xaa"
EXTENDED: Final = frozenset({0x05, 0x0F})
FIRST_LOGICAL: Final = 5
_MOST_LOGICAL: Final = 60


@dataclass(frozen=True)
class Partition:
    """One partition; start and size in bytes."""

    number: int
    kind: int
    bootable: bool
    start: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.size


def signature(disk: BinaryIO) -> int:
    """Return the disk's signature, by which the initramfs finds it."""
    disk.seek(440)
    return int.from_bytes(disk.read(4), "little")


def partitions(disk: BinaryIO) -> dict[int, Partition]:
    """Return the partitions by number. Raises ValueError if there is no table."""
    found = {}
    for number, (status, kind, start, count) in enumerate(_table(disk, 0), 1):
        if kind:
            found[number] = Partition(number, kind, status == 0x80, start * SECTOR, count * SECTOR)
    container = next((part for part in found.values() if part.kind in EXTENDED), None)
    if container is not None:
        # Each logical partition has a table of its own: itself, and where the next table is.
        place = container.start
        for number in range(FIRST_LOGICAL, FIRST_LOGICAL + _MOST_LOGICAL):
            here, following, *_ = _table(disk, place)
            status, kind, start, count = here
            found[number] = Partition(number, kind, status == 0x80, place + start * SECTOR, count * SECTOR)
            if not following[1]:
                break
            place = container.start + following[2] * SECTOR
    return found


def _table(disk: BinaryIO, place: int) -> list[tuple[int, int, int, int]]:
    disk.seek(place)
    sector = disk.read(SECTOR)
    if sector[510:] != _MARK:
        raise ValueError(f"expected a partition table, got none - at byte {place}")
    return [_ENTRY.unpack_from(sector, _TABLE + index * _ENTRY.size) for index in range(_ENTRIES)]
