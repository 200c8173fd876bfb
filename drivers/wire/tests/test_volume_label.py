"""Labels and files of disk images: made by hand, made by xorriso and mtools, damaged, and garbage."""

from __future__ import annotations

import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.wire.volume import FILE_LIMIT_BYTES, ReadAt, VolumeError
from drivers.wire.volume_label import read_file, read_volume


def reader(image: bytes) -> ReadAt:
    return lambda offset, length: image[offset : offset + length]


def both(number: int, length: int) -> bytes:
    return number.to_bytes(length, "little") + number.to_bytes(length, "big")


def iso_record(name: bytes, block: int, size: int, *, directory: bool = False, use: bytes = b"") -> bytes:
    body = both(block, 4) + both(size, 4) + bytes(7) + bytes((2 if directory else 0, 0, 0)) + both(1, 2)
    body += bytes((len(name),)) + name + (b"" if len(name) % 2 else b"\0") + use
    return bytes((len(body) + 2, 0)) + body


def iso(label: bytes = b"FARHAND_TEST", *, first: int = 1) -> bytes:
    """One file HELLO.TXT in block 19, a directory; the primary descriptor stands behind a boot record."""
    root = iso_record(b"\0", 18, 2048, directory=True) + iso_record(b"\1", 18, 2048, directory=True)
    root += iso_record(b"HELLO.TXT;1", 19, 12)
    root += iso_record(b"LONG.;1", 19, 12, use=b"RR\x05\x01\x81NM\x0e\x01\x00long name")
    root += iso_record(b"SUBDIR", 20, 2048, directory=True)
    descriptor = bytearray(2048)
    descriptor[0:7] = bytes((first,)) + b"CD001\x01"
    descriptor[40:72] = label.ljust(32)
    descriptor[128:132] = both(2048, 2)
    descriptor[156:190] = iso_record(b"\0", 18, 2048, directory=True)
    terminator = b"\xffCD001\x01".ljust(2048, b"\0")
    return (
        bytes(16 * 2048)
        + bytes(descriptor)
        + terminator
        + root.ljust(2048, b"\0")
        + b"Hello, disc\n".ljust(2048)
    )


def fat12(*, boot_label: bytes = b"BOOTLABEL  ", root_label: bytes | None = b"ROOTLABEL  ") -> bytes:
    """A 1440 KiB floppy with one file of two clusters, not next to each other, and one with a long name."""
    boot = bytearray(512)
    boot[0:3] = b"\xeb\x3c\x90"
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 1, 1, 2, 224, 2880, 0xF0, 9)
    boot[38:39] = b"\x29"
    boot[43:54] = boot_label
    boot[510:512] = b"\x55\xaa"
    # Clusters: 2 -> 4 -> end, 3 -> end
    fat = bytearray(9 * 512)
    for cluster, following in ((2, 4), (3, 0xFFF), (4, 0xFFF)):
        at = cluster + cluster // 2
        pair = int.from_bytes(fat[at : at + 2], "little")
        pair |= following << (4 if cluster % 2 else 0)
        fat[at : at + 2] = pair.to_bytes(2, "little")

    def entry(name: bytes, attributes: int, cluster: int = 0, size: int = 0) -> bytes:
        return name + bytes((attributes,)) + bytes(14) + struct.pack("<HI", cluster, size)

    short = b"ALONGN~1TXT"
    checksum = 0
    for byte in short:
        checksum = ((checksum & 1) << 7 | checksum >> 1) + byte & 0xFF
    units = "a long name.txt\0".encode("utf-16-le").ljust(52, b"\xff")
    root = entry(root_label, 0x08) if root_label else b""
    root += entry(b"TWO     DAT", 0x20, 2, 600)
    root += b"\xe5" + entry(b"GONE    DAT", 0x20, 3, 5)[1:]
    for number in (2, 1):
        part = units[(number - 1) * 26 : number * 26]
        first = number | (0x40 if number == 2 else 0)
        root += (
            bytes((first,)) + part[:10] + bytes((0x0F, 0, checksum)) + part[10:22] + bytes(2) + part[22:26]
        )
    root += entry(short, 0x20, 3, 5)
    root += entry(b"SUB        ", 0x10, 0)
    data = b"A" * 512 + b"hello" + bytes(507) + b"B" * 512
    return bytes(boot) + bytes(fat) * 2 + root.ljust(224 * 32, b"\0") + data


def test_an_iso_tells_its_label_and_files() -> None:
    read_at = reader(iso())
    volume = read_volume(read_at)
    assert (volume.kind, volume.label) == ("ISO 9660", "FARHAND_TEST")
    assert [(entry.name, entry.size_bytes, entry.directory) for entry in volume.entries] == [
        ("HELLO.TXT", 12, False),
        ("long name", 12, False),
        ("SUBDIR", 0, True),
    ]
    assert read_file(read_at, volume.entries[0]) == b"Hello, disc\n"
    with pytest.raises(VolumeError, match="directory - at SUBDIR"):
        read_file(read_at, volume.entries[2])


def test_an_iso_without_a_primary_descriptor_is_damaged() -> None:
    with pytest.raises(VolumeError, match="primary volume descriptor"):
        read_volume(reader(iso(first=0)))


def test_the_label_in_the_root_directory_wins() -> None:
    assert read_volume(reader(fat12())).label == "ROOTLABEL"
    assert read_volume(reader(fat12(root_label=None))).label == "BOOTLABEL"
    assert read_volume(reader(fat12(root_label=None, boot_label=b"NO NAME    "))).label == ""


