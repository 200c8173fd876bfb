"""Images for virtual drives: random bytes, a FAT file system, a CD-ROM of one file."""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers import modules

_SECTOR = 2048
_MIB = 1024 * 1024


def random_bytes(path: Path, size_bytes: int = 2 * _MIB, *, seed: int = 1) -> Path:
    """Bytes that no two places have in common; the same for the same *seed*."""
    path.write_bytes(random.Random(seed).randbytes(size_bytes))
    return path


def sparse(path: Path, size_bytes: int) -> Path:
    """Zeros that take no space."""
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


def fat(path: Path, size_bytes: int = 8 * _MIB) -> Path:
    """An empty FAT file system (dosfstools)."""
    sparse(path, size_bytes)
    subprocess.run(["mkfs.vfat", str(path)], check=True, capture_output=True)
    return path


def iso9660(path: Path, name: str, content: bytes, *, size_bytes: int = _MIB) -> Path:
    """A CD-ROM with one file, *name* in capitals with an extension (ECMA-119, level 1)."""
    root_sector, file_sector = 20, 21
    used = file_sector + -(-len(content) // _SECTOR)
    sectors = max(used, size_bytes // _SECTOR)
    root = _directory_record(b"\0", root_sector, _SECTOR, directory=True)
    path_tables = [struct.pack(order + "BBIH2s", 1, 0, root_sector, 1, b"\0\0") for order in ("<", ">")]
    primary = b"".join(
        (
            b"\x01CD001\x01\0",
            b"".ljust(32) + b"FARHAND".ljust(32) + bytes(8),
            _both(sectors, 4) + bytes(32),
            _both(1, 2) + _both(1, 2) + _both(_SECTOR, 2) + _both(len(path_tables[0]), 4),
            struct.pack("<II", 18, 0) + struct.pack(">II", 19, 0),
            root,
            b"".ljust(128 * 4 + 37 * 3),
            (b"0" * 16 + b"\0") * 4,
            b"\x01",
        )
    )
    entries = (
        root,
        _directory_record(b"\x01", root_sector, _SECTOR, directory=True),
        _directory_record(name.encode() + b";1", file_sector, len(content), directory=False),
    )
    parts = [bytes(_SECTOR)] * 16 + [primary, b"\xffCD001\x01", *path_tables, b"".join(entries)]
    image = b"".join(part.ljust(_SECTOR, b"\0") for part in parts) + content
    path.write_bytes(image.ljust(sectors * _SECTOR, b"\0"))
    return path


@contextmanager
def loop_device(image: Path) -> Iterator[Path]:
    """Make a file a block device."""
    modules.load("loop")
    found = subprocess.run(
        ["losetup", "-f", "--show", str(image)], check=True, capture_output=True, text=True
    )
    device = found.stdout.strip()
    try:
        yield Path(device)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


@contextmanager
def mounted(image: Path, kind: str, directory: Path, *, rw: bool = False) -> Iterator[Path]:
    """Mount an image without any USB in between."""
    with loop_device(image) as device:
        subprocess.run(
            ["mount", "-t", kind, "-o", "rw" if rw else "ro", str(device), str(directory)], check=True
        )
        try:
            yield directory
        finally:
            subprocess.run(["umount", str(directory)], check=True)


def _both(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little") + value.to_bytes(size, "big")


def _directory_record(name: bytes, sector: int, length: int, *, directory: bool) -> bytes:
    body = _both(sector, 4) + _both(length, 4) + bytes((126, 1, 1, 0, 0, 0, 0, 2 if directory else 0, 0, 0))
    body += _both(1, 2) + bytes((len(name),)) + name
    body += b"\0" * (len(body) % 2)
    return bytes((len(body) + 2, 0)) + body
