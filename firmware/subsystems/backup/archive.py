"""The inside of a backup: a compressed tar with a manifest and the files. Pure.

    manifest.json   format, version, host name and time
    config/...      the configuration directory
    state/...       settings in the state directory

`age --decrypt backup.age | tar xz` opens one anywhere.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

import msgspec

from firmware.core.json_documents import read_json
from firmware.subsystems.backup.errors import BackupDamagedError, BackupNewerError
from firmware.subsystems.backup.scope import CONFIG, MAX_BYTES, MAX_FILES, STATE

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_MODE: Final = 0o600
# Headers and padding of the tar, for as many files as there may be.
_MAX_TAR_BYTES: Final = MAX_BYTES + MAX_FILES * 2048 + (1 << 20)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself; *made_at* is ISO 8601 (UTC)."""

    format: int
    version: str
    host_name: str
    made_at: str
    left_out: tuple[str, ...] = ()


class _Format(msgspec.Struct, frozen=True):
    format: int


@dataclass(frozen=True, slots=True)
class Backup:
    """An opened backup."""

    manifest: Manifest
    files: Mapping[str, bytes] = field(repr=False)


def pack(backup: Backup) -> bytes:
    """Return the archive of *backup*; the same bytes for the same contents."""
    inside = io.BytesIO()
    manifest = msgspec.json.format(msgspec.json.encode(backup.manifest))
    with tarfile.open(fileobj=inside, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in {MANIFEST: manifest, **backup.files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = _MODE
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(inside.getvalue(), mtime=0)


def unpack(data: bytes) -> Backup:
    """Return what is in an archive. Raises BackupDamagedError, BackupNewerError."""
    files: dict[str, bytes] = {}
    manifest: bytes | None = None
    try:
        with tarfile.open(fileobj=io.BytesIO(_decompressed(data)), mode="r:") as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None:
                    raise BackupDamagedError(f"expected only files in the backup, got {member.name!r}")
                content = stream.read()
                if member.name == MANIFEST:
                    manifest = content
                else:
                    files[_checked(member.name)] = content
    except (tarfile.TarError, EOFError, OSError, zlib.error) as exc:
        raise BackupDamagedError(f"the backup cannot be read: {exc}") from None
    if manifest is None:
        raise BackupDamagedError("expected a manifest in the backup, got none")
    try:
        # First: of a newer format nothing else need be where it is now.
        known = read_json(manifest, _Format).format
        if known > FORMAT:
            raise BackupNewerError(
                f"expected a backup of format {FORMAT} or older, got format {known}:"
                " update this appliance first"
            )
        return Backup(read_json(manifest, Manifest), files)
    except ValueError as exc:
        raise BackupDamagedError(f"the manifest of the backup cannot be read: {exc}") from None


def _decompressed(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        tar = stream.read(_MAX_TAR_BYTES + 1)
    if len(tar) > _MAX_TAR_BYTES:
        raise BackupDamagedError("expected less in the backup")
    return tar


def _checked(name: str) -> str:
    """Return *name* if it lies within one of the two directories. Raises BackupDamagedError."""
    path = PurePosixPath(name)
    parts = path.parts
    if len(parts) < 2 or parts[0] not in (CONFIG, STATE) or ".." in parts or "\0" in name:
        raise BackupDamagedError(f"expected files below config and state in the backup, got {name!r}")
    return str(path)
