"""The files of images: created, opened, written and removed below the root of the storage.

Everything here blocks and belongs into a thread. Names are opened part by part and no symbolic link is
followed, so that nothing outside the root can be reached. Raises the contract's errors
(`errors.storage_errors`).
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from firmware.subsystems.msd.digest import digest_file_of, keep_digest
from firmware.subsystems.msd.errors import (
    MsdImageExistsError,
    MsdNoSpaceError,
    MsdOfflineError,
    MsdUnknownImageError,
    storage_errors,
)
from firmware.subsystems.msd.scan import marker_of
from firmware.subsystems.msd.upload_record import record_file_of

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE: Final = 0o644
_DIRECTORY_MODE: Final = 0o755
# IOV_MAX of Linux.
_PIECES_PER_CALL: Final = 1024


@contextmanager
def opened_directory(root: Path, name: str) -> Iterator[tuple[int, str]]:
    """Open the directory that *name* is in; give its descriptor and the last part of the name."""
    *parents, file_name = name.split("/")
    fd = _open_parents(root, parents)
    try:
        yield fd, file_name
    finally:
        os.close(fd)


def open_to_read(root: Path, name: str) -> tuple[int, int]:
    """Open an image; return its descriptor and size. Raises the contract's errors."""
    with storage_errors(f"the image {name}"), opened_directory(root, name) as (directory, file_name):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(file_name, flags, dir_fd=directory)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise MsdUnknownImageError(f"expected an image, got something else - at {name}")
        return fd, status.st_size


def remove(root: Path, name: str) -> None:
    """Remove an image and what is kept beside it."""
    with storage_errors(f"the image {name}"), opened_directory(root, name) as (directory, file_name):
        try:
            os.unlink(file_name, dir_fd=directory)
            _unlink_companions(file_name, directory)
        finally:
            # Also what an earlier try has removed and could not put on the disk.
            os.fsync(directory)


def keep_digest_of(root: Path, name: str, sha256: str) -> None:
    """Keep the digest of an image as it is now."""
    with storage_errors(f"the digest of {name}"), opened_directory(root, name) as (directory, file_name):
        keep_digest(directory, file_name, sha256)


