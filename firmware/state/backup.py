"""What the API shows of backups, restores and factory resets; field names are its JSON keys, all ours."""

from __future__ import annotations

import msgspec


class BackupState(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `GET /api/backup`: what a backup made now would have, and whether a restore waits."""

    files: int
    size: int
    """Bytes, before compression."""
    left_out: tuple[str, ...] = ()
    """What lies there and would not be in it, each with the reason."""
    restore_pending: bool = False
    """Whether something was restored that takes a restart to be in force."""


class RestoreState(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `POST /api/restore`: where the backup came from, and what is to be done now."""

    version: str
    host_name: str
    made_at: str
    files: int
    warnings: tuple[str, ...] = ()
    restart_needed: bool = True


class ResetState(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `GET /api/factory_reset`; where *supported* is false, *reason* says why."""

    supported: bool
    reason: str = ""
    host_name: str
    """What has to be given as the confirmation."""
    pending: bool = False
    """Whether the next start forgets everything."""
    images: bool = False
    """Whether that takes the images as well."""
