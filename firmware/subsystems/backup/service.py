"""The handle of backups, restores and factory resets. What changes anything does so at the next start."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from firmware.core.errors import ValidatorError
from firmware.state.backup import BackupState, ResetState, RestoreState
from firmware.subsystems.backup.errors import ResetUnconfirmedError, ResetUnsupportedError
from firmware.subsystems.backup.pending import (
    ResetRequest,
    cancel_reset,
    cancel_restore,
    is_restore_pending,
    pending_reset,
    request_reset,
)
from firmware.subsystems.backup.scope import Roots, read_all
from firmware.subsystems.backup.sealed import Check, make_backup, open_backup, restore_backup

logger = logging.getLogger(__name__)

IMAGE_VERSION: Final = Path("/usr/lib/farhand/version")
"""There on a machine that was started from an image of ours."""
UNSUPPORTED: Final = (
    "this machine was not started from a Farhand image: nothing would make a new password at its next start"
)


class BackupService:
    """Backups of *roots*; *check* looks through what is to be restored."""

    def __init__(
        self,
        roots: Roots,
        *,
        version: str,
        host_name: Callable[[], str],
        check: Check,
        image_version: Path = IMAGE_VERSION,
    ) -> None:
        self._roots = roots
        self._version = version
        self._host_name = host_name
        self._check = check
        self._image_version = image_version
        # Each takes a lot of memory for its key.
        self._one = trio.Lock()

    @property
    def host_name(self) -> str:
        """The appliance's name."""
        return self._host_name()

    async def look(self) -> BackupState:
        """Return what a backup made now would have. Raises BackupTooLargeError, OSError."""
        contents = await trio.to_thread.run_sync(read_all, self._roots)
        return BackupState(
            files=len(contents.files),
            size=sum(map(len, contents.files.values())),
            left_out=contents.left_out,
            restore_pending=is_restore_pending(self._roots.state),
        )

    async def make(self, password: str) -> bytes:
        """Return a backup that *password* opens. Raises BackupTooLargeError, DriverError, OSError."""
        async with self._one:
            return await make_backup(
                self._roots, password, version=self._version, host_name=self._host_name()
            )

    async def restore(self, sealed: bytes, password: str) -> RestoreState:
        """Look through a backup and have it restored at the next start.

        Raises BackupError and its children, DriverError, OSError; then nothing has changed.
        """
        async with self._one:
            backup = await open_backup(sealed, password)
            warnings = await restore_backup(backup, self._roots, self._check)
        manifest = backup.manifest
        logger.warning(
            "A backup of %s, made at %s, is restored at the next start", manifest.host_name, manifest.made_at
        )
        return RestoreState(
            version=manifest.version,
            host_name=manifest.host_name,
            made_at=manifest.made_at,
            files=len(backup.files),
            warnings=tuple(warnings),
        )

    async def cancel_restore(self) -> bool:
        """Forget a restore that waits; return whether there was one. Raises OSError."""
        return await trio.to_thread.run_sync(cancel_restore, self._roots.state)

    # -- factory reset ----------------------------------------------------------------------------------

    async def look_at_reset(self) -> ResetState:
        """Return whether everything can be forgotten, and whether that waits."""
        request = await trio.to_thread.run_sync(pending_reset, self._roots.state)
        supported = self._image_version.exists()
        return ResetState(
            supported=supported,
            reason="" if supported else UNSUPPORTED,
            host_name=self._host_name(),
            pending=request is not None,
            images=request is not None and request.images,
        )

    async def reset(self, confirmation: str, *, images: bool) -> None:
        """Have everything forgotten at the next start, and the images too if *images*.

        Raises ResetUnsupportedError, ResetUnconfirmedError, ValidatorError, OSError.
        """
        if not self._image_version.exists():
            raise ResetUnsupportedError(UNSUPPORTED)
        if confirmation != self._host_name():
            raise ResetUnconfirmedError(
                f"expected the appliance's name, {self._host_name()}, got another - at confirm"
            )
        elsewhere = self._roots.images
        if images and elsewhere is not None:
            raise ValidatorError(
                f"the images are at {elsewhere} by configuration: remove them there - at images"
            )
        await trio.to_thread.run_sync(request_reset, self._roots.state, ResetRequest(images))
        logger.warning(
            "The next start forgets everything%s, as was asked for", ", images too" if images else ""
        )

    async def cancel_reset(self) -> bool:
        """Forget that; return whether it waited. Raises OSError."""
        return await trio.to_thread.run_sync(cancel_reset, self._roots.state)
