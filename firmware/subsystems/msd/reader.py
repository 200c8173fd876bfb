"""An image on its way out of the storage: read and compressed in a thread, ahead of whoever takes it.

Memory is flat: a block is read when there is room for it, and the compressors keep no more than their
windows.
"""

from __future__ import annotations

import lzma
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal, Protocol

import trio
from backports import zstd

from firmware.core.errors import OperationError
from firmware.state.msd import DownloadState
from firmware.subsystems.msd.disk_threads import DiskThreads
from firmware.subsystems.msd.errors import MsdOfflineError, storage_errors
from firmware.subsystems.msd.files import open_to_read
from firmware.subsystems.msd.writer import PROGRESS_S

BLOCK_BYTES: Final = 1024 * 1024
"""What a thread reads at once: waking one costs as much as reading a tenth of that from the page cache."""

QUEUED_BLOCKS: Final = 1
"""Blocks that wait to be taken: one is enough to keep the disk at work. When it waits, nothing more is
read."""

LZMA_PRESET: Final = 1
"""6, which is usual, takes 94 MiB and a board ten minutes for each GiB; this takes 9 MiB and a third of
it."""

Compression = Literal["none", "lzma", "zstd"]
SUFFIXES: Final[dict[Compression, str]] = {"none": "", "lzma": ".xz", "zstd": ".zst"}


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _compressor(compression: Compression) -> _Compressor | None:
    match compression:
        case "lzma":
            return lzma.LZMACompressor(lzma.FORMAT_XZ, preset=LZMA_PRESET)
        case "zstd":
            return zstd.ZstdCompressor()
        case "none":
            return None


class _Source:
    """The blocking half; methods may be called in several threads, `close` also while another one hangs."""

    def __init__(self, root: Path, name: str, compression: Compression, piece_bytes: int) -> None:
        self._root = root
        self._name = name
        self._piece_bytes = piece_bytes
        self._compressor = _compressor(compression)
        self._lock = threading.Lock()
        self._fd = -1
        self._closed = False
        self._left = 0

    def open(self) -> int:
        """Open the image and return its size."""
        with self._lock:
            if self._closed:
                raise MsdOfflineError(f"the image {self._name} was given up before it was opened")
            self._fd, self._left = open_to_read(self._root, self._name)
            return self._left

    def read(self) -> tuple[list[bytes], int, bool]:
        """Return the next pieces to give out, of how many bytes they were made, and whether that was all."""
        with self._lock, storage_errors(f"the image {self._name}"):
            if self._fd < 0:
                raise MsdOfflineError(f"the image {self._name} is closed: its reading was given up")
            pieces, taken = [], 0
            while self._left and taken < BLOCK_BYTES:
                piece = os.read(self._fd, min(self._piece_bytes, self._left))
                if not piece:
                    raise MsdOfflineError(f"expected {self._left} bytes more, got none - at {self._name}")
                self._left -= len(piece)
                taken += len(piece)
                pieces.append(piece)
            is_last = not self._left
            if self._compressor is not None:
                pieces = [self._compressor.compress(piece) for piece in pieces]
                if is_last:
                    pieces.append(self._compressor.flush())
            return [piece for piece in pieces if piece], taken, is_last

    def close(self) -> None:
        """Close the image. Idempotent."""
        with self._lock:
            self._closed = True
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)


class ImageReader:
    """Gives out the bytes of one image; made by `reading`."""

    def __init__(
        self,
        name: str,
        size: int,
        compression: Compression,
        blocks: trio.MemoryReceiveChannel[tuple[list[bytes], bool]],
        all_read: Callable[[], None],
    ) -> None:
        self._blocks = blocks
        self._all_read = all_read
        self.name = name
        self.size = size
        self.compression: Compression = compression

    @property
    def file_name(self) -> str:
        """The name of what comes out."""
        return self.name + SUFFIXES[self.compression]

    @property
    def length(self) -> int | None:
        """How many bytes come out; None if that is known only at the end."""
        return self.size if self.compression == "none" else None

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield what comes out. An error on the disk cancels the body of `reading`, which then raises it."""
        async for pieces, is_last in self._blocks:
            if is_last:
                self._all_read()
            for piece in pieces:
                yield piece


@asynccontextmanager
async def reading(
    root: Path,
    name: str,
    *,
    compression: Compression,
    piece_bytes: int,
    progress: Callable[[DownloadState], None],
    all_read: Callable[[], None],
) -> AsyncIterator[ImageReader]:
    """Give a reader of the image *name*. Raises the contract's errors, and what the body does.

    *all_read* is called when the image itself is not needed any more, before its last bytes are given out.
    """
    threads = DiskThreads(f"the image {name}")
    source = _Source(root, name, compression, piece_bytes)
    send, receive = trio.open_memory_channel[tuple[list[bytes], bool]](QUEUED_BLOCKS)
    failure: Exception | None = None

    async def produce(size: int) -> None:
        nonlocal failure
        readed, told_at, is_last = 0, trio.current_time(), False
        try:
            with send:
                while not is_last:
                    pieces, taken, is_last = await threads.run(source.read)
                    await send.send((pieces, is_last))
                    readed += taken
                    if not is_last and trio.current_time() - told_at >= PROGRESS_S:
                        told_at = trio.current_time()
                        progress(DownloadState(name=name, size=size, readed=readed))
        except trio.BrokenResourceError:
            return  # nobody takes more
        except OperationError as exc:
            failure = exc
            nursery.cancel_scope.cancel()

    try:
        size = await threads.run(source.open)
        progress(DownloadState(name=name, size=size, readed=0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(produce, size)
            with receive:
                try:
                    yield ImageReader(name, size, compression, receive, all_read)
                except Exception as exc:  # noqa: BLE001 - raised below: here the nursery would wrap it in a group
                    failure = exc
        if failure is not None:
            raise failure
    finally:
        await threads.clean_up(source.close)
