"""The digest of an image, kept in a file beside it.

The file names the size and the time of change of the image that it belongs to: a target that writes to the
image, or anybody else, makes it void without having to know of it. Everything here blocks and belongs into a
thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from firmware.core.json_documents import read_json

_MAX_FILE_BYTES: Final = 1024
MAX_SMALL_BYTES: Final = 64 << 10
"""More than what is kept beside an image: a digest, or the record of an upload."""
_FILE_MODE: Final = 0o644


def digest_file_of(file_name: str) -> str:
    """Return the name of the file, beside the image *file_name*, that keeps its digest."""
    return f".__{file_name}.sha256"


class _Kept(msgspec.Struct, frozen=True):
    sha256: str
    size: int
    mtime_ns: int


def kept_digest(directory: Path, file_name: str, status: os.stat_result) -> str | None:
    """Return the digest kept for an image whose status is *status*; None if there is none that is of it.

    Raises nothing: a file that cannot be read, or is not ours, is as good as none.
    """
    try:
        fd = os.open(
            directory / digest_file_of(file_name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        )
        try:
            kept = read_json(os.read(fd, _MAX_FILE_BYTES), _Kept)
        finally:
            os.close(fd)
    except (OSError, ValueError):
        return None
    is_of_it = (kept.size, kept.mtime_ns) == (status.st_size, status.st_mtime_ns)
    return kept.sha256 if is_of_it else None


def keep_digest(directory: int, file_name: str, sha256: str) -> None:
    """Keep the digest of the image *file_name* of the open *directory*, as it is now. Raises OSError."""
    status = os.stat(file_name, dir_fd=directory, follow_symlinks=False)
    kept = _Kept(sha256, status.st_size, status.st_mtime_ns)
    replace_file(directory, digest_file_of(file_name), msgspec.json.encode(kept))


def replace_file(directory: int, file_name: str, content: bytes, *, at_once: bool = True) -> None:
    """Write a small file in the open *directory*; a power cut leaves the old or the new.

    Without *at_once* it may leave the old one also some seconds later, which saves waiting for the disk.
    Raises OSError; then the old one is there, as far as that can be had.
    """
    before = _content(directory, file_name) if at_once else None
    _put(directory, file_name, content)
    if not at_once:
        return
    try:
        os.fsync(directory)
    except OSError:
        with suppress(OSError):
            if before is None:
                os.unlink(file_name, dir_fd=directory)
            else:
                _put(directory, file_name, before)
        raise


def _content(directory: int, file_name: str) -> bytes | None:
    """Return what a small file says; None if it is not there or cannot be read."""
    try:
        fd = os.open(file_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
        try:
            return os.read(fd, MAX_SMALL_BYTES)
        finally:
            os.close(fd)
    except OSError:
        return None


def _put(directory: int, file_name: str, content: bytes) -> None:
    # Shorter than the name itself, which may have the last length that the file system takes.
    temporary = file_name[:-1] + "~"
    fd = os.open(
        temporary,
        os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC,
        _FILE_MODE,
        dir_fd=directory,
    )
    try:
        try:
            left = memoryview(content)
            while left:
                # A disk that is about to be full takes a part, and says so at the next one.
                left = left[os.write(fd, left) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, file_name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        os.unlink(temporary, dir_fd=directory)
        raise
