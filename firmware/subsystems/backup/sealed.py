"""Backups as files: gathered and sealed with a password, opened and looked through; for API and command."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.system.age import DamagedFileError, WrongPasswordError, seal, unseal
from firmware.core.errors import ValidatorError
from firmware.subsystems.backup.archive import FORMAT, Backup, Manifest, pack, unpack
from firmware.subsystems.backup.errors import BackupDamagedError, BackupPasswordError, BackupUnusableError
from firmware.subsystems.backup.pending import stage_restore
from firmware.subsystems.backup.scope import Roots, read_all

PASSWORD_MIN_CHARS: Final = 8
PASSWORD_MAX_CHARS: Final = 1024
SEALED_MAX_BYTES: Final = 15 << 20
"""Below what the front gathers of one body."""

type Check = Callable[[Path], list[str]]
"""Says what is doubtful about the files in a directory; raises BackupUnusableError. Blocks."""


def valid_backup_password(raw: str, name: str = "password") -> str:
    """Return a password for a backup, as it is; the message never quotes it. Raises ValidatorError."""
    if not PASSWORD_MIN_CHARS <= len(raw) <= PASSWORD_MAX_CHARS:
        raise ValidatorError(
            f"expected {PASSWORD_MIN_CHARS} to {PASSWORD_MAX_CHARS} characters, got {len(raw)} - at {name}"
        )
    return raw


async def make_backup(roots: Roots, password: str, *, version: str, host_name: str) -> bytes:
    """Return a sealed backup of *roots*. Raises BackupTooLargeError, DriverError, OSError."""
    contents = await trio.to_thread.run_sync(read_all, roots)
    manifest = Manifest(
        format=FORMAT,
        version=version,
        host_name=host_name,
        made_at=datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        left_out=contents.left_out,
    )
    return await seal(await trio.to_thread.run_sync(pack, Backup(manifest, contents.files)), password)


async def open_backup(sealed: bytes, password: str) -> Backup:
    """Return what is in a sealed backup.

    Raises BackupPasswordError, BackupDamagedError, BackupNewerError, DriverError.
    """
    try:
        inside = await unseal(sealed, password)
    except WrongPasswordError as exc:
        raise BackupPasswordError(str(exc)) from None
    except DamagedFileError as exc:
        raise BackupDamagedError(str(exc)) from None
    return await trio.to_thread.run_sync(unpack, inside)


async def restore_backup(backup: Backup, roots: Roots, check: Check) -> list[str]:
    """Have *backup* restored at the next start, if the appliance could be used with it; return the warnings.

    Nothing has changed if this raises: BackupUnusableError, OSError.
    """
    warnings = await trio.to_thread.run_sync(partial(_checked, backup, check))
    await trio.to_thread.run_sync(_require_writable, roots.config)
    await trio.to_thread.run_sync(stage_restore, roots.state, backup.files)
    return warnings


def _require_writable(directory: Path) -> None:
    """Raise BackupUnusableError if the next start could not write there, and so could not start."""
    there = next(path for path in (directory, *directory.parents) if path.exists())
    if not os.access(there, os.W_OK):
        raise BackupUnusableError(f"the appliance may not write to its configuration - at {there}")


def _checked(backup: Backup, check: Check) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="farhand-restore-") as folder:
        trial = Path(folder)
        for name, data in backup.files.items():
            path = trial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # as it will be restored, since secrets that others may read are refused
            path.write_bytes(data)
        return check(trial)