def test_fat12_files_follow_their_chain() -> None:
    read_at = reader(fat12())
    volume = read_volume(read_at)
    assert volume.kind == "FAT12"
    names = {entry.name: entry for entry in volume.entries}
    assert set(names) == {"TWO.DAT", "a long name.txt", "SUB"}
    assert read_file(read_at, names["TWO.DAT"]) == b"A" * 512 + b"B" * 88
    assert read_file(read_at, names["a long name.txt"]) == b"hello"
    assert names["SUB"].directory


def test_a_fat_behind_a_partition_table() -> None:
    table = bytearray(64 * 512)
    table[446 + 16 + 4] = 0x0C
    table[446 + 16 + 8 : 446 + 16 + 12] = (64).to_bytes(4, "little")
    table[510:512] = b"\x55\xaa"
    read_at = reader(bytes(table) + fat12())
    volume = read_volume(read_at)
    assert volume.label == "ROOTLABEL"
    assert read_file(read_at, volume.entries[0])[-1:] == b"B"


def test_a_chain_that_ends_early_is_an_error_of_that_file_only() -> None:
    image = bytearray(fat12())
    image[512 + 3 : 512 + 5] = bytes((0xFF, 0xFF))  # cluster 2 -> end
    read_at = reader(bytes(image))
    names = {entry.name: entry for entry in read_volume(read_at).entries}
    with pytest.raises(VolumeError, match="expected 600 bytes, got 512 - at TWO"):
        read_file(read_at, names["TWO.DAT"])
    assert read_file(read_at, names["a long name.txt"]) == b"hello"


def test_a_chain_in_a_circle_ends() -> None:
    image = bytearray(fat12())
    image[512 + 3 : 512 + 5] = bytes((2, image[512 + 4]))  # cluster 2 -> 2
    read_at = reader(bytes(image))
    names = {entry.name: entry for entry in read_volume(read_at).entries}
    assert read_file(read_at, names["TWO.DAT"]) == b"A" * 600


@pytest.mark.parametrize("image", [b"", b"\0" * 100_000, b"#!/bin/sh\n" * 9000])
def test_no_volume_is_said_so(image: bytes) -> None:
    with pytest.raises(VolumeError, match="ISO 9660 or FAT"):
        read_volume(reader(image))


def tool(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"{name} is a dependency of the tests: install Debian's xorriso and mtools"
    return path


def test_what_xorriso_makes(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "A rather long name.text").write_text("read me\n")
    (tmp_path / "tree" / "folder").mkdir()
    image = tmp_path / "x.iso"
    command = [tool("xorriso"), "-as", "mkisofs", "-quiet", "-V", "MADE_BY_XORRISO", "-J", "-R"]
    subprocess.run([*command, "-o", str(image), str(tmp_path / "tree")], check=True, capture_output=True)
    read_at = reader(image.read_bytes())
    volume = read_volume(read_at)
    assert volume.label == "MADE_BY_XORRISO"
    names = {entry.name: entry for entry in volume.entries}
    assert set(names) == {"A rather long name.text", "folder"}
    assert names["folder"].directory
    assert read_file(read_at, names["A rather long name.text"]) == b"read me\n"


@pytest.mark.parametrize(
    ("kind", "options"),
    [("FAT12", ["-f", "1440"]), ("FAT16", ["-T", "65536"]), ("FAT32", ["-F", "-T", "131072", "-c", "1"])],
)
def test_what_mtools_makes(tmp_path: Path, kind: str, options: list[str]) -> None:
    image, text = tmp_path / "x.img", tmp_path / "A long name of a text file.txt"
    content = b"0123456789abcde\n" * 5000
    text.write_bytes(content)
    format_command = [tool("mformat"), "-C", "-i", str(image), "-v", "MTOOLS", *options, "::"]
    subprocess.run(format_command, check=True, capture_output=True)
    subprocess.run([tool("mcopy"), "-i", str(image), str(text), "::"], check=True, capture_output=True)
    subprocess.run([tool("mmd"), "-i", str(image), "::/sub"], check=True, capture_output=True)

    def read_at(offset: int, length: int) -> bytes:
        with image.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    volume = read_volume(read_at)
    assert (volume.kind, volume.label) == (kind, "MTOOLS")
    assert [(entry.name.lower(), entry.directory) for entry in volume.entries] == [
        (text.name.lower(), False),
        ("sub", True),
    ]
    assert volume.entries[0].size_bytes == len(content)
    assert read_file(read_at, volume.entries[0]) == content[:FILE_LIMIT_BYTES]


def survives(image: bytes) -> None:
    """Whatever it is, it reads or it is a VolumeError."""
    try:
        volume = read_volume(reader(image))
    except VolumeError:
        return
    for entry in volume.entries:
        with suppress(VolumeError):
            assert len(read_file(reader(image), entry)) <= FILE_LIMIT_BYTES


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=16)), min_size=1, max_size=8)
)
def test_damaged_images_raise_their_own_error_only(damages: list[tuple[int, bytes]]) -> None:
    disc, floppy = bytearray(iso()), bytearray(fat12())
    for at, damage in damages:
        # Both structures lie in a few sectors; damage elsewhere proves nothing.
        start = 16 * 2048 + at % (4 * 2048)
        disc[start : start + len(damage)] = damage
        start = at % (20 * 512)
        floppy[start : start + len(damage)] = damage
    floppy[510:512] = b"\x55\xaa"
    survives(bytes(disc))
    survives(bytes(floppy))


@given(st.integers(0, 19 * 2048 + 100), st.integers(0, 20_000))
def test_cut_off_images_raise_their_own_error_only(disc_bytes: int, floppy_bytes: int) -> None:
    survives(iso()[:disc_bytes])
    survives(fat12()[:floppy_bytes])
