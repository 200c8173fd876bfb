"""Uploads that come in in parts, over as many connections as it takes (what tus needs of the storage).

An upload that rests holds nothing: not the storage, not a file, not a task. What is known of it lies beside
its image, so that restarts and power cuts do not end it. Only what saves work is in memory: what its
beginning hashes to, and which ones have ended.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import trio

from firmware.subsystems.msd import files
from firmware.subsystems.msd.disk_threads import DiskThreads
from firmware.subsystems.msd.errors import (
    MsdDigestMismatchError,
    MsdIsBusyError,
    MsdUploadInterruptedError,
    MsdUploadOffsetError,
    MsdUploadUnknownError,
)
from firmware.subsystems.msd.hashing import FileHash
from firmware.subsystems.msd.partial_image import PartialImage
from firmware.subsystems.msd.service import MsdService, WritableStorage
from firmware.subsystems.msd.upload_record import UploadRecord, record_of, records_below
from firmware.subsystems.msd.writer import ImageWriter, require_digest

logger = logging.getLogger(__name__)

REMEMBERED: Final = 64
"""How many finished uploads, and how many hashes of unfinished ones, are remembered: more than clients have
under way. A finished one that is forgotten is unknown; a hash that is forgotten is computed again."""

INTERRUPT_S: Final = 15.0
"""How long a part that is interrupted may take to put on the disk what it has: one block, and what the disk
holds back; some seconds on a bad card."""


@dataclass(slots=True)
class _Part:
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


class ResumableUploads:
    """The uploads of *msd*."""

    def __init__(self, msd: MsdService) -> None:
        self._msd = msd
        self._names: dict[str, str] = {}
        self._parts: dict[str, _Part] = {}
        self._hashes: dict[str, FileHash] = {}
        self._finished: dict[str, tuple[str, UploadRecord]] = {}

    async def create(
        self,
        image: str,
        length: int,
        *,
        metadata: str = "",
        sha256: str | None = None,
        remove_incomplete: bool = False,
    ) -> str:
        """Make an image of *length* bytes, of which nothing has come yet, and return the id of its upload.

        *metadata* is kept for its client. The image is to hash to *sha256*; if it does not, or is incomplete
        for another reason that is final, it is removed with *remove_incomplete*. Raises what
        `MsdService.writing` does.
        """
        record = UploadRecord(
            id=secrets.token_hex(16),
            length=length,
            offset=0,
            metadata=metadata,
            sha256=sha256,
            remove_incomplete=remove_incomplete,
        )
        async with self._msd.changing() as storage:
            threads = DiskThreads(f"the image {image}")
            file = PartialImage(storage.root, image, record, sync_bytes=storage.sync_bytes)
            try:
                await threads.run(file.begin)
                self._names[record.id] = image
                if not length:
                    await self._finish(storage.root, file, image, record, threads)
            finally:
                await threads.clean_up(file.rest)
        return record.id

    async def look(self, upload: str) -> tuple[str, UploadRecord]:
        """Return the image and the record of an upload; of a finished one, with all of it come.

        Whoever asks is about to go on, so that a part that is coming in is ended: its connection is one that
        only we have not yet seen broken. Raises MsdUploadUnknownError, MsdIsBusyError, MsdOfflineError.
        """
        await self._interrupt(upload)
        return await self._find(upload)

    @asynccontextmanager
    async def appending(
        self, upload: str, offset: int, *, checksum: tuple[str, bytes] | None = None
    ) -> AsyncIterator[Appending]:
        """Take in, in the body of the context, a part of an upload that begins at *offset*.

        What has come counts also if the body fails, unless there is a *checksum* (algorithm, digest): then
        all of it counts, or nothing. With the last byte the image is complete when the context has ended.

        Raises MsdUploadUnknownError, MsdUploadOffsetError, MsdUploadChecksumError, MsdUploadInterruptedError
        if a newer request takes over, MsdIncompleteError for more than the image's length,
        MsdDigestMismatchError, and what `MsdService.writing` does otherwise.
        """
        await self._interrupt(upload)
        name, record = await self._find(upload)
        if offset != record.offset or record.offset == record.length:
            raise MsdUploadOffsetError(f"expected the offset {record.offset}, got {offset}")
        if upload in self._parts:
            raise MsdIsBusyError("another request goes on with this upload")
        if upload in self._hashes and self._hashes[upload].position > offset:
            # What was hashed comes once more, and nobody knows whether it is the same.
            del self._hashes[upload]
        part = self._parts[upload] = _Part()
        try:
            with part.scope:
                async with (
                    self._msd.changing() as storage,
                    self._part(storage, name, record, checksum) as appending,
                ):
                    yield appending
            if part.scope.cancelled_caught:
                raise MsdUploadInterruptedError("a newer request goes on with this upload")
        finally:
            del self._parts[upload]
            part.ended.set()

    async def terminate(self, upload: str) -> None:
        """Forget an upload and remove what has come of it; a finished image stays, since it is no upload.

        Raises MsdUploadUnknownError, and what `MsdService.changing` does.
        """
        await self._interrupt(upload)
        name, record = await self._find(upload)
        if record.offset == record.length:
            return
        async with self._msd.changing() as storage:
            await DiskThreads(f"the image {name}").run(partial(files.remove, storage.root, name))
        self._forget(upload)

    def statistics(self) -> dict[str, int]:
        """Return how many uploads are remembered, and how many of them are coming in."""
        return {
            "known": len(self._names),
            "coming_in": len(self._parts),
            "finished": len(self._finished),
            "hashes": len(self._hashes),
        }

    # -- one part ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _part(
        self,
        storage: WritableStorage,
        name: str,
        record: UploadRecord,
        checksum: tuple[str, bytes] | None,
    ) -> AsyncIterator[Appending]:
        threads = DiskThreads(f"the image {name}")
        file = PartialImage(storage.root, name, record, sync_bytes=storage.sync_bytes, checksum=checksum)
        try:
            await threads.run(file.reopen)
            writer = ImageWriter(
                file, name, record.length, storage.block_bytes, storage.show, start=record.offset
            )
            storage.show(writer.state)
            appending = Appending(writer)
            # A part with a checksum is hashed when it is known to be right: what was hashed stays so.
            hashing = self._hash_of(storage.root, name, record) if checksum is None else None
            async with writer.pumping(threads, hashing):
                yield appending
            await threads.run(file.end_part)
            if file.offset == record.length:
                await self._finish(storage.root, file, name, record, threads)
            appending.offset = file.offset
        finally:
            await threads.clean_up(file.rest)

    async def _finish(
        self, root: Path, file: PartialImage, name: str, record: UploadRecord, threads: DiskThreads
    ) -> None:
        hashing, hash_threads = self._hash_of(root, name, record), DiskThreads(f"the digest of {name}")
        try:
            while hashing.position < record.length:
                await hash_threads.run(partial(hashing.advance, record.length))
        finally:
            await hash_threads.clean_up(hashing.close)
        try:
            require_digest(name, hashing.hexdigest(), record.sha256)
        except MsdDigestMismatchError:
            await threads.run(file.give_up)
            self._forget(record.id)
            raise
        # Shielded, for as long as the disk may take: what is complete must be known to be so.
        with trio.CancelScope(shield=True):
            await threads.run(partial(file.complete, hashing.hexdigest()))
        self._forget(record.id)
        _remember(self._finished, record.id, (name, msgspec.structs.replace(record, offset=record.length)))

    # -- what is known ----------------------------------------------------------------------------------

    async def _find(self, upload: str) -> tuple[str, UploadRecord]:
        """Return the name of the image of an upload, and its record; that of a finished one has all of it."""
        finished = self._finished.get(upload)
        if finished is not None:
            return finished
        # First, since a client takes "unknown" for the end of its upload.
        root = self._msd.require_storage()
        found = await self._read(root, upload)
        if found is None:
            # Begun before a restart, or its image was moved.
            threads = DiskThreads(f"the storage {root}")
            self._names = await threads.run(partial(records_below, root))
            found = await self._read(root, upload)
        if found is None:
            self._forget(upload)
            raise MsdUploadUnknownError(f"expected an upload that is under way, got {upload[:64]!r}")
        return found

    async def _read(self, root: Path, upload: str) -> tuple[str, UploadRecord] | None:
        name = self._names.get(upload)
        if name is None:
            return None
        record = await DiskThreads(f"the image {name}").run(partial(record_of, root, name))
        return None if record is None or record.id != upload else (name, record)

    async def _interrupt(self, upload: str) -> None:
        """End the part of an upload that is coming in. Raises MsdIsBusyError if that takes too long."""
        part = self._parts.get(upload)
        if part is None:
            await trio.lowlevel.checkpoint()
            return
        logger.info("a newer request takes over the upload of %s", self._names.get(upload))
        part.scope.cancel()
        with trio.move_on_after(INTERRUPT_S):
            await part.ended.wait()
            return
        raise MsdIsBusyError("the last part of the upload is still being put on the disk; try again")

    def _hash_of(self, root: Path, name: str, record: UploadRecord) -> FileHash:
        """Return the hash of what has come of an upload before the part that is being taken in."""
        hashing = self._hashes.get(record.id)
        if hashing is None:
            hashing = FileHash(root, name)
            _remember(self._hashes, record.id, hashing)
        return hashing

    def _forget(self, upload: str) -> None:
        self._names.pop(upload, None)
        self._hashes.pop(upload, None)


class Appending:
    """A part on its way in; `offset` is, at the end, how much of the upload has come."""

    def __init__(self, writer: ImageWriter) -> None:
        self._writer = writer
        self.offset = writer.written

    async def write(self, piece: bytes) -> None:
        """Take the next bytes, as `ImageWriter.write`."""
        await self._writer.write(piece)


def _remember[T](memory: dict[str, T], key: str, value: T) -> None:
    while len(memory) >= REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value
