"""The virtual drive: a plan while it is empty, a medium while it is connected (contract subsystems.md 5.2).

Knows the drive and no storage: which images there are, and which may be written, is for its caller to say,
and so is that there is one operation at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import trio

from drivers.errors import DeviceGoneError, DriverError
from drivers.ports import MediaSlot, Medium
from firmware.core.cell import Cell
from firmware.state.msd import DriveState
from firmware.subsystems.msd.errors import (
    MsdConnectedError,
    MsdDisconnectedError,
    MsdImageNotSelected,
    MsdOfflineError,
    msd_error,
)

DRIVE_DEADLINE_S: Final = 150.0
"""Longer than any driver's own patience, flushing what the host wrote to a slow card (two minutes) included:
for a driver that forgot to have one."""


class VirtualDrive:
    """The drive in *slot*; *cdrom* and *rw* are the first plan. `state` is for the API."""

    def __init__(self, slot: MediaSlot, *, cdrom: bool = True, rw: bool = False) -> None:
        self._slot = slot
        self.state = Cell(DriveState(cdrom=cdrom, rw=rw and not cdrom))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow what is in the drive until cancelled: the host may eject, and others may insert."""
        try:
            async with self._slot.media() as media:
                self._publish(online=True)
                task_status.started()
                async for medium in media:
                    self._show(medium)
        finally:
            self._publish(online=False, connected=False)
        raise DeviceGoneError("the drive's changes ended: its driver stopped")

    def set_params(
        self,
        *,
        image: Path | msgspec.UnsetType | None = msgspec.UNSET,
        writable: bool = False,
        cdrom: bool | None = None,
        rw: bool | None = None,
    ) -> None:
        """Change the plan; what is not given is left as it is, and no image (None) is a plan too.

        *writable* tells whether the image of the new plan may be written. `rw` goes off with `cdrom` and with
        an image that may not be written, and does not come back by itself. Raises MsdConnectedError,
        MsdOfflineError.
        """
        self._require(connected=False)
        plan = self.state.value
        new_image = plan.image if image is msgspec.UNSET else image
        new_cdrom = plan.cdrom if cdrom is None else cdrom
        new_rw = plan.rw if rw is None else rw
        if new_cdrom or (new_image is not None and not writable):
            new_rw = False
        self._publish(image=new_image, cdrom=new_cdrom, rw=new_rw)

    async def connect(self) -> None:
        """Offer the planned image to the host.

        Raises MsdConnectedError, MsdImageNotSelected, and the MsdError for what the drive says.
        """
        self._require(connected=False)
        plan = self.state.value
        if plan.image is None:
            raise MsdImageNotSelected("expected an image to connect, got none: select one first")
        with _answering():
            await self._slot.insert(Medium(plan.image, cdrom=plan.cdrom, rw=plan.rw))
        self._publish(connected=True)

    async def disconnect(self, *, force: bool = True) -> None:
        """Take the medium out; the plan stays. Without *force* a host that has locked it keeps it.

        Raises MsdDisconnectedError, MsdLockedError, MsdOfflineError.
        """
        self._require(connected=True)
        await self._eject(force=force)

    async def reset(self) -> None:
        """Make sure that nothing is in the drive; the plan stays. Raises MsdOfflineError."""
        self._require_online()
        await self._eject(force=True)

    def forget(self) -> None:
        """Plan no image."""
        self._publish(image=None)

    async def _eject(self, *, force: bool) -> None:
        with _answering():
            await self._slot.eject(force=force)
        self._publish(connected=False)

    def _require_online(self) -> None:
        if not self.state.value.online:
            raise MsdOfflineError("the host is offered no drive now")

    def _require(self, *, connected: bool) -> None:
        self._require_online()
        if self.state.value.connected and not connected:
            raise MsdConnectedError("the drive is connected; disconnect it first")
        if connected and not self.state.value.connected:
            raise MsdDisconnectedError("the drive is not connected")

    def _show(self, medium: Medium | None) -> None:
        if medium is None:
            self._publish(connected=False)
        else:
            # Somebody else may have put it in: what is really there replaces the plan.
            self._publish(connected=True, image=medium.path, cdrom=medium.cdrom, rw=medium.rw)

    def _publish(self, **changes: object) -> None:
        self.state.publish(msgspec.structs.replace(self.state.value, **changes))


@contextmanager
def _answering() -> Iterator[None]:
    """Say what the drive's driver says, or that it says nothing, in the contract's errors."""
    try:
        with trio.fail_after(DRIVE_DEADLINE_S):
            yield
    except DriverError as exc:
        raise msd_error(exc) from exc
    except trio.TooSlowError:
        raise MsdOfflineError(
            f"expected the drive to answer within {DRIVE_DEADLINE_S:g} s, got nothing"
        ) from None
