"""What the host does to the drive: ejecting, locking, going away; and what can be forced."""

from __future__ import annotations

import errno
import hashlib
import select
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest
import trio
from peers import block_host, disk_images, usbip
from peers.block_host import HostDrive

from drivers.errors import DeviceGoneError, MediumLockedError
from drivers.gadget import lun
from drivers.gadget.lun import LunSlot
from drivers.gadget.lun_directory import LunDirectory
from drivers.ports import Medium

MIB = 1024 * 1024


class Gadget(Protocol):
    def lun(self, function: int = 0, lun: int = 0) -> Path: ...

    def drive(self, function: int = 0, lun: int = 0) -> HostDrive: ...

    def rebind(self) -> None: ...

    def take_apart(self) -> None: ...


class OldLun(LunDirectory):
    """As on kernels before 6.0."""

    def has(self, name: str) -> bool:
        return name != "forced_eject" and super().has(name)


Flags = Callable[[], tuple[str, str, str]]
Becomes = Callable[[LunSlot, object], Awaitable[None]]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return disk_images.random_bytes(tmp_path / "test.img", MIB)


async def test_the_hosts_ejecting_shows(
    gadget: Gadget, slot: LunSlot, image: Path, flags: Flags, becomes: Becomes
) -> None:
    drive = gadget.drive()
    for _ in range(2):
        async with slot.media() as media:
            assert await media.receive() is None
            await slot.insert(Medium(image, cdrom=True, rw=False))
            assert await media.receive() == Medium(image, cdrom=True, rw=False)
            drive.wait_size(MIB)
            drive.eject()
            with trio.fail_after(block_host.DEADLINE_S):
                assert await media.receive() is None
        assert flags() == ("1", "1", "")
        drive.wait_size(None)


async def test_what_the_host_wrote_is_flushed_after_it_ejected(
    gadget: Gadget, slot: LunSlot, image: Path, becomes: Becomes
) -> None:
    drive = gadget.drive()
    await slot.insert(Medium(image, cdrom=False, rw=True))
    drive.wait_size(MIB)
    drive.write(0, b"\x77" * 4096)
    drive.eject()
    await becomes(slot, None)
    with trio.fail_after(block_host.DEADLINE_S):
        while slot.statistics()["unflushed"]:
            await trio.sleep(0.01)
    assert start_of(image) == b"\x77" * 4096


async def test_a_locked_medium_stays_in_unless_forced(
    gadget: Gadget, slot: LunSlot, image: Path, flags: Flags, becomes: Becomes
) -> None:
    drive = gadget.drive()
    medium = Medium(image, cdrom=True, rw=False)
    await slot.insert(medium)
    drive.wait_size(MIB)
    drive.lock()
    with pytest.raises(block_host.SenseError) as refused:
        drive.eject()
    assert refused.value.code == block_host.REMOVAL_PREVENTED
    with pytest.raises(MediumLockedError, match=r"locked .*test\.img .* by force"):
        await slot.eject()
    assert flags() == ("1", "1", str(image))
    await becomes(slot, medium)
    await slot.eject(force=True)
    assert flags() == ("1", "1", "")
    await becomes(slot, None)
    drive.wait_size(None)
    # The lock went with the medium: the next one, of another kind, comes and goes as ever.
    await slot.insert(Medium(image, cdrom=False, rw=True))
    drive.wait_size(MIB)
    await slot.eject()


async def test_a_host_that_looks_for_a_moment_is_waited_for(
    gadget: Gadget, slot: LunSlot, image: Path
) -> None:
    drive = gadget.drive()
    await slot.insert(Medium(image, cdrom=False, rw=False))
    drive.wait_size(MIB)
    drive.lock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(slot.eject)
        await trio.sleep(lun.LOCK_RETRY_S * 2)
        assert (gadget.lun() / "file").read_text().strip() == str(image)
        drive.unlock()
    drive.wait_size(None)


async def test_an_unlocked_medium_comes_out(gadget: Gadget, slot: LunSlot, image: Path) -> None:
    drive = gadget.drive()
    await slot.insert(Medium(image, cdrom=False, rw=False))
    drive.wait_size(MIB)
    drive.lock()
    drive.unlock()
    await slot.eject()
    drive.wait_size(None)


async def test_a_mounted_medium_is_locked(
    gadget: Gadget, slot: LunSlot, tmp_path: Path, becomes: Becomes
) -> None:
    image = disk_images.fat(tmp_path / "fat.img")
    drive = gadget.drive()
    await slot.insert(Medium(image, cdrom=False, rw=True))
    drive.wait_size(image.stat().st_size)
    with drive.mounted("vfat", rw=True) as directory:
        (directory / "file").write_text("text")
        with pytest.raises(MediumLockedError):
            await slot.eject()
    await slot.eject()
    await becomes(slot, None)


