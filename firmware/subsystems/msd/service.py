"""Mass storage: the virtual drive, its images, and what goes on between them (contract subsystems.md 5).

One operation at a time, transfers included; a second one is refused and does not wait. The drive and the
storage fail and return on their own, each supervised; while the storage is gone, nothing is shown of either.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DriverError
from drivers.ports import MediaSlot
from firmware.core.cell import Cell
from firmware.core.supervise import Backoff, Supervisor
from firmware.state.msd import (
    CheckState,
    DownloadState,
    ImageState,
    MsdState,
    StorageState,
    UploadState,
)
from firmware.subsystems.msd import files, reader, writer
from firmware.subsystems.msd.config import MsdConfig
from firmware.subsystems.msd.disk_threads import DiskThreads
from firmware.subsystems.msd.drive import VirtualDrive
from firmware.subsystems.msd.drive_view import DriveView
from firmware.subsystems.msd.errors import (
    MsdConnectedError,
    MsdDisabledError,
    MsdError,
    MsdImageExistsError,
    MsdImageStaticError,
    MsdIsBusyError,
)
from firmware.subsystems.msd.hashing import FileHash
from firmware.subsystems.msd.loader import DriveLoader
from firmware.subsystems.msd.location import StorageLocation
from firmware.subsystems.msd.reader import Compression, ImageReader
from firmware.subsystems.msd.remount import Remounter
from firmware.subsystems.msd.storage import ImageStorage
from firmware.subsystems.msd.verification import DigestChecks
from firmware.subsystems.msd.writer import ImageWriter

logger = logging.getLogger(__name__)

STORAGE_RETRY: Final = Backoff(first_s=1.0, factor=1.0, longest_s=1.0, jitter=0.0)
"""A storage that is gone is looked for every second (contract subsystems.md 5.2)."""

REGISTER_S: Final = 5.0
"""How long the end of a transfer waits to see its outcome in the storage; if it is not there by then, it
comes."""


@dataclass(frozen=True, slots=True)
class WritableStorage:
    """What an operation that changes the storage works with; sizes in bytes."""

    root: Path
    sync_bytes: int
    block_bytes: int
    show: Callable[[UploadState | None], None]
    """Show the progress of a transfer."""
    register: Callable[[], Awaitable[None]]
    """See what has become of an image, so that it can be used at once."""


class MsdService:
    """Handle and service of mass storage; `state` is the cell that the API shows."""

    def __init__(
        self,
        config: MsdConfig,
        *,
        slot: MediaSlot,
        location: StorageLocation,
        supervisor: Supervisor,
        cdrom: bool = True,
        rw: bool = False,
    ) -> None:
        """*cdrom* and *rw* are the first plan."""
        self._config = config
        self._supervisor = supervisor
        self._enabled = config.type != "disabled"
        self._drive = VirtualDrive(slot, cdrom=cdrom, rw=rw)
        self._storage = ImageStorage(location)
        self._remounter = Remounter(location.root, config.remount_cmd, rests_read_only=location.read_only)
        self._loader = DriveLoader(self._drive, self._storage, self._remounter)
        self._busy_with: object | None = None
        self._transfer: Cell[UploadState | DownloadState | None] = Cell(None)
        self._view = DriveView(self._storage)
        self._checks = DigestChecks(self._storage, self._drive.state, self._publish)
        self.heartbeats = {"msd.storage": self._storage.heartbeat}
        """By the names of the tasks whose loops beat."""
        self.state = Cell(MsdState(enabled=self._enabled))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled: the drive and the storage, supervised, and what is shown of them."""
        if not self._enabled:
            task_status.started()
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:
            supervise = self._supervisor.supervise
            nursery.start_soon(supervise, "msd.storage", self._storage.run, STORAGE_RETRY)
            nursery.start_soon(supervise, "msd.drive", self._drive.run)
            nursery.start_soon(supervise, "msd.digests", self._checks.run)
            nursery.start_soon(self._follow_storage)
            nursery.start_soon(self._follow_drive)
            nursery.start_soon(self._follow_transfer)
            task_status.started()

    # -- the drive --------------------------------------------------------------------------------------

    async def set_params(
        self, *, image: str | None = None, cdrom: bool | None = None, rw: bool | None = None
    ) -> None:
        """Change what is to be connected; None leaves as it is, an empty *image* is none.

        Raises MsdConnectedError, MsdUnknownImageError, MsdRemoteDisabledError, MsdOfflineError,
        MsdDisabledError, MsdIsBusyError.
        """
        with self._operation():
            await trio.lowlevel.checkpoint()
            await self._loader.choose(image=image, cdrom=cdrom, rw=rw)

    async def set_connected(self, connected: bool) -> None:
        """Put the selected image into the drive, or take it out.

        Raises MsdConnectedError, MsdDisconnectedError, MsdImageNotSelected, MsdUnknownImageError,
        MsdLockedError, MsdPermissionsError, MsdRemountError, MsdOfflineError, MsdDisabledError,
        MsdIsBusyError.
        """
        with self._operation():
            await trio.lowlevel.checkpoint()
            if connected:
                await self._loader.connect()
            else:
                await self._loader.disconnect()

    async def reset(self) -> None:
        """Take out what is in the drive; what is selected stays. Only logs what fails.

        Raises MsdDisabledError, MsdIsBusyError.
        """
        with self._operation():
            await trio.lowlevel.checkpoint()
            await self._loader.reset()

    # -- the storage ------------------------------------------------------------------------------------

    async def remove(self, image: str) -> None:
        """Remove an image from the storage, also from the plan of the drive.

        Raises MsdUnknownImageError, MsdImageStaticError, MsdConnectedError, MsdPermissionsError,
        MsdRemountError, MsdOfflineError, MsdDisabledError, MsdIsBusyError.
        """
        with self._operation():
            self._loader.require_disconnected()
            if not (await self._storage.find(image)).removable:
                raise MsdImageStaticError(
                    f"the image {image!r} may not be removed: its directory is not ours"
                )
            async with self._remounter.writable():
                try:
                    await DiskThreads(f"the image {image}").run(
                        lambda: files.remove(self._storage.root, image)
                    )
                    self._loader.forget(image)
                finally:
                    await self._register()

    @asynccontextmanager
    async def reading(self, image: str, *, compress: Compression = "none") -> AsyncIterator[ImageReader]:
        """Give out an image for the body of the context; the drive has to be disconnected.

        Raises MsdUnknownImageError, MsdConnectedError, MsdPermissionsError, MsdOfflineError,
        MsdDisabledError, MsdIsBusyError.
        """
        with self._operation() as end:
            self._loader.require_disconnected()
            await self._storage.find(image)
            async with reader.reading(
                self._storage.root,
                image,
                compression=compress,
                piece_bytes=self._config.read_chunk_size,
                progress=self._show_transfer,
                # A client that has all of it must not be told that we are busy with giving it to them.
                all_read=end,
            ) as source:
                yield source

    @asynccontextmanager
    async def writing(
        self, image: str, size: int, *, remove_incomplete: bool = False, sha256: str | None = None
    ) -> AsyncIterator[ImageWriter]:
        """Take in a new image of *size* bytes in the body of the context; the drive has to be disconnected.

        It is listed from the beginning, and complete when the context has ended without an error. Otherwise
        it stays marked as incomplete, or is removed with *remove_incomplete*. So it does if it does not hash
        to *sha256* (lower-case hex).

        Raises MsdImageExistsError, MsdNoSpaceError, MsdIncompleteError, MsdDigestMismatchError,
        MsdConnectedError, MsdPermissionsError, MsdRemountError, MsdOfflineError, MsdDisabledError,
        MsdIsBusyError, ValidatorError for a name that the file system does not take.
        """
        with self.exclusively():
            async with self.taking_in(
                image, size, remove_incomplete=remove_incomplete, sha256=sha256
            ) as sink:
                yield sink

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep everybody else from the storage for the body, while the drive is disconnected.

        Raises MsdConnectedError, MsdOfflineError, MsdDisabledError, MsdIsBusyError.
        """
        with self._operation():
            self._loader.require_disconnected()
            self._storage.present()
            yield

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[WritableStorage]:
        """Hold the storage for the body as `exclusively` does, writable; what changed is seen at the end.

        Raises what `exclusively` does, and MsdRemountError.
        """
        with self.exclusively():
            async with self._writable() as storage:
                yield storage

    @asynccontextmanager
    async def _writable(self) -> AsyncIterator[WritableStorage]:
        async with self._remounter.writable():
            try:
                sync_bytes = self._config.sync_chunk_size
                yield WritableStorage(
                    root=self._storage.root,
                    sync_bytes=sync_bytes,
                    block_bytes=max(self._config.write_chunk_size, min(writer.BLOCK_BYTES, sync_bytes)),
                    show=self._show_transfer,
                    register=self._register,
                )
            finally:
                self._show_transfer(None)
                await self._register()

    def require_storage(self) -> Path:
        """Return the directory that image names are relative to. Raises MsdOfflineError, MsdDisabledError."""
        self._require_enabled()
        self._storage.present()
        return self._storage.root

    @asynccontextmanager
    async def taking_in(
        self, image: str, size: int, *, remove_incomplete: bool, sha256: str | None
    ) -> AsyncIterator[ImageWriter]:
        """Do what `writing` does, for whoever works `exclusively` already."""
        if image in self._storage.present().images:
            raise MsdImageExistsError(f"there is an image {image!r} already; remove it first")
        async with self._writable() as storage:
            file = files.ImageFile(storage.root, image, size, sync_bytes=storage.sync_bytes)
            async with writer.writing(
                file,
                image,
                size,
                block_bytes=storage.block_bytes,
                remove_incomplete=remove_incomplete,
                progress=storage.show,
                hashing=FileHash(storage.root, image),
                sha256=sha256,
            ) as sink:
                await storage.register()
                yield sink

    async def verify(self, image: str, *, begun: Callable[[Cell[CheckState]], None]) -> None:
        """Compare an image with the digest kept of it; if there is none, keep what it hashes to now.

        *begun* is given the progress, whose last value is the outcome. Also while the target reads it.

        Raises MsdDigestMismatchError, MsdUnknownImageError, MsdConnectedError while the target may write to
        it, MsdPermissionsError, MsdOfflineError, MsdDisabledError, MsdIsBusyError.
        """
        with self._operation():
            found = await self._storage.find(image)
            drive = self._drive.state.value
            if drive.connected and drive.rw and self._loader.planned_name == image:
                raise MsdConnectedError("the target may write to the image; disconnect it first")
            digest = await self._checks.check(image, found, begun)
            if found.sha256 is None and found.complete and not drive.connected:
                await self._keep_digest(image, found, digest)

    async def _keep_digest(self, name: str, image: ImageState, digest: str) -> None:
        """Keep the digest of an image that had none, unless it was changed meanwhile; a failure is logged."""
        try:
            async with self._remounter.writable():
                await self._storage.refresh_or_offline()
                if await self._storage.find(name) == image:
                    keep = partial(files.keep_digest_of, self._storage.root, name, digest)
                    await DiskThreads(f"the digest of {name}").run(keep)
        except MsdError as exc:
            # The digest itself was told; a file system that is not ours to write to is no error in that.
            logger.warning("%s", exc)
        await self._register()

    async def _register(self) -> None:
        """See what became of an image, so that whoever changed it can use it at once."""
        # Shielded, so that a transfer that was cut short is not shown as if it went on.
        with trio.CancelScope(shield=True, deadline=trio.current_time() + REGISTER_S):
            try:
                await self._storage.refresh()
            except DriverError as exc:
                logger.warning("%s", exc)
        self._publish()

    # -- what is shown ----------------------------------------------------------------------------------

    def statistics(self) -> dict[str, int]:
        """Return what the storage counts."""
        return self._storage.statistics()

    async def _follow_storage(self) -> None:
        async for _ in self._storage.state.changes():
            self._publish()

    async def _follow_drive(self) -> None:
        was_connected, seen = False, 0
        # Not by `changes`: cancelled in the body, its generator would be left to the garbage collector.
        while True:
            seen = await self._drive.state.wait_newer(seen)
            state = self._drive.state.value
            await self._view.look(state)
            self._publish()
            if was_connected and not state.connected and self._busy_with is None:
                # The host took it out, or the drive is gone.
                await self._loader.ejected()
            was_connected = state.connected

    async def _follow_transfer(self) -> None:
        seen = 0
        while True:
            seen = await self._transfer.wait_newer(seen)
            transfer = self._transfer.value
            self._publish()
            if isinstance(transfer, UploadState) and self._storage.state.value is not None:
                try:
                    await self._storage.refresh_parts()
                except DriverError as exc:
                    logger.debug("%s", exc)

    def _show_transfer(self, transfer: UploadState | DownloadState | None) -> None:
        self._transfer.publish(transfer)
        self._publish()

    def _publish(self) -> None:
        found, drive, transfer = self._storage.state.value, self._drive.state.value, self._transfer.value
        if found is None:
            self.state.publish(MsdState(enabled=self._enabled, busy=self._busy_with is not None))
            return
        found = self._checks.marked(found)
        self.state.publish(
            MsdState(
                enabled=self._enabled,
                online=drive.online,
                busy=self._busy_with is not None,
                storage=StorageState(
                    images=found.images,
                    parts=found.parts,
                    uploading=transfer if isinstance(transfer, UploadState) else None,
                    downloading=transfer if isinstance(transfer, DownloadState) else None,
                    verifying=self._checks.progress,
                ),
                drive=self._view.show(drive, found),
            )
        )

    # -- rules ------------------------------------------------------------------------------------------

    @contextmanager
    def _operation(self) -> Iterator[Callable[[], None]]:
        """Be busy for the body of the context, or until what it gives is called."""
        self._require_enabled()
        if self._busy_with is not None:
            raise MsdIsBusyError("mass storage is busy with another operation; try again when it is done")
        mine = self._busy_with = object()
        self._publish()

        def end() -> None:
            if self._busy_with is mine:
                self._busy_with = None
                self._show_transfer(None)

        try:
            yield end
        finally:
            end()

    def _require_enabled(self) -> None:
        if not self._enabled:
            raise MsdDisabledError("mass storage is disabled in the configuration (kvmd/msd/type)")
