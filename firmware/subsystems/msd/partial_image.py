"""The file of an image that comes in in parts: it can be closed, and opened again where it ended.

Everything here blocks and belongs into a thread; methods may be called as those of `ImageFile`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, override

import msgspec

from firmware.subsystems.msd.errors import (
    MsdUploadChecksumError,
    MsdUploadOffsetError,
    MsdUploadUnknownError,
    storage_errors,
)
from firmware.subsystems.msd.files import ImageFile, unlink_marks
from firmware.subsystems.msd.upload_record import UploadRecord, keep_record, read_record

CHECKPOINT_BYTES: Final = 32 * 1024 * 1024
"""How much a power cut may cost: to note down the offset is to put a file on the disk, which costs a card as
much as a megabyte of data. Whatever ends in order notes down all that has come."""


class PartialImage(ImageFile):
    """The image of an upload; *checksum* is what the coming part is to hash to (algorithm, digest)."""

    def __init__(
        self,
        root: Path,
        name: str,
        record: UploadRecord,
        *,
        sync_bytes: int,
        checksum: tuple[str, bytes] | None = None,
    ) -> None:
        super().__init__(root, name, record.length, sync_bytes=sync_bytes)
        self._record = record
        self._expected = None if checksum is None else checksum[1]
        self._checksum = None if checksum is None else hashlib.new(checksum[0], usedforsecurity=False)
        self._offset = record.offset
        # With a checksum nothing of a part counts before all of it is there and right.
        self._good_offset = record.offset

    @property
    def offset(self) -> int:
        """How much of the image counts; at the end of a part on the disk for certain."""
        return self._good_offset

    def begin(self) -> None:
        """Make the image, marked as incomplete, and its record. Raises what `create` does."""
        self.create()
        try:
            with self._lock, storage_errors(f"the image {self._name}"):
                self._note()
        except BaseException:
            self.abandon(remove=True)
            raise

    def reopen(self) -> None:
        """Open the image where it ended.

        Raises MsdUploadUnknownError if it is not that of the record any more, MsdUploadOffsetError if it has
        come further.
        """
        with self._lock, storage_errors(f"the image {self._name}"):
            self._directory = self._open_directory()
            try:
                record = read_record(self._directory, self._file_name)
                if record is None or record.id != self._record.id:
                    raise MsdUploadUnknownError("the upload is gone: its image was removed or finished")
                if record.offset != self._record.offset:
                    raise MsdUploadOffsetError(
                        f"expected the offset {record.offset}, got {self._record.offset}"
                    )
                flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                self._fd = os.open(self._file_name, flags, dir_fd=self._directory)
                # Whoever has cut or lengthened it meanwhile: what is on the disk up to the offset counts.
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._offset, os.SEEK_SET)
            except BaseException:
                self._close()
                raise

    @override
    def write(self, pieces: Sequence[bytes]) -> None:
        super().write(pieces)
        with self._lock, storage_errors(f"the image {self._name}"):
            self._require_open()
            self._offset += sum(len(piece) for piece in pieces)
            if self._checksum is not None:
                for piece in pieces:
                    self._checksum.update(piece)
            else:
                self._good_offset = self._offset
                if self._good_offset - self._record.offset >= CHECKPOINT_BYTES:
                    os.fsync(self._fd)
                    # An older offset is as true as this one, only less useful: not worth waiting for twice.
                    self._note(at_once=False)

    def end_part(self) -> None:
        """Take the part for good. Raises MsdUploadChecksumError if it is not what its checksum says."""
        with self._lock:
            if self._checksum is not None and self._expected is not None:
                if not hmac.compare_digest(self._checksum.digest(), self._expected):
                    raise MsdUploadChecksumError(
                        f"expected a part with the {self._checksum.name} {self._expected.hex()}, got"
                        f" {self._checksum.hexdigest()} - at offset {self._record.offset}"
                    )
                self._good_offset = self._offset

    def rest(self) -> None:
        """Put on the disk what has come, note it down, and close the image; it can be opened again."""
        with self._lock, storage_errors(f"the image {self._name}"):
            if self._fd < 0:
                return
            try:
                os.fsync(self._fd)
                self._note()
            finally:
                self._close()

    def give_up(self) -> None:
        """Make the image one that is incomplete for ever, or remove it if that is what was wished for."""
        self.abandon(remove=self._record.remove_incomplete)
        if not self._record.remove_incomplete:
            with storage_errors(f"the image {self._name}"):
                directory = self._open_directory()
                try:
                    unlink_marks(self._file_name, directory, incomplete=False)
                    os.fsync(directory)
                finally:
                    os.close(directory)

    def _note(self, *, at_once: bool = True) -> None:
        # The last byte counts when everything that follows it is done: whoever asks before that, because its
        # connection broke, sends it again and so learns of the end.
        offset = max(0, min(self._good_offset, self._size - 1))
        self._record = msgspec.structs.replace(self._record, offset=offset)
        keep_record(self._directory, self._file_name, self._record, at_once=at_once)
