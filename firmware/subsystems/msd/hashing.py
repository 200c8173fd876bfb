"""SHA-256 of images, computed while they come in or to see whether they are still what they were.

`FileHash` blocks and belongs into a thread. Raises the contract's errors.
"""

from __future__ import annotations

import hashlib
import os
import threading
from functools import partial
from pathlib import Path
from typing import Final

from firmware.core.cell import Cell
from firmware.subsystems.msd.disk_threads import DiskThreads
from firmware.subsystems.msd.errors import MsdOfflineError, storage_errors
from firmware.subsystems.msd.files import open_to_read

STEP_BYTES: Final = 8 * 1024 * 1024
"""What one call of a thread hashes: milliseconds to tenths of a second, after which it can be ended."""

_READ_BYTES: Final = 1024 * 1024


class FileHash:
    """SHA-256 of an image from its beginning on, as far as it has been asked for.

    Methods may be called in several threads, `close` also while another one hangs. After `close` it can be
    gone on with: an upload may rest for days, and must not hold the file system all that time.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._name = name
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        self._fd = -1
        self.position = 0
        """Bytes hashed so far."""

    def advance(self, to: int) -> int:
        """Hash on, up to the byte *to* but no more than STEP_BYTES; return the new position.

        Raises MsdOfflineError if the image is shorter, and what opening and reading it does.
        """
        with self._lock, storage_errors(f"the image {self._name}"):
            if self._fd < 0:
                self._fd, _ = open_to_read(self._root, self._name)
            buffer = memoryview(bytearray(min(_READ_BYTES, max(to - self.position, 0))))
            end = min(to, self.position + STEP_BYTES)
            while self.position < end:
                count = os.preadv(self._fd, [buffer[: end - self.position]], self.position)
                if not count:
                    raise MsdOfflineError(f"expected {to} bytes, got {self.position} - at {self._name}")
                self._hash.update(buffer[:count])
                self.position += count
            return self.position

    def hexdigest(self) -> str:
        """Return the digest of what was hashed so far."""
        with self._lock:
            return self._hash.hexdigest()

    def close(self) -> None:
        """Close the image. Idempotent."""
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)


async def keep_up(hashing: FileHash, written: Cell[int], size: int, threads: DiskThreads) -> None:
    """Hash an image of *size* bytes while it is being *written*; what was just written is still in memory.

    Beside the writing and not within it: a processor that hashes slower than the disk writes holds up
    nothing before the end. Raises the contract's errors.
    """
    seen = 0
    while hashing.position < size:
        seen = await written.wait_newer(seen)
        while hashing.position < written.value:
            await threads.run(partial(hashing.advance, written.value))
