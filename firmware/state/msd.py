"""State of mass storage: the drive itself, the storage of images, and what the API shows of both.

Field names of `MsdState` and what is below it are the JSON keys of the contract (http.md 4.6). Sizes are
bytes, times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec


class DriveState(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the drive, or would be: the plan while it is not connected."""

    online: bool = False
    """Whether the host is offered a drive at all."""
    image: Path | None = None
    connected: bool = False
    cdrom: bool = True
    rw: bool = False


class ImageState(msgspec.Struct, frozen=True, kw_only=True):
    """One image of the storage."""

    complete: bool
    """Whether it came in to its end; false while it is being uploaded, and after that broke off."""
    removable: bool
    writable: bool
    size: int
    mod_ts: float
    sha256: str | None = None
    """Ours, beyond the contract: what it hashed to when it came in; None if that is not known, or not of the
    image as it is now."""
    verified: bool | None = None
    """Ours: whether it still hashes to that; None if nobody has looked since the start or its last change."""


class PartState(msgspec.Struct, frozen=True, kw_only=True):
    """A file system of the storage: the root's, or one that is mounted below it."""

    size: int
    free: int
    writable: bool


class UploadState(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is coming in, from a client or from elsewhere."""

    name: str
    size: int
    written: int


class DownloadState(msgspec.Struct, frozen=True, kw_only=True):
    """An image that a client reads."""

    name: str
    size: int
    readed: int


class CheckState(msgspec.Struct, frozen=True, kw_only=True):
    """Ours: an image that is compared with its digest; *sha256* and *verified* are there at the end."""

    name: str
    size: int
    readed: int
    sha256: str | None = None
    verified: bool | None = None


class StorageState(msgspec.Struct, frozen=True, kw_only=True):
    """The storage; images by their paths below its root, parts by the paths of their mounts ("" = root)."""

    images: Mapping[str, ImageState]
    parts: Mapping[str, PartState]
    downloading: DownloadState | None = None
    uploading: UploadState | None = None
    verifying: CheckState | None = None


class DriveImage(msgspec.Struct, frozen=True, kw_only=True):
    """The image in the drive; one from outside the storage has only its base name."""

    name: str
    in_storage: bool
    complete: bool
    removable: bool
    writable: bool
    size: int
    mod_ts: float
    sha256: str | None = None
    verified: bool | None = None


class MsdDrive(msgspec.Struct, frozen=True, kw_only=True):
    """The drive as the API shows it."""

    image: DriveImage | None
    connected: bool
    cdrom: bool
    rw: bool


class MsdState(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `GET /api/msd`; *storage* and *drive* are None while the storage is offline."""

    enabled: bool
    online: bool = False
    busy: bool = False
    storage: StorageState | None = None
    drive: MsdDrive | None = None
