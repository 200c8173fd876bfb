"""What InsertMedia and EjectMedia do: calls of mass storage in order, also for images of other servers.

An image that is named by a URL is taken into a directory of the storage that is ours alone, and removed from
it when it is ejected: a client that streams its installer to a BMC does not expect to clean up after itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import trio

from firmware.core.errors import OperationError, ValidatorError
from firmware.core.validators import valid_image_name
from firmware.state.msd import UploadState
from firmware.subsystems.msd.errors import MsdUnknownImageError
from firmware.subsystems.msd.service import MsdService

logger = logging.getLogger(__name__)

DIRECTORY: Final = "redfish"
"""Where images that were named by URLs are in the storage."""
_NAMELESS: Final = "image.img"
_SCHEMES: Final = ("http://", "https://")
# Nobody looks at a medium any more that is being taken out, and its file is removed all the same.
REMOVE_DEADLINE_S: Final = 10.0


class Arriving(Protocol):
    """An image that is coming in."""

    @property
    def state(self) -> UploadState:
        """How much of it is there."""
        ...


class TakeIn(Protocol):
    """What takes an image of another server into the storage."""

    async def __call__(
        self, url: str, image: str, *, verify: bool, begun: Callable[[Arriving], None]
    ) -> None:
        """Take *url* in as *image*; *begun* is told when it starts to come. Raises OperationError."""
        ...


class RemovableMedia:
    """The drive as Redfish's clients use it."""

    def __init__(self, msd: MsdService, take_in: TakeIn) -> None:
        self._msd = msd
        self._take_in = take_in
        self._origins: dict[str, str] = {}
        self.verify = True
        """Whether servers of images have to show a certificate that we trust."""

    def origin_of(self, image: str) -> str | None:
        """Return the URL that *image* came from, without credentials; None if it came otherwise."""
        return self._origins.get(image)

    async def insert(self, image: str, *, connect: bool, write_protected: bool) -> None:
        """Have *image* of the storage in the drive instead of what is there. Raises an MsdError."""
        storage = self._msd.state.value.storage
        if storage is not None and image not in storage.images:
            # Before anything is taken out: what is in the drive stays if the other one is not there.
            raise MsdUnknownImageError(f"expected an image of the storage, got {image!r} - at Image")
        await self._clear(keep=image)
        # An .iso is a disc; the reference means so and never does it (gotcha 65).
        optical = image.lower().endswith(".iso")
        await self._msd.set_params(image=image, cdrom=optical, rw=not write_protected)
        if connect:
            await self._msd.set_connected(True)

    async def insert_from(
        self, url: str, *, connect: bool, write_protected: bool, begun: Callable[[Arriving], None]
    ) -> None:
        """The same with an image of another server; the drive is empty meanwhile. Raises OperationError."""
        image = image_of(url)
        await self._clear()
        storage = self._msd.state.value.storage
        if storage is not None and image in storage.images:
            await self._msd.remove(image)
        await self._take_in(url, image, verify=self.verify, begun=begun)
        self._origins = {image: without_credentials(url)}
        await self.insert(image, connect=connect, write_protected=write_protected)

    async def eject(self, *, keep: str | None = None) -> None:
        """Take out what is in the drive and forget it; *keep* stays in the storage. Raises an MsdError."""
        drive = self._msd.state.value.drive
        image = drive.image.name if drive is not None and drive.image is not None else ""
        await self._msd.set_connected(False)
        await self._msd.set_params(image="")
        if image.startswith(f"{DIRECTORY}/") and image != keep:
            await self._remove(image)

    async def _clear(self, *, keep: str | None = None) -> None:
        drive = self._msd.state.value.drive
        if drive is not None and drive.connected:
            await self.eject(keep=keep)

    async def _remove(self, image: str) -> None:
        self._origins.pop(image, None)
        try:
            with trio.move_on_after(REMOVE_DEADLINE_S):
                await self._msd.remove(image)
        except OperationError as exc:
            logger.warning("%s stays in the storage: %s", image, exc)


def is_url(image: object) -> bool:
    """Return whether *image* names a file of a server that we can fetch from."""
    return isinstance(image, str) and image.strip().lower().startswith(_SCHEMES)


def image_of(url: str) -> str:
    """Return what an image of *url* is called in the storage."""
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    try:
        return valid_image_name(f"{DIRECTORY}/{name}" if name.strip() else f"{DIRECTORY}/{_NAMELESS}")
    except ValidatorError:
        return f"{DIRECTORY}/{_NAMELESS}"


def with_credentials(url: str, user: str, password: str) -> str:
    """Return *url* with user and password in it, instead of those that it may have."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


def without_credentials(url: str) -> str:
    """Return *url* as it may be shown."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