class ImageFile:
    """An image that is being written, marked as incomplete until it is not.

    Methods may be called in several threads: an operation that hangs in the kernel can be given up, and what
    comes after it waits for it in a thread of its own. After `complete` or `abandon` the file is closed.
    """

    def __init__(self, root: Path, name: str, size: int, *, sync_bytes: int) -> None:
        self._root = root
        self._name = name
        self._file_name = name.rpartition("/")[2]
        self._size = size
        self._sync_bytes = sync_bytes
        self._lock = threading.Lock()
        self._fd = -1
        self._directory = -1
        self._unsynced = 0
        self._given_up = False
        self._made: list[str] = []

    def create(self) -> None:
        """Make the mark, the file in its full size, and the directories that it is in. Either all or nothing.

        Raises MsdImageExistsError, MsdNoSpaceError, MsdPermissionsError, MsdOfflineError, and ValidatorError
        for a name that the file system does not take.
        """
        parents = self._name.split("/")[:-1]
        with self._lock, storage_errors(f"the image {self._name}"):
            if self._given_up:
                raise MsdOfflineError(f"the image {self._name} was given up before it was begun")
            try:
                self._make_parents(parents)
                self._directory = self._open_directory()
                room = os.fstatvfs(self._directory)
                free = room.f_bavail * room.f_frsize
                if self._size > free:
                    raise MsdNoSpaceError(
                        f"expected {self._size} bytes of free space for {self._name}, got {free}"
                    )
                self._create_file(self._file_name)
            except BaseException:
                self._close()
                self._remove_made()
                raise

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append *pieces*, and put everything on the disk each time that `sync_bytes` have come together."""
        with self._lock, storage_errors(f"the image {self._name}"):
            self._require_open()
            group: list[bytes] = []
            for piece in pieces:
                group.append(piece)
                self._unsynced += len(piece)
                is_due = self._unsynced >= self._sync_bytes
                if is_due or len(group) == _PIECES_PER_CALL:
                    _write_all(self._fd, group)
                    group = []
                if is_due:
                    os.fsync(self._fd)
                    self._unsynced = 0
            _write_all(self._fd, group)

    def complete(self, sha256: str) -> None:
        """Put the rest on the disk, keep the digest *sha256*, and take the mark away, in this order."""
        with self._lock, storage_errors(f"the image {self._name}"):
            self._require_open()
            os.fsync(self._fd)
            keep_digest(self._directory, self._file_name, sha256)
            unlink_marks(self._file_name, self._directory)
            os.fsync(self._directory)
            self._close()

    def abandon(self, *, remove: bool) -> None:
        """Close the file and leave it marked as incomplete, or with *remove* as if it had never been."""
        with self._lock, storage_errors(f"the image {self._name}"):
            self._given_up = True
            if self._fd < 0:
                return
            try:
                if remove:
                    os.unlink(self._file_name, dir_fd=self._directory)
                    _unlink_companions(self._file_name, self._directory)
                else:
                    os.fsync(self._fd)
                    # And the names: what is listed as complete by now has to stay so.
                    os.fsync(self._directory)
            finally:
                self._close()
            if remove:
                self._remove_made()

    def _make_parents(self, parents: Sequence[str]) -> None:
        for count in range(1, len(parents) + 1):
            below = "/".join(parents[:count])
            directory = _open_parents(self._root, parents[: count - 1])
            try:
                os.mkdir(parents[count - 1], _DIRECTORY_MODE, dir_fd=directory)
                self._made.append(below)
                os.fsync(directory)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(parents[count - 1], dir_fd=directory).st_mode):
                    raise MsdImageExistsError(f"expected a directory, got an image - at {below}") from None
            finally:
                os.close(directory)

    def _create_file(self, file_name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        if _exists(file_name, self._directory):
            raise MsdImageExistsError(f"there is an image {self._name!r} already; remove it first")
        # The mark comes first, on the disk too: a power cut leaves no image that looks complete and is not.
        marker = marker_of(file_name)
        os.close(os.open(marker, flags, _FILE_MODE, dir_fd=self._directory))
        try:
            os.fsync(self._directory)
            self._fd = os.open(file_name, flags | os.O_EXCL, _FILE_MODE, dir_fd=self._directory)
            try:
                os.ftruncate(self._fd, self._size)
                os.fsync(self._directory)
            except BaseException:
                os.unlink(file_name, dir_fd=self._directory)
                raise
        except BaseException:
            os.unlink(marker, dir_fd=self._directory)
            raise

    def _remove_made(self) -> None:
        for below in reversed(self._made):
            with opened_directory(self._root, below) as (directory, last):
                try:
                    os.rmdir(last, dir_fd=directory)
                except OSError:
                    return  # somebody uses it by now

    def _open_directory(self) -> int:
        return _open_parents(self._root, self._name.split("/")[:-1])

    def _require_open(self) -> None:
        if self._fd < 0:
            raise MsdOfflineError(f"the image {self._name} is closed: its writing was given up")

    def _close(self) -> None:
        fds, self._fd, self._directory = (self._fd, self._directory), -1, -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)


def _open_parents(root: Path, parents: Sequence[str]) -> int:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parents:
        outer = fd
        try:
            fd = os.open(part, _DIRECTORY, dir_fd=outer)
        finally:
            os.close(outer)
    return fd


def _write_all(fd: int, pieces: Sequence[bytes]) -> None:
    left = sum(len(piece) for piece in pieces)
    views = [memoryview(piece) for piece in pieces]
    while left:
        done = os.writev(fd, views)
        left -= done
        while views and done >= len(views[0]):
            done -= len(views.pop(0))
        if done:
            views[0] = views[0][done:]


def _exists(file_name: str, directory: int) -> bool:
    try:
        os.lstat(file_name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


def unlink_marks(file_name: str, directory: int, *, incomplete: bool = True) -> None:
    """Remove the mark that an image is *incomplete*, and the record of its upload. Raises OSError."""
    # In this order: a record without a mark is that of an upload which has ended well.
    if incomplete:
        _unlink(marker_of(file_name), directory)
    _unlink(record_file_of(file_name), directory)


def _unlink_companions(file_name: str, directory: int) -> None:
    _unlink(digest_file_of(file_name), directory)
    unlink_marks(file_name, directory)


def _unlink(file_name: str, directory: int) -> None:
    try:
        os.unlink(file_name, dir_fd=directory)
    except FileNotFoundError:
        return
