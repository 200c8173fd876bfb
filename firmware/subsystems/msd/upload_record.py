"""What is known of an upload that comes in in parts, kept in a file beside its image.

Everything here blocks and belongs into a thread. The file is the only truth: it outlives restarts and power
cuts, and goes with the image.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from firmware.core.json_documents import read_json
from firmware.subsystems.msd.digest import MAX_SMALL_BYTES, replace_file
from firmware.subsystems.msd.scan import marker_of

_PREFIX: Final = ".__"
_SUFFIX: Final = ".upload"
# Metadata of a request is bounded to a small part of that.


class UploadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One upload that is not finished; sizes in bytes."""

    id: str
    length: int
    offset: int
    """How much of it is on the disk for certain; less than *length*, unless it is finished."""
    metadata: str = ""
    """As its client wrote it."""
    sha256: str | None = None
    """What it is to hash to."""
    remove_incomplete: bool = False
    """Whether nothing is to stay of it if it does not."""


def record_file_of(file_name: str) -> str:
    """Return the name of the file, beside the image *file_name*, that keeps its record."""
    return f"{_PREFIX}{file_name}{_SUFFIX}"


def keep_record(directory: int, file_name: str, record: UploadRecord, *, at_once: bool = True) -> None:
    """Keep the record of the image *file_name* of the open *directory*, as `replace_file`. Raises OSError."""
    replace_file(directory, record_file_of(file_name), msgspec.json.encode(record), at_once=at_once)


def read_record(directory: int, file_name: str) -> UploadRecord | None:
    """Return the record of an image of the open *directory*; None if there is none, or it cannot be read."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        fd = os.open(record_file_of(file_name), flags, dir_fd=directory)
        try:
            record = read_json(os.read(fd, MAX_SMALL_BYTES), UploadRecord)
        finally:
            os.close(fd)
    except (OSError, ValueError):
        return None
    try:
        os.stat(marker_of(file_name), dir_fd=directory, follow_symlinks=False)
    except OSError:
        # The last thing that was done before somebody pulled the plug.
        return msgspec.structs.replace(record, offset=record.length)
    return record


def record_of(root: Path, name: str) -> UploadRecord | None:
    """Return the record of the image *name* below *root*, None if there is none."""
    try:
        fd = os.open(root / name.rpartition("/")[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return read_record(fd, name.rpartition("/")[2])
    finally:
        os.close(fd)


def records_below(root: Path) -> dict[str, str]:
    """Return the names of all images below *root* that have a record, by the ids of their uploads."""
    found: dict[str, str] = {}
    for directory, _folders, file_names in os.walk(root):
        for file_name in file_names:
            if file_name.startswith(_PREFIX) and file_name.endswith(_SUFFIX):
                image = Path(directory) / file_name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
                name = image.relative_to(root).as_posix()
                record = record_of(root, name)
                if record is not None:
                    found[record.id] = name
    return found
