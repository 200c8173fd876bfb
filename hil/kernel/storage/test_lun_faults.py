"""What an image or its host needs fails in the middle: a full disk, an unreadable one, a pulled cable."""

from __future__ import annotations

import errno
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
import trio
from peers import block_host, disk_images, usbip
from peers.block_host import HostDrive
from peers.hanging_files import hanging_files

from drivers.errors import DriverError
from drivers.gadget.lun import LunSlot
from drivers.ports import Medium

MIB = 1024 * 1024


class Gadget(Protocol):
    def lun(self, function: int = 0, lun: int = 0) -> Path: ...

    def drive(self, function: int = 0, lun: int = 0) -> HostDrive: ...


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB, in memory."""
    (tmp_path / "small").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "small", str(tmp_path / "small")], check=True)
    yield tmp_path / "small"
    subprocess.run(["umount", str(tmp_path / "small")], check=True)


@pytest.fixture
def near(tmp_path: Path) -> Medium:
    """An image on a disk that has nothing to do with the fault."""
    return Medium(disk_images.random_bytes(tmp_path / "near.img", MIB), cdrom=False, rw=False)


@pytest.mark.fault("mass storage gadget", "ENOSPC")
async def test_an_image_that_the_disk_has_no_room_for_fails_the_host_and_comes_out(
    slot: LunSlot, drive: HostDrive, small_disk: Path, near: Medium
) -> None:
    """A sparse image takes room as the host writes to it, which the disk may not have by then."""
    image = small_disk / "sparse.img"
    with image.open("wb") as file:
        file.truncate(8 * MIB)
    await slot.insert(Medium(image, cdrom=False, rw=True))
    drive.wait_size(8 * MIB)
    drive.write(0, b"first".ljust(4096, b"."))

    def fill() -> None:
        for offset in range(MIB, 8 * MIB, MIB):
            drive.write(offset, bytes([7]) * MIB)

    with pytest.raises(OSError) as failed:  # noqa: PT011 - the errno is the point
        fill()
    assert failed.value.errno in {errno.EIO, errno.ENOSPC}
    assert drive.read(0, 4096).startswith(b"first")
    # Whatever becomes of the last sectors: the drive is free for the next medium.
    try:
        await slot.eject()
    except DriverError as exc:
        assert "may be lost" in str(exc)  # noqa: PT017 - it may be told, and need not
    drive.wait_size(None)
    await slot.insert(near)
    drive.wait_size(MIB)
    assert drive.sha256() == hashlib.sha256(near.path.read_bytes()).hexdigest()


@pytest.mark.fault("mass storage gadget", "EIO")
async def test_an_image_that_cannot_be_read_fails_the_host_and_is_read_again_later(
    slot: LunSlot, drive: HostDrive, tmp_path: Path, near: Medium
) -> None:
    (tmp_path / "worn").mkdir()
    with hanging_files(tmp_path / "worn", name="far.img", size_bytes=MIB) as files:
        await slot.insert(Medium(files.path, cdrom=False, rw=False))
        drive.wait_size(MIB)
        files.unreadable = True
        with pytest.raises(OSError) as failed:  # noqa: PT011 - the errno is the point
            drive.read(512 * 1024, 4096)
        assert failed.value.errno in {errno.EIO, errno.ENODATA}
        async with slot.media() as media:
            assert await media.receive() is not None
        files.unreadable = False
        assert drive.read(512 * 1024, 4096) == bytes(4096)
        await slot.eject()
        await slot.insert(near)
        drive.wait_size(MIB)
        await slot.eject()


@pytest.mark.fault("mass storage gadget", "host leaves")
async def test_a_cable_that_is_pulled_in_the_middle_of_reading_changes_nothing_in_the_drive(
    compose: Callable[..., Gadget], usbip_cable: str, nursery: trio.Nursery, tmp_path: Path
) -> None:
    gadget = compose(usbip_cable)
    await usbip.plug()
    slot = LunSlot(gadget.lun())
    await nursery.start(slot.run)
    image = disk_images.random_bytes(tmp_path / "test.img", 32 * MIB)
    medium = Medium(image, cdrom=False, rw=False)
    await slot.insert(medium)
    drive = gadget.drive()
    drive.wait_size(32 * MIB)
    reads, over = trio.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()

    def read_on() -> None:
        try:
            for offset in range(0, 32 * MIB, MIB):
                drive.read(offset, MIB)
                trio.from_thread.run_sync(reads.set, trio_token=token)
        except OSError:
            return
        finally:
            trio.from_thread.run_sync(over.set, trio_token=token)

    with trio.fail_after(4 * block_host.DEADLINE_S):
        nursery.start_soon(trio.to_thread.run_sync, read_on)
        await reads.wait()
        await usbip.unplug()
        await over.wait()
    async with slot.media() as media:
        assert await media.receive() == medium
    await usbip.plug()
    drive = gadget.drive()
    drive.wait_size(32 * MIB)
    assert drive.read(MIB, MIB) == image.read_bytes()[MIB : 2 * MIB]
    await usbip.unplug()
