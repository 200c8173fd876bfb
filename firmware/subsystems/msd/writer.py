"""An image on its way into the storage: gathered into large pieces, which one thread at a time writes.

The source is read on while the disk is busy, within a bound. Knows nothing of where the bytes come from;
whoever brings them calls `ImageWriter.write`, which waits when the disk is slower than the source.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from firmware.core.cell import Cell
from firmware.core.errors import OperationError
from firmware.state.msd import UploadState
from firmware.subsystems.msd.disk_threads import DiskThreads
from firmware.subsystems.msd.errors import MsdDigestMismatchError, MsdIncompleteError, MsdNoSpaceError
from firmware.subsystems.msd.files import ImageFile
from firmware.subsystems.msd.hashing import FileHash, keep_up

BLOCK_BYTES: Final = 1024 * 1024
"""What is given to a thread at once: waking one costs as much as writing a tenth of that into the page
cache."""

QUEUED_BLOCKS: Final = 4
"""Blocks that wait while one is written: as much as comes in while the disk takes what it has to take at once
(`sync_chunk_size` of 4 MiB), and not more, since it is memory. When they are full, `write` waits."""

PROGRESS_S: Final = 1.0
"""How often progress is told at most (contract subsystems.md 5.3)."""


class ImageWriter:
    """Takes the bytes of one image, in order; made by `writing`."""

    def __init__(
        self,
        file: ImageFile,
        name: str,
        size: int,
        block_bytes: int,
        progress: Callable[[UploadState], None],
        *,
        start: int = 0,
    ) -> None:
        """*start* is how much of the image is there already."""
        self._file = file
        self._block_bytes = block_bytes
        self._progress = progress
        self._told_at = trio.current_time()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._taken_bytes = start
        self._send, self._receive = trio.open_memory_channel[list[bytes]](QUEUED_BLOCKS)
        self.name = name
        self.size = size
        self.progressed = Cell(start)
        """Bytes that the file system has taken, for whoever follows."""

    @property
    def written(self) -> int:
        """Bytes that the file system has taken."""
        return self.progressed.value

    @property
    def state(self) -> UploadState:
        """The progress as the API shows it."""
        return UploadState(name=self.name, size=self.size, written=self.written)

    async def write(self, piece: bytes) -> None:
        """Take the next bytes of the image.

        Raises MsdIncompleteError for more than the declared size. What goes wrong on the disk cancels the
        body of `writing`, which then raises it.
        """
        self._taken_bytes += len(piece)
        if self._taken_bytes > self.size:
            raise MsdIncompleteError(f"expected {self.size} bytes for {self.name}, got more")
        self._gathered.append(piece)
        self._gathered_bytes += len(piece)
        if self._gathered_bytes >= self._block_bytes:
            await self._pass_on()

    async def _pass_on(self) -> None:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        await self._send.send(gathered)

    @asynccontextmanager
    async def pumping(self, threads: DiskThreads, hashing: FileHash | None) -> AsyncIterator[None]:
        """Write what the body gives, and hash it; all is done at the end, also when the body fails.

        Raises the contract's errors, and what the body does.
        """
        hash_threads = DiskThreads(f"the digest of {self.name}")
        following = trio.CancelScope()
        failure: Exception | None = None

        async def watch(work: Callable[[], Awaitable[None]]) -> None:
            nonlocal failure
            try:
                await work()
            except OperationError as exc:
                failure = exc
                nursery.cancel_scope.cancel()

        async def drain() -> None:
            await self._drain(threads)
            if self.written < self.size:
                following.cancel()  # there comes no more

        async def follow() -> None:
            if hashing is not None:
                with following:
                    await keep_up(hashing, self.progressed, self.size, hash_threads)

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch, drain)
                nursery.start_soon(watch, follow)
                try:
                    yield
                except Exception as exc:  # noqa: BLE001 - raised below: here the nursery would group it
                    failure = exc
                # Also after a failure: what has come is worth keeping.
                with self._send:
                    await self._pass_on()
            if failure is not None:
                raise failure
        finally:
            if hashing is not None:
                await hash_threads.clean_up(hashing.close)

    def _waiting(self) -> list[bytes]:
        """Take what came while the disk was busy: written at once, it waits for a thread only once."""
        pieces: list[bytes] = []
        try:
            for _ in range(QUEUED_BLOCKS - 1):
                pieces += self._receive.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return pieces
        return pieces

    async def _drain(self, threads: DiskThreads) -> None:
        async for block in self._receive:
            pieces = block + self._waiting()
            await threads.run(partial(self._file.write, pieces))
            self.progressed.publish(self.written + sum(map(len, pieces)))
            if trio.current_time() - self._told_at >= PROGRESS_S:
                self._told_at = trio.current_time()
                self._progress(self.state)


@asynccontextmanager
async def writing(
    file: ImageFile,
    name: str,
    size: int,
    *,
    block_bytes: int,
    remove_incomplete: bool,
    progress: Callable[[UploadState], None],
    hashing: FileHash,
    sha256: str | None = None,
) -> AsyncIterator[ImageWriter]:
    """Give a writer for the image *file*, which is complete once the body ends and *size* bytes were written.

    If it ends in any other way the image stays, marked as incomplete, or is removed with *remove_incomplete*;
    it is removed in any case when the disk is full, which it would keep full. *hashing* follows the writing;
    what comes out is kept beside the image, and is to be *sha256* if that is given. Raises what `ImageFile`
    does, MsdIncompleteError, MsdDigestMismatchError, and what the body does.
    """
    threads = DiskThreads(f"the image {name}")
    writer = ImageWriter(file, name, size, block_bytes, progress)
    is_complete, remove = False, remove_incomplete
    try:
        await threads.run(file.create)
        progress(writer.state)
        async with writer.pumping(threads, hashing):
            yield writer
        if writer.written != size:
            raise MsdIncompleteError(f"expected {size} bytes for {name}, got {writer.written}")
        require_digest(name, hashing.hexdigest(), sha256)
        await threads.run(partial(file.complete, hashing.hexdigest()))
        is_complete = True
    except MsdNoSpaceError:
        remove = True
        raise
    finally:
        if not is_complete:
            await threads.clean_up(partial(file.abandon, remove=remove))


def require_digest(name: str, sha256: str, expected: str | None) -> None:
    """Check that what came in is what was expected, if anything was. Raises MsdDigestMismatchError."""
    if expected not in (None, sha256):
        raise MsdDigestMismatchError(
            f"expected an image with the SHA-256 {expected}, got {sha256} - at {name}"
        )
