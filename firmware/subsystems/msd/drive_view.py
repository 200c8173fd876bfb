"""The drive as the API shows it: with the image that is in it, also one that the storage does not know."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from drivers.errors import DriverError
from drivers.system.blocking import BlockingCalls
from firmware.state.msd import DriveImage, DriveState, MsdDrive
from firmware.subsystems.msd.scan import Scan, is_read_only_kind
from firmware.subsystems.msd.storage import ImageStorage

logger = logging.getLogger(__name__)


class DriveView:
    """Puts together what is known of the drive and of the images of *storage*."""

    def __init__(self, storage: ImageStorage) -> None:
        self._storage = storage
        # One thread: if the file system of an image from outside hangs, its size is not shown.
        self._calls = BlockingCalls(threads=1)
        # For images from outside, and for those of ours that are gone while the drive plans or has them.
        self._remembered: DriveImage | None = None

    def show(self, drive: DriveState, found: Scan) -> MsdDrive:
        """Return the drive for the API."""
        return MsdDrive(
            image=None if drive.image is None else self._image(drive.image, found),
            connected=drive.connected,
            cdrom=drive.cdrom,
            rw=drive.rw,
        )

    async def look(self, drive: DriveState) -> None:
        """Look at the image in the drive if it is not in the storage; what does not answer is not known."""
        path = drive.image
        if path is None or not drive.connected or self._storage.name_of(path) is not None:
            return
        try:
            self._remembered = await self._calls.run(f"the image {path}", lambda: _image_outside(path))
        except DriverError as exc:
            logger.warning("%s", exc)

    def _image(self, path: Path, found: Scan) -> DriveImage:
        name = self._storage.name_of(path)
        known = found.images.get(name) if name is not None else None
        if name is not None and known is not None:
            self._remembered = DriveImage(name=name, in_storage=True, **msgspec.structs.asdict(known))
            return self._remembered
        image = DriveImage(
            name=path.name if name is None else name,
            in_storage=name is not None,
            complete=name is None,
            removable=False,
            writable=False,
            size=0,
            mod_ts=0.0,
        )
        remembered = self._remembered
        if remembered is not None and (remembered.name, remembered.in_storage) == (
            image.name,
            image.in_storage,
        ):
            return remembered
        return image


def _image_outside(path: Path) -> DriveImage:
    status = path.stat()
    return DriveImage(
        name=path.name,
        in_storage=False,
        complete=True,
        removable=False,
        writable=not is_read_only_kind(path.name) and os.access(path, os.W_OK),
        size=status.st_size,
        mod_ts=status.st_mtime,
    )
