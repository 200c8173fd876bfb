"""What a disk image calls itself: its file system, label and the files of its root directory.

Understands ISO 9660 (with Rock Ridge names) and FAT12/16/32, with or without a partition table. Must never
trust the image: all reads and loops are bounded, and whatever is wrong with it is a `VolumeError`.
"""

from __future__ import annotations

from drivers.wire import volume_fat, volume_iso9660
from drivers.wire.volume import FILE_LIMIT_BYTES, Entry, ReadAt, Volume, VolumeError, read_exactly


def read_volume(read_at: ReadAt) -> Volume:
    """Find the volume of an image. Raises VolumeError; what *read_at* raises passes through."""
    volume = volume_iso9660.read(read_at) or volume_fat.read(read_at)
    if volume is None:
        raise VolumeError("expected an ISO 9660 or FAT volume, got neither - at the start of the image")
    return volume


def read_file(read_at: ReadAt, entry: Entry) -> bytes:
    """Return a file, at most its first FILE_LIMIT_BYTES. Raises VolumeError if the image is cut off."""
    if entry.directory:
        raise VolumeError(f"expected a file, got a directory - at {entry.name}")
    expected = min(entry.size_bytes, FILE_LIMIT_BYTES)
    content = b"".join(read_exactly(read_at, offset, length, entry.name) for offset, length in entry.extents)
    if len(content) != expected:
        raise VolumeError(f"expected {expected} bytes, got {len(content)} - at {entry.name}")
    return content
