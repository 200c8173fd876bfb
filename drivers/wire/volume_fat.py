"""FAT12, FAT16 and FAT32: label and root directory with long names, also behind a partition table.

Use `volume_label.read_volume`. Source: Microsoft's FAT32 File System Specification 1.03 ("fatgen103"), whose
names of fields and rule for the FAT's width are used here; the partition table is that of the IBM PC.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.wire.volume import (
    ENTRY_LIMIT,
    FILE_LIMIT_BYTES,
    Entry,
    ReadAt,
    Volume,
    read_exactly,
)

_PARTITION_TYPES = frozenset({0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E, 0xEF})
_ROOT_LIMIT_BYTES = 1024 * 1024
_NO_NAME = "NO NAME"
_ENTRY_BYTES = 32
_ATTRIBUTE_VOLUME = 0x08
_ATTRIBUTE_DIRECTORY = 0x10
_ATTRIBUTE_LONG_NAME = 0x0F
_LAST_LONG_ENTRY = 0x40


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things are, in bytes of the image; clusters count from 2."""

    kind: str
    label: str
    cluster_bytes: int
    clusters: int
    fat_start: int
    root_start: int
    root_bytes: int  # 0 on FAT32, where the root is a chain of clusters
    root_cluster: int
    data_start: int


def read(read_at: ReadAt) -> Volume | None:
    """Return the volume, None if there is no FAT. Raises VolumeError if it is damaged."""
    sector = read_at(0, 512)
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
        return None
    layout = _layout(sector, 0)
    if layout is None:
        for entry in (sector[at : at + 16] for at in range(446, 510, 16)):
            if entry[4] in _PARTITION_TYPES:
                start = int.from_bytes(entry[8:12], "little") * 512
                layout = _layout(read_at(start, 512), start)
                if layout is not None:
                    break
    if layout is None:
        return None
    if layout.root_bytes:
        root = read_exactly(read_at, layout.root_start, layout.root_bytes, "the root directory")
    else:
        extents = _chain(read_at, layout, layout.root_cluster, _ROOT_LIMIT_BYTES)
        root = b"".join(read_exactly(read_at, *extent, "the root directory") for extent in extents)
    label, entries = _directory(read_at, layout, root)
    return Volume(layout.kind, label or layout.label, tuple(entries))


def _layout(sector: bytes, start: int) -> _Layout | None:
    """Read the BIOS parameter block; None if this is no boot sector of a FAT volume."""
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa" or sector[0] not in {0xEB, 0xE9}:
        return None

    def number(at: int, length: int) -> int:
        return int.from_bytes(sector[at : at + length], "little")

    sector_bytes, per_cluster, reserved, fats = number(11, 2), sector[13], number(14, 2), sector[16]
    root_entries, fat_sectors = number(17, 2), number(22, 2) or number(36, 4)
    total = number(19, 2) or number(32, 4)
    if (
        sector_bytes not in {512, 1024, 2048, 4096}
        or per_cluster.bit_count() != 1
        or not reserved
        or fats not in {1, 2}
        or not fat_sectors
    ):
        return None
    root_sectors = (root_entries * _ENTRY_BYTES + sector_bytes - 1) // sector_bytes
    data_sector = reserved + fats * fat_sectors + root_sectors
    clusters = (total - data_sector) // per_cluster
    if clusters < 1:
        return None
    kind = "FAT12" if clusters < 4085 else "FAT16" if clusters < 65525 else "FAT32"
    if (kind == "FAT32") != (root_entries == 0):
        return None
    extended = 64 if kind == "FAT32" else 36  # where drive number, signature 29, serial and label are
    label = ""
    if sector[extended + 2] == 0x29:
        label = _oem_text(sector[extended + 7 : extended + 18])
    return _Layout(
        kind=kind,
        label="" if label == _NO_NAME else label,
        cluster_bytes=per_cluster * sector_bytes,
        clusters=clusters,
        fat_start=start + reserved * sector_bytes,
        root_start=start + (data_sector - root_sectors) * sector_bytes,
        root_bytes=root_entries * _ENTRY_BYTES,
        root_cluster=number(44, 4),
        data_start=start + data_sector * sector_bytes,
    )


