"""What the codecs of disk images have in common: their values, their error, and reading with care.

Bytes come from a function that reads at an offset; must never trust a length or a block number of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

type ReadAt = Callable[[int, int], bytes]
"""Reads up to so many bytes (second) at an offset (first); fewer only at the end of the image."""

FILE_LIMIT_BYTES = 64 * 1024
"""How much of a file `read_file` can give: enough for a text that somebody wants on a screen."""

ENTRY_LIMIT = 1000
"""How many entries of the root directory are listed."""


class VolumeError(ValueError):
    """There is no volume that we know, or it is damaged; the message says where."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a directory in the root directory.

    `extents` are the (offset, length) pieces of its first FILE_LIMIT_BYTES, in bytes of the image.
    """

    name: str
    size_bytes: int
    directory: bool
    extents: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system: its kind for people ("ISO 9660", "FAT16"), its label ("" if none), its root."""

    kind: str
    label: str
    entries: tuple[Entry, ...]


def read_exactly(read_at: ReadAt, offset: int, length: int, where: str) -> bytes:
    """Read *length* bytes or raise VolumeError naming *where*."""
    data = read_at(offset, length)
    if len(data) != length:
        raise VolumeError(f"expected {length} bytes at {offset}, got {len(data)} - at {where}")
    return data