async def test_a_kernel_that_cannot_force_says_so(gadget: Gadget, nursery: trio.Nursery, image: Path) -> None:
    slot = LunSlot(gadget.lun(), directory=OldLun)
    await nursery.start(slot.run)
    drive = gadget.drive()
    await slot.insert(Medium(image, cdrom=False, rw=False))
    drive.wait_size(MIB)
    drive.lock()
    with pytest.raises(MediumLockedError, match="this kernel cannot force it"):
        await slot.eject(force=True)
    drive.unlock()
    await slot.eject(force=True)
    drive.wait_size(None)


async def test_a_medium_is_found_again_after_a_restart(
    gadget: Gadget, image: Path, nursery: trio.Nursery, becomes: Becomes
) -> None:
    medium = Medium(image, cdrom=False, rw=True)
    slot = LunSlot(gadget.lun())
    async with trio.open_nursery() as first:
        await first.start(slot.run)
        await slot.insert(medium)
        first.cancel_scope.cancel()
    drive = gadget.drive()
    drive.wait_size(MIB)
    with pytest.raises(DeviceGoneError):
        await slot.eject()
    restarted = LunSlot(gadget.lun())
    await nursery.start(restarted.run)
    await becomes(restarted, medium)
    assert drive.size_bytes() == MIB
    await restarted.eject()
    drive.wait_size(None)


@pytest.mark.fault("mass storage gadget", "returns")
async def test_a_medium_stays_in_while_the_gadget_is_bound_anew(
    gadget: Gadget, slot: LunSlot, image: Path, becomes: Becomes
) -> None:
    medium = Medium(image, cdrom=False, rw=True)
    await slot.insert(medium)
    drive = gadget.drive()
    drive.wait_size(MIB)
    drive.lock()
    gadget.rebind()
    drive = gadget.drive()
    drive.wait_size(MIB)
    await becomes(slot, medium)
    # The lock is the host's of before.
    await slot.eject()
    drive.wait_size(None)


@pytest.mark.fault("mass storage gadget", "vanishes")
async def test_a_gadget_that_is_taken_apart_ends_the_run(compose: Callable[..., Gadget], image: Path) -> None:
    gadget = compose()
    slot = LunSlot(gadget.lun())
    async with slot.media() as media, trio.open_nursery() as nursery:
        ended: list[Exception] = []

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with pytest.raises(DeviceGoneError, match="gadget not composed") as caught:
                await slot.run(task_status=task_status)
            ended.append(caught.value)

        await nursery.start(run)
        await slot.insert(Medium(image, cdrom=False, rw=False))
        gadget.take_apart()
        with trio.fail_after(block_host.DEADLINE_S):
            while not ended:
                await trio.sleep(0.01)
        assert await media.receive() is None
    with pytest.raises(DeviceGoneError):
        await slot.insert(Medium(image, cdrom=False, rw=False))


async def test_the_kernel_tells_nobody_of_the_hosts_ejecting(gadget: Gadget) -> None:
    """Why the drive is looked at twice a second: once this fails, there is a better way."""
    with (gadget.lun() / "file").open("rb") as file, select.epoll() as poll:
        with pytest.raises(PermissionError) as refused:
            poll.register(file, select.EPOLLPRI)
        assert refused.value.errno == errno.EPERM


@pytest.mark.fault("mass storage gadget", "host leaves")
async def test_over_usbip_a_pulled_cable_changes_nothing_in_the_drive(
    compose: Callable[..., Gadget], usbip_cable: str, nursery: trio.Nursery, image: Path
) -> None:
    gadget = compose(usbip_cable)
    await usbip.plug()
    slot = LunSlot(gadget.lun())
    await nursery.start(slot.run)
    medium = Medium(image, cdrom=True, rw=False)
    await slot.insert(medium)
    drive = gadget.drive()
    drive.wait_size(MIB)
    drive.lock()
    await usbip.unplug()
    async with slot.media() as media:
        assert await media.receive() == medium
    await usbip.plug()
    drive = gadget.drive()
    assert drive.host_type == block_host.CDROM
    drive.wait_size(MIB)
    assert drive.sha256() == sha256(image)
    drive.eject()
    with trio.fail_after(block_host.DEADLINE_S):
        async with slot.media() as media:
            while await media.receive() is not None:
                pass
    await usbip.unplug()
