"""Makes mass storage, decides where its images live, and lists its routes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import trio

from api.routes.msd import msd_routes
from api.routes.msd_remote import msd_remote_routes
from api.routes.msd_uploads import msd_upload_routes
from api.routes.msd_verify import msd_verify_routes
from api.routing import Route
from drivers.ports import RemoteFiles
from firmware.boards.board import Board
from firmware.core.supervise import Supervisor
from firmware.settings import LoadedSettings
from firmware.subsystems.msd.location import StorageLocation, location_in_fstab
from firmware.subsystems.msd.service import MsdService
from firmware.subsystems.msd.uploads import ResumableUploads

logger = logging.getLogger(__name__)

FSTAB: Final = Path("/etc/fstab")
IMAGES: Final = "images"
"""Where the images live in our own state directory if nothing else is said."""


async def make_mass_storage(
    loaded: LoadedSettings, board: Board, supervisor: Supervisor, state_dir: Path, *, fstab: Path = FSTAB
) -> MsdService:
    """Make mass storage on the drive of *board*."""
    default = loaded.settings.otg.devices.msd.default
    return MsdService(
        loaded.settings.kvmd.msd,
        slot=board.media,
        location=await _location(loaded, board, state_dir, fstab),
        supervisor=supervisor,
        cdrom=default.cdrom,
        rw=default.rw,
    )


def mass_storage_routes(msd: MsdService, uploads: ResumableUploads, files: RemoteFiles) -> list[Route]:
    """List the routes of the drive, its images, and all ways in which they come and go."""
    return [
        *msd_routes(msd),
        *msd_remote_routes(msd, files),
        *msd_upload_routes(uploads),
        *msd_verify_routes(msd),
    ]


async def _location(loaded: LoadedSettings, board: Board, state_dir: Path, fstab: Path) -> StorageLocation:
    configured = loaded.settings.farhand.images
    if configured is not None:
        return StorageLocation(configured)
    # A demo must not find the images of the appliance that it happens to run on.
    if not board.demo:
        try:
            found = location_in_fstab(await trio.to_thread.run_sync(fstab.read_text, "utf-8", "replace"))
        except OSError as exc:
            logger.info("no image storage is looked for in %s: %s", fstab, exc.strerror)
        else:
            if found is not None:
                return found
    return StorageLocation((state_dir / IMAGES).absolute(), own=True)
