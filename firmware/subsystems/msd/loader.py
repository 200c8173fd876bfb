"""What goes into the drive: which image is chosen, and that the storage is mounted as the drive needs it.

Knows the drive and the storage. That there is one operation at a time is for its caller to say.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

import msgspec

from firmware.state.msd import ImageState
from firmware.subsystems.msd.drive import VirtualDrive
from firmware.subsystems.msd.errors import MsdConnectedError, MsdError, MsdRemoteDisabledError
from firmware.subsystems.msd.remount import Remounter
from firmware.subsystems.msd.storage import ImageStorage

logger = logging.getLogger(__name__)

_REMOTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._+-]+[A-Za-z]://[A-Za-z0-9\[]")


def is_remote_image(text: str) -> bool:
    """Whether *text* names an image on another machine (contract http.md 4.6, set_params)."""
    return _REMOTE.match(text.strip()) is not None


class DriveLoader:
    """Puts images of *storage* into *drive*."""

    def __init__(self, drive: VirtualDrive, storage: ImageStorage, remounter: Remounter) -> None:
        self._drive = drive
        self._storage = storage
        self._remounter = remounter

    @property
    def planned_name(self) -> str | None:
        """The name of the image that is chosen or in the drive; None if there is none, or none of ours."""
        image = self._drive.state.value.image
        return None if image is None else self._storage.name_of(image)

    def require_disconnected(self) -> None:
        """Raise MsdConnectedError while a medium is in."""
        if self._drive.state.value.connected:
            raise MsdConnectedError("the drive is connected; disconnect it first")

    async def choose(self, *, image: str | None, cdrom: bool | None, rw: bool | None) -> None:
        """Change the plan; None leaves as it is, an empty *image* is none. See `MsdService.set_params`."""
        found = self._storage.present()
        if image is not None and is_remote_image(image):
            raise MsdRemoteDisabledError("expected an image of the storage, got a URL: upload it first")
        self.require_disconnected()
        path: Path | msgspec.UnsetType | None = msgspec.UNSET
        chosen: ImageState | None = None
        if image is None:
            planned = self.planned_name
            chosen = found.images.get(planned) if planned is not None else None
        elif image:
            chosen, path = await self._storage.find(image), self._storage.root / image
        else:
            path = None
        self._drive.set_params(
            image=path, writable=chosen is not None and chosen.writable, cdrom=cdrom, rw=rw
        )

    async def connect(self) -> None:
        """Put the chosen image in. See `MsdService.set_connected`."""
        self._storage.present()
        self.require_disconnected()
        name = self.planned_name
        if name is not None:
            await self._storage.find(name)
        try:
            if self._drive.state.value.rw:
                await self._remounter.make_writable()
            await self._drive.connect()
        except BaseException:
            await self._remounter.rest()
            raise

    async def disconnect(self) -> None:
        """Take out what is in. See `MsdService.set_connected`."""
        if not self._drive.state.value.connected:
            # A medium can be taken out while its disk is gone; otherwise that is what has to be said.
            self._storage.present()
        try:
            await self._drive.disconnect()
        finally:
            if not self._drive.state.value.connected:
                await self.ejected()

    async def reset(self) -> None:
        """Make sure that nothing is in; only logs what fails."""
        try:
            await self._drive.reset()
        except MsdError as exc:
            logger.warning("the drive could not be reset: %s", exc)
        await self.ejected()

    async def ejected(self) -> None:
        """Put in order what an ejection leaves, also that of the host."""
        drive = self._drive.state.value
        if not drive.connected and drive.image is not None and self.planned_name is None:
            # One from outside the storage: nobody could choose it again.
            self._drive.forget()
        await self._remounter.rest()

    def forget(self, image: str) -> None:
        """Choose no image if *image* is the one that is chosen."""
        if self.planned_name == image:
            self._drive.forget()
