"""Updates: receives bundles, has RAUC install them, and tells how the slots are.

RAUC decides what is installed; nothing here can make it accept what it refuses. What runs is never touched:
a bundle goes into the other slot, and until the next start nothing changes.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec
import trio

from drivers.errors import DriverError, NotSupportedError, from_os_error
from drivers.system.rauc import BundleRefusedError, Progress, RaucStatus
from firmware.core.cell import Cell
from firmware.core.errors import OperationError
from firmware.core.files import observe
from firmware.state.update import Installation, InstallPhase, UpdateState
from firmware.subsystems.update.errors import (
    UpdateBusyError,
    UpdateError,
    UpdateIncompleteError,
    UpdateNoSpaceError,
    UpdateRefusedError,
    UpdateUnsupportedError,
)
from firmware.subsystems.update.plain_words import plain
from firmware.subsystems.update.staging import Staging
from firmware.subsystems.update.view import given_up_of, view

logger = logging.getLogger(__name__)

LOOK_S: Final = 60.0
"""How often the slots are looked at unasked; the gate confirms a new version minutes after the start."""
ACCEPTED_PERCENT: Final = 80
"""From here on RAUC writes; before that it looks at signature, board and version."""
ACCEPTED_S: Final = 20.0
"""Whoever waits for the verdict waits so long at most for RAUC's first look."""
WRITE_BYTES: Final = 1 << 20
"""How much comes together before it is written: changing threads for each piece costs as much as the rest."""
TOLD_BYTES: Final = 4 << 20
"""How often the progress of receiving is told."""
OURS: Final = "farhand-"
"""What the boards of our images begin with, for RAUC."""
BROKE_OFF: Final = "it broke off"
UNSUPPORTED: Final = (
    "this machine was not started from a Farhand image: it is updated the way Farhand was installed on it"
)


