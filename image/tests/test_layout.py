"""Partition tables, made here by hand as the format's descriptions have them."""

from __future__ import annotations

import io

import pytest

from image.layout import partitions, signature

MIB = 1 << 20
SECTORS = MIB // 512


def table(*entries: tuple[int, int, int, int], disk_signature: int = 0) -> bytes:
    """A sector with entries of (status, kind, first MiB, MiB)."""
    packed = b"".join(
        bytes([status, 0, 0, 0, kind, 0, 0, 0])
        + (start * SECTORS).to_bytes(4, "little")
        + (size * SECTORS).to_bytes(4, "little")
        for status, kind, start, size in entries
    )
    return (
        bytes(440) + disk_signature.to_bytes(4, "little") + bytes(2) + packed.ljust(64, b"\0") + b"\x55\xaa"
    )


def disk(sectors: dict[int, bytes]) -> io.BytesIO:
    stream = io.BytesIO(bytes(64 * MIB))
    for place, content in sectors.items():
        stream.seek(place * MIB)
        stream.write(content)
    return stream


def test_primary_and_logical_partitions() -> None:
    primary = table(
        (0x80, 0x0C, 4, 8), (0, 0x83, 16, 8), (0, 0, 0, 0), (0, 0x0F, 32, 32), disk_signature=0x46
    )
    # The second table's place counts from the container, the partition's from its own table.
    first = table((0, 0x0C, 1, 4), (0, 0x05, 6, 10))
    second = table((0, 0x83, 1, 8))
    stream = disk({0: primary, 32: first, 38: second})
    assert signature(stream) == 0x46
    found = partitions(stream)
    starts = {number: part.start // MIB for number, part in found.items()}
    assert starts == {1: 4, 2: 16, 4: 32, 5: 33, 6: 39}
    assert found[1].bootable
    assert not found[2].bootable
    assert found[6].end == 47 * MIB
    assert found[6].kind == 0x83


def test_what_has_no_table_is_refused() -> None:
    with pytest.raises(ValueError, match="partition table"):
        partitions(disk({}))
