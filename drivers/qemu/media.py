"""The virtual drive of the QEMU machine: a USB stick or CD drive, plugged in with its medium, pulled with it.

Responsible for offering an image, for taking it back, and for noticing that the guest ejected it. It must
never copy or change an image itself.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Literal, Protocol

import trio

from drivers.errors import (
    DeviceBusyError,
    DeviceTimeoutError,
    DriverError,
    MediumLockedError,
    image_error_of,
)
from drivers.fanout import Fanout
from drivers.ports import Medium
from drivers.qemu.qmp_client import QmpClient, QmpRefusedError
from drivers.wire.qmp import Json, QmpEvent

DEVICE_ID = "farhand-media"
NODE_NAME = "farhand-medium"

# A USB device goes at once, whatever the guest does; the block layer then finishes requests under way.
REMOVE_DEADLINE_S = 5.0
# How often a node that is still in use is tried again.
_RETRY_S = 0.02


class MediaMachine(Protocol):
    """What the drive needs of the machine."""

    def qmp(self) -> QmpClient:
        """Return the QMP connection, or raise DeviceGoneError if QEMU does not run."""
        ...

    @property
    def storage_bus(self) -> str | None:
        """The USB bus to plug into; None lets QEMU choose."""
        ...


class QemuMediaSlot:
    """The drive; implements `drivers.ports.MediaSlot`. `run` has to run to notice the guest's ejecting."""

    def __init__(self, machine: MediaMachine) -> None:
        self._machine = machine
        self._lock = trio.Lock()
        self._medium: Medium | None = None
        self._media = Fanout[Medium | None](bound=1)
        self._deleted = trio.Event()
        self._tray_opened = trio.Event()

    def media(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Medium | None]]:
        """What is in the drive, now and after each change; bound 1, the newest wins."""
        return self._media.listen(self._medium)

    async def insert(self, medium: Medium) -> None:
        """Offer *medium*; see `MediaSlot.insert`."""
        async with self._lock:
            if self._medium is not None:
                raise DeviceBusyError(
                    f"expected an empty drive, got {self._medium.path} in it: eject that first"
                )
            qmp = self._machine.qmp()
            try:
                await self._plug(qmp, medium)
            except BaseException:
                # Half a drive would block the next attempt. Shielded, since a cancelled caller leaves one
                # too; `_unplug` has a deadline.
                with trio.CancelScope(shield=True), suppress(DriverError):
                    await self._unplug(qmp)
                raise
            self._change(medium)

    async def eject(self, *, force: bool = False) -> None:
        """Take the medium out; see `MediaSlot.eject`."""
        async with self._lock:
            if self._medium is None:
                return
            qmp = self._machine.qmp()
            if not force and await self._drive_is(qmp, "locked"):
                raise MediumLockedError(
                    f"the guest has locked {self._medium.path}: eject it there first, or by force"
                )
            await self._unplug(qmp)
            self._change(None)

    async def remove_leftovers(self) -> None:
        """Take out what an earlier program left in an attached QEMU."""
        async with self._lock:
            await self._unplug(self._machine.qmp())

    async def run(self) -> None:
        """Empty the drive when the guest ejects the medium; when this ends, the drive is gone with QEMU."""
        try:
            while True:
                await self._tray_opened.wait()
                self._tray_opened = trio.Event()
                if await self._drive_is(self._machine.qmp(), "tray_open"):
                    await self.eject(force=True)
        finally:
            self._change(None)

    def on_event(self, event: QmpEvent) -> None:
        """Take note of what happened in QEMU."""
        if event.name == "DEVICE_DELETED" and event.data.get("device") == DEVICE_ID:
            self._deleted.set()
        elif event.name == "DEVICE_TRAY_MOVED" and event.data.get("tray-open") is True:
            self._tray_opened.set()

    async def _plug(self, qmp: QmpClient, medium: Medium) -> None:
        try:
            status = await trio.Path(medium.path).stat()
        except OSError as exc:
            raise image_error_of(exc, f"the image {medium.path}") from exc
        block_device = stat.S_ISBLK(status.st_mode)
        node: dict[str, Json] = {
            "node-name": NODE_NAME,
            "driver": "raw",
            "read-only": not medium.rw or medium.cdrom,
            "file": {
                "driver": "host_device" if block_device else "file",
                "filename": str(await trio.Path(medium.path).absolute()),
            },
        }
        try:
            await qmp.execute("blockdev-add", node)
            if medium.cdrom:
                await self._plug_cdrom(qmp)
            else:
                await qmp.execute(
                    "device_add", self._device("usb-storage") | {"drive": NODE_NAME, "removable": True}
                )
        except QmpRefusedError as exc:
            # QEMU locks images against a second writer.
            kind = DeviceBusyError if '" lock' in exc.description else DriverError
            raise kind(f"cannot offer {medium.path}: {exc.description}") from exc

    async def _plug_cdrom(self, qmp: QmpClient) -> None:
        # usb-storage is always a disk. A CD drive is a usb-bot bridge, its port kept empty until the drive
        # is behind it.
        await qmp.execute("device_add", self._device("usb-bot"))
        drive: dict[str, Json] = {
            "driver": "scsi-cd",
            "id": f"{DEVICE_ID}-cd",
            "bus": f"{DEVICE_ID}.0",
            "drive": NODE_NAME,
        }
        await qmp.execute("device_add", drive)
        attached: dict[str, Json] = {
            "path": f"/machine/peripheral/{DEVICE_ID}",
            "property": "attached",
            "value": True,
        }
        await qmp.execute("qom-set", attached)

    def _device(self, driver: str) -> dict[str, Json]:
        device: dict[str, Json] = {"driver": driver, "id": DEVICE_ID}
        if self._machine.storage_bus is not None:
            device["bus"] = self._machine.storage_bus
        return device

    async def _unplug(self, qmp: QmpClient) -> None:
        """Pull the drive and close the image; no effect where there is none."""
        with trio.move_on_after(REMOVE_DEADLINE_S) as scope:
            self._deleted = trio.Event()
            try:
                await qmp.execute("device_del", {"id": DEVICE_ID})
                await self._deleted.wait()
            except QmpRefusedError as exc:
                if exc.error_class != "DeviceNotFound":
                    raise
            await self._close_image(qmp)
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"expected QEMU to remove the drive within {REMOVE_DEADLINE_S:g} s")

    async def _close_image(self, qmp: QmpClient) -> None:
        while True:
            try:
                await qmp.execute("blockdev-del", {"node-name": NODE_NAME})
            except QmpRefusedError as exc:
                if "in use" not in exc.description:
                    # "Failed to find node": nothing to close.
                    return
                await trio.sleep(_RETRY_S)
            else:
                return

    async def _drive_is(self, qmp: QmpClient, condition: Literal["locked", "tray_open"]) -> bool:
        """Ask QEMU whether our drive is locked by the guest, or its tray open."""
        answer = await qmp.execute("query-block")
        for drive in answer if isinstance(answer, list) else []:
            if isinstance(drive, Mapping) and DEVICE_ID in str(drive.get("qdev")):
                return drive.get(condition) is True
        return False

    def _change(self, medium: Medium | None) -> None:
        if medium != self._medium:
            self._medium = medium
            self._media.publish(medium)


def reads_and_writes(answer: object) -> int:
    """Add up the operations in an answer of query-blockstats, the virtual drive's own left out."""
    total = 0
    for drive in answer if isinstance(answer, list) else []:
        match drive:
            case {"qdev": str(qdev)} if DEVICE_ID in qdev:
                continue
            case {"stats": {"rd_operations": int(reads), "wr_operations": int(writes)}}:
                total += reads + writes
    return total