class Installer(Protocol):
    """What this needs of RAUC (`drivers.system.rauc.Rauc`)."""

    async def status(self) -> RaucStatus:
        """Ask for everything."""
        ...

    async def install(self, bundle: Path, told: Callable[[Progress], None]) -> None:
        """Have a bundle installed and wait for the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePlaces:
    """Where things lie on a machine that was started from the image."""

    staging: Path
    """The directory for bundles, on the data partition."""
    confirmed: Path = Path("/run/farhand/confirmed")
    """There once the running version has shown that it works."""
    setback: Path = Path("/data/rauc/setback.json")
    """What the gate noted of the last start that went wrong."""
    version: Path = Path("/usr/lib/farhand/version")
    """The version of the image."""


@dataclass(eq=False)
class Job:
    """One installation; *accepted* is set when it is under way or has ended."""

    accepted: trio.Event = field(default_factory=trio.Event)
    done: trio.Event = field(default_factory=trio.Event)
    error: UpdateError | DriverError | None = None


class UpdateService:
    """Handle of updates; *restart_machine* shuts the machine down and starts it again."""

    def __init__(
        self,
        installer: Installer,
        places: UpdatePlaces,
        *,
        version: str,
        restart_machine: Callable[[], Awaitable[None]],
    ) -> None:
        self._installer = installer
        self._places = places
        self._version = version
        self._restart_machine = restart_machine
        self._staging = Staging(places.staging)
        self._installation: Installation | None = None
        self._busy = False
        self._jobs, self._taken = trio.open_memory_channel[Job](0)
        self._installed = self._failed = 0
        self.state: Cell[UpdateState] = Cell(UpdateState(version=version))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Install what was received, and look at the slots from time to time, until cancelled."""
        try:
            # Of a process that was killed while it received.
            await trio.to_thread.run_sync(self._staging.remove)
        except OSError as exc:
            logger.warning("cannot remove an old bundle: %s - at %s", exc.strerror, self._staging.path)
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_from_time_to_time)
            async for job in self._taken:
                await self._install(job)

    # -- looking ----------------------------------------------------------------------------------------

    async def look(self) -> UpdateState:
        """Ask RAUC and return the present state; never raises a DriverError."""
        try:
            status = await self._status()
        except NotSupportedError as exc:
            logger.debug("no updates here: %s", exc)
            self.state.publish(UpdateState(version=self._version, reason=UNSUPPORTED))
            return self.state.value
        except DriverError as exc:
            # It was there before or will be: what was known of the slots is not wrong.
            state = msgspec.structs.replace(self.state.value, reason=str(exc))
            self.state.publish(msgspec.structs.replace(state, installation=self._installation))
            return self.state.value
        confirmed, setback, version = await trio.to_thread.run_sync(self._read_notes)
        self.state.publish(
            view(
                status,
                before=self.state.value,
                version=version,
                confirmed=confirmed,
                given_up=given_up_of(setback),
                installation=self._installation,
            )
        )
        return self.state.value

    async def _status(self) -> RaucStatus:
        """Ask RAUC. Raises NotSupportedError if it is there for somebody else's system, DriverError."""
        status = await self._installer.status()
        if not status.compatible.startswith(OURS):
            raise NotSupportedError(f"RAUC is there for {status.compatible}")
        return status

    def _read_notes(self) -> tuple[bool, bytes | None, str]:
        places = self._places
        version = (observe(places.version).data or b"").decode("utf-8", "replace").strip()
        return places.confirmed.exists(), observe(places.setback).data, version or self._version

    async def _look_from_time_to_time(self) -> None:
        while True:
            await self.look()
            await trio.sleep(LOOK_S)

    # -- installing -------------------------------------------------------------------------------------

    async def receive(
        self,
        pieces: AsyncIterable[bytes],
        *,
        size: int,
        source: str,
        begun: Callable[[], None] = lambda: None,
    ) -> Job:
        """Receive a bundle of *size* bytes and have it installed; return the job, which goes on by itself.

        *begun* is called when there is room and nothing has come yet. Whatever happens before the end of
        receiving, cancellation included, leaves nothing behind. Raises UpdateError, DriverError, and what
        *pieces* does.
        """
        if self._busy:
            raise UpdateBusyError("expected no installation under way, got one; wait for its end")
        self._busy = True
        self._tell(Installation(phase=InstallPhase.RECEIVING, source=source, size=size))
        try:
            await self._require_ready()
            await self._fill_staging(pieces, size, begun)
            job = Job()
            await self._jobs.send(job)
        except BaseException as exc:
            with trio.CancelScope(shield=True):
                await self._remove_staged()
            # Only now, since the next one has a file of the same name.
            self._busy = False
            known = isinstance(exc, OperationError | DriverError)
            self._end(InstallPhase.FAILED, str(exc) if known else BROKE_OFF)
            raise
        return job

    async def _require_ready(self) -> None:
        try:
            status = await self._status()
        except NotSupportedError:
            raise UpdateUnsupportedError(UNSUPPORTED) from None
        if status.installing:
            raise UpdateBusyError("expected no installation under way, got one that was begun on the machine")

    async def _fill_staging(self, pieces: AsyncIterable[bytes], size: int, begun: Callable[[], None]) -> None:
        with _disk_errors():
            await trio.to_thread.run_sync(self._staging.begin, size)
        begun()
        received = told = 0
        waiting = bytearray()
        async for piece in pieces:
            received += len(piece)
            waiting += piece
            if len(waiting) >= WRITE_BYTES:
                await self._write(bytes(waiting))
                waiting.clear()
            if received - told >= TOLD_BYTES:
                told = received
                self._progress(received=received)
        if received != size:
            raise UpdateIncompleteError(f"expected {size} bytes, got {received}")
        await self._write(bytes(waiting))
        self._progress(received=received)
        with _disk_errors():
            await trio.to_thread.run_sync(self._staging.end)

    async def _write(self, data: bytes) -> None:
        with _disk_errors():
            await trio.to_thread.run_sync(self._staging.write, data)

    async def _install(self, job: Job) -> None:
        def told(progress: Progress) -> None:
            self._progress(percent=progress.percent, message=progress.message)
            if progress.percent >= ACCEPTED_PERCENT:
                job.accepted.set()

        self._progress(phase=InstallPhase.INSTALLING)
        logger.info("An update is being installed")
        # For whoever waits, if this is cancelled or has a bug.
        job.error = DriverError(BROKE_OFF)
        try:
            await self._installer.install(self._staging.path, told)
            job.error = None
        except BundleRefusedError as exc:
            job.error = UpdateRefusedError(plain(str(exc)))
        except DriverError as exc:
            job.error = exc
        finally:
            with trio.CancelScope(shield=True):
                # RAUC holds it open, if it is still at it.
                await self._remove_staged()
            self._busy = False
            job.accepted.set()
            job.done.set()
        if job.error is None:
            logger.info("The update is installed; the next start runs it")
            self._end(InstallPhase.DONE, None)
        else:
            logger.warning("The update was not installed: %s", job.error)
            self._end(InstallPhase.FAILED, str(job.error))
        await self.look()

    async def _remove_staged(self) -> None:
        try:
            await trio.to_thread.run_sync(self._staging.remove)
        except OSError as exc:
            logger.warning("cannot remove the bundle: %s - at %s", exc.strerror, self._staging.path)

    # -- telling ----------------------------------------------------------------------------------------

    def _tell(self, installation: Installation) -> None:
        self._installation = installation
        self.state.publish(msgspec.structs.replace(self.state.value, installation=installation))

    def _progress(self, **changes: object) -> None:
        assert self._installation is not None, "it is told of one"
        self._tell(msgspec.structs.replace(self._installation, **changes))

    def _end(self, phase: InstallPhase, error: str | None) -> None:
        if phase is InstallPhase.DONE:
            self._installed += 1
        else:
            self._failed += 1
        self._progress(phase=phase, error=error)

    # -- restarting -------------------------------------------------------------------------------------

    async def restart(self) -> None:
        """Restart the machine, which starts the slot that is next.

        Raises UpdateUnsupportedError, UpdateBusyError, DriverError.
        """
        if self._busy:
            raise UpdateBusyError("expected no installation under way, got one; wait for its end")
        await self._require_ready()
        logger.warning("The machine restarts, as was asked for")
        with trio.CancelScope(shield=True):
            # A client that leaves at once wants it no less.
            await self._restart_machine()

    def statistics(self) -> dict[str, int]:
        """Return how many installations ended how since the start."""
        return {"installed": self._installed, "failed": self._failed, "busy": int(self._busy)}


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn what the file system says into an error of ours."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UpdateNoSpaceError("the data partition is full; remove images first") from exc
        raise from_os_error(exc, "the bundle's file") from exc
