"""The file that a bundle is received into, on the data partition. All methods but the constructor block."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from firmware.subsystems.update.errors import UpdateNoSpaceError

FILE_NAME: Final = "bundle.raucb"
RESERVE_BYTES: Final = 32 << 20
"""What stays free: the appliance's own small files must be written meanwhile."""

SYNC_BYTES: Final = 16 << 20
"""How much may wait for the card, so that nobody else's small file has to wait for all of it."""


class Staging:
    """At most one bundle, in *directory*."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._descriptor = -1
        self._unsynced_bytes = 0

    def begin(self, size: int) -> None:
        """Make room for *size* bytes. Raises UpdateNoSpaceError before anything is written, OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.remove()
        free = shutil.disk_usage(self.path.parent).free - RESERVE_BYTES
        if size > free:
            raise UpdateNoSpaceError(
                f"expected room for {size} bytes on the data partition, got {max(free, 0)};"
                " remove images first"
            )
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)

    def write(self, piece: bytes) -> None:
        """Add *piece*. Raises OSError."""
        view = memoryview(piece)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._unsynced_bytes += len(piece)
        if self._unsynced_bytes >= SYNC_BYTES:
            os.fdatasync(self._descriptor)
            self._unsynced_bytes = 0

    def end(self) -> None:
        """Have all of it on the disk. Raises OSError."""
        os.fsync(self._descriptor)
        self._close()

    def remove(self) -> None:
        """Leave nothing. Raises OSError."""
        self._close()
        self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
