"""ISO 9660: the primary volume descriptor and the root directory, with Rock Ridge names.

Use `volume_label.read_volume`. Sources: ECMA-119 sections 8.4 (primary volume descriptor) and 9.1 (directory
record); SUSP 1.12 section 4 and RRIP 1.12 section 4.1.4 (NM).
"""

from __future__ import annotations

from drivers.wire.volume import (
    ENTRY_LIMIT,
    FILE_LIMIT_BYTES,
    Entry,
    ReadAt,
    Volume,
    VolumeError,
    read_exactly,
)

SECTOR_BYTES = 2048
FIRST_DESCRIPTOR = 16
_DESCRIPTOR_LIMIT = 32  # real images have three or four; a forged one must not make us read for ever
_ROOT_LIMIT_BYTES = 1024 * 1024
_PRIMARY = 1
_TERMINATOR = 255
_FLAG_DIRECTORY = 0x02
_NM_CONTINUE = 0x01


def read(read_at: ReadAt) -> Volume | None:
    """Return the volume, None if the image is no ISO 9660 at all. Raises VolumeError if it is damaged."""
    for sector in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + _DESCRIPTOR_LIMIT):
        descriptor = read_at(sector * SECTOR_BYTES, SECTOR_BYTES)
        if len(descriptor) < SECTOR_BYTES or descriptor[1:6] != b"CD001":
            if sector == FIRST_DESCRIPTOR:
                return None
            break
        if descriptor[0] == _PRIMARY:
            return _volume(read_at, descriptor)
        if descriptor[0] == _TERMINATOR:
            break
    raise VolumeError("expected a primary volume descriptor, got none - at sector 16 and behind")


def _volume(read_at: ReadAt, descriptor: bytes) -> Volume:
    label = descriptor[40:72].decode("ascii", "replace").rstrip(" \0")
    block_bytes = int.from_bytes(descriptor[128:130], "little")
    if block_bytes not in {512, 1024, 2048}:
        raise VolumeError(
            f"expected blocks of 512 to 2048 bytes, got {block_bytes} - at the volume descriptor"
        )
    root = descriptor[156:190]
    if root[0] != 34 or not root[25] & _FLAG_DIRECTORY:
        raise VolumeError(
            "expected the root directory's record, got something else - at the volume descriptor"
        )
    start = int.from_bytes(root[2:6], "little") * block_bytes
    length = min(int.from_bytes(root[10:14], "little"), _ROOT_LIMIT_BYTES)
    directory = read_exactly(read_at, start, length, "the root directory")
    return Volume("ISO 9660", label, tuple(_entries(directory, block_bytes)))


def _entries(directory: bytes, block_bytes: int) -> list[Entry]:
    entries: list[Entry] = []
    at = 0
    while at < len(directory) and len(entries) < ENTRY_LIMIT:
        length = directory[at]
        if length == 0:  # records do not cross sectors: the rest of this one is empty
            at = (at // SECTOR_BYTES + 1) * SECTOR_BYTES
            continue
        record = directory[at : at + length]
        at += length
        if len(record) < 34 or len(record) < 33 + record[32]:
            raise VolumeError(
                f"expected a record of at least 34 bytes, got {len(record)} - at the root directory"
            )
        identifier = record[33 : 33 + record[32]]
        if identifier in {b"\0", b"\1"}:  # the directory itself and its parent
            continue
        size_bytes = int.from_bytes(record[10:14], "little")
        offset = int.from_bytes(record[2:6], "little") * block_bytes
        is_directory = bool(record[25] & _FLAG_DIRECTORY)
        name = _rock_ridge_name(record) or identifier.decode("latin-1").partition(";")[0].rstrip(".")
        extents = () if is_directory else ((offset, min(size_bytes, FILE_LIMIT_BYTES)),)
        entries.append(Entry(name, 0 if is_directory else size_bytes, is_directory, extents))
    return entries


def _rock_ridge_name(record: bytes) -> str:
    """Join the NM fields of the record's system use area; "" without any."""
    at = 33 + record[32]
    at += at % 2  # the area starts at an even offset
    name = b""
    while at + 4 <= len(record):
        field_bytes = record[at + 2]
        if field_bytes < 4:
            break
        if record[at : at + 2] == b"NM" and field_bytes > 5:
            name += record[at + 5 : at + field_bytes]
            if not record[at + 4] & _NM_CONTINUE:
                break
        at += field_bytes
    return name.decode("utf-8", "replace")
