"""An image on its way into the storage: gathered into large pieces, which one thread at a time writes.

The source is read on while the disk is busy, within a bound. Knows nothing of where the bytes come from;
whoever brings them calls `ImageWriter.write`, which waits when the disk is slower than the source.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from firmware.core.errors import OperationError
from firmware.state.msd import UploadState
from firmware.subsystems.msd.disk_threads import DiskThreads
from firmware.subsystems.msd.errors import MsdIncompleteError, MsdNoSpaceError
from firmware.subsystems.msd.files import ImageFile

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
        self, file: ImageFile, name: str, size: int, block_bytes: int, progress: Callable[[UploadState], None]
    ) -> None:
        self._file = file
        self._block_bytes = block_bytes
        self._progress = progress
        self._told_at = trio.current_time()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._taken_bytes = 0
        self._send, self._receive = trio.open_memory_channel[list[bytes]](QUEUED_BLOCKS)
        self.name = name
        self.size = size
        self.written = 0
        """Bytes that the file system has taken."""

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

    async def finish(self) -> None:
        """Pass on what is left; nothing can be written after that."""
        with self._send:
            await self._pass_on()

    async def drain(self, threads: DiskThreads) -> None:
        """Write what is passed on, until that ends. Raises the contract's errors."""
        async for pieces in self._receive:
            await threads.run(partial(self._file.write, pieces))
            self.written += sum(map(len, pieces))
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
) -> AsyncIterator[ImageWriter]:
    """Give a writer for the image *file*, which is complete once the body ends and *size* bytes were written.

    If it ends in any other way the image stays, marked as incomplete, or is removed with *remove_incomplete*;
    it is removed in any case when the disk is full, which it would keep full. Raises what `ImageFile` does,
    MsdIncompleteError, and what the body does.
    """
    threads = DiskThreads(f"the image {name}")
    writer = ImageWriter(file, name, size, block_bytes, progress)
    is_complete, remove = False, remove_incomplete
    failure: Exception | None = None

    async def drain() -> None:
        nonlocal failure
        try:
            await writer.drain(threads)
        except OperationError as exc:
            failure = exc
            nursery.cancel_scope.cancel()

    try:
        await threads.run(file.create)
        progress(writer.state)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            try:
                yield writer
            except Exception as exc:  # noqa: BLE001 - raised below: here the nursery would wrap it in a group
                failure = exc
            # Also after a failure: what has come is worth keeping.
            await writer.finish()
        if failure is None and writer.written != size:
            failure = MsdIncompleteError(f"expected {size} bytes for {name}, got {writer.written}")
        if failure is not None:
            remove = remove or isinstance(failure, MsdNoSpaceError)
            raise failure
        await threads.run(file.complete)
        is_complete = True
    finally:
        if not is_complete:
            await threads.clean_up(partial(file.abandon, remove=remove))