def _chain(read_at: ReadAt, layout: _Layout, cluster: int, limit_bytes: int) -> list[tuple[int, int]]:
    """Return the extents of the first *limit_bytes* of the chain that starts at *cluster*."""
    extents: list[tuple[int, int]] = []
    while limit_bytes > 0 and 2 <= cluster < layout.clusters + 2:
        length = min(limit_bytes, layout.cluster_bytes)
        extents.append((layout.data_start + (cluster - 2) * layout.cluster_bytes, length))
        limit_bytes -= length
        cluster = _next_cluster(read_at, layout, cluster)
    return extents


def _next_cluster(read_at: ReadAt, layout: _Layout, cluster: int) -> int:
    where = "the file allocation table"
    match layout.kind:
        case "FAT12":
            pair = read_exactly(read_at, layout.fat_start + cluster + cluster // 2, 2, where)
            return int.from_bytes(pair, "little") >> (4 * (cluster % 2)) & 0xFFF
        case "FAT16":
            return int.from_bytes(read_exactly(read_at, layout.fat_start + cluster * 2, 2, where), "little")
        case _:
            word = read_exactly(read_at, layout.fat_start + cluster * 4, 4, where)
            return int.from_bytes(word, "little") & 0x0FFFFFFF


def _directory(read_at: ReadAt, layout: _Layout, data: bytes) -> tuple[str, list[Entry]]:
    """Return the label and the entries of a root directory."""
    label = ""
    entries: list[Entry] = []
    long_name = _LongName()
    for at in range(0, len(data) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        record = data[at : at + _ENTRY_BYTES]
        if record[0] == 0 or len(entries) == ENTRY_LIMIT:
            break
        attributes = record[11]
        if record[0] == 0xE5:
            long_name = _LongName()
        elif attributes & 0x3F == _ATTRIBUTE_LONG_NAME:
            long_name.add(record)
        elif attributes & _ATTRIBUTE_VOLUME:
            label = label or _oem_text(record[:11])
            long_name = _LongName()
        else:
            name = long_name.take(record[:11]) or _short_name(record)
            entries.append(_entry(read_at, layout, name, record))
            long_name = _LongName()
    return label, entries


def _entry(read_at: ReadAt, layout: _Layout, name: str, record: bytes) -> Entry:
    if record[11] & _ATTRIBUTE_DIRECTORY:
        return Entry(name, 0, directory=True, extents=())
    size_bytes = int.from_bytes(record[28:32], "little")
    cluster = int.from_bytes(record[26:28], "little")
    if layout.kind == "FAT32":
        cluster |= int.from_bytes(record[20:22], "little") << 16
    extents = tuple(_chain(read_at, layout, cluster, min(size_bytes, FILE_LIMIT_BYTES)))
    return Entry(name, size_bytes, directory=False, extents=extents)


class _LongName:
    """Collects the entries of a long name, which stand last part first before the short one."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}
        self._count = 0
        self._checksum = -1

    def add(self, record: bytes) -> None:
        number = record[0] & 0x3F
        if record[0] & _LAST_LONG_ENTRY:
            self._parts = {}
            self._count = number
            self._checksum = record[13]
        if record[13] == self._checksum:
            self._parts[number] = record[1:11] + record[14:26] + record[28:32]

    def take(self, short_name: bytes) -> str:
        """Return the name if it is complete and belongs to *short_name*, else ""."""
        checksum = 0
        for byte in short_name:
            checksum = ((checksum & 1) << 7 | checksum >> 1) + byte & 0xFF
        if checksum != self._checksum or set(self._parts) != set(range(1, self._count + 1)):
            return ""
        units = b"".join(self._parts[number] for number in range(1, self._count + 1))
        return units.decode("utf-16-le", "replace").partition("\0")[0]


def _short_name(record: bytes) -> str:
    base = (b"\xe5" if record[0] == 0x05 else record[:1]) + record[1:8]
    name, extension = _oem_text(base), _oem_text(record[8:11])
    return f"{name}.{extension}" if extension else name


def _oem_text(data: bytes) -> str:
    return data.decode("cp437").rstrip(" \0")
