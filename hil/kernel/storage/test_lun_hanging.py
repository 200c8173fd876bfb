"""Images on a file system that hangs: told in time, nothing half done, and usable again afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from peers import disk_images
from peers.block_host import DEADLINE_S, HostDrive
from peers.hanging_files import HangingFiles, hanging_files

from drivers.errors import DeviceBusyError, DeviceTimeoutError
from drivers.gadget import lun
from drivers.gadget.lun import LunSlot
from drivers.ports import Medium

MIB = 1024 * 1024

Flags = Callable[[], tuple[str, str, str]]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[HangingFiles]:
    (tmp_path / "net").mkdir()
    with hanging_files(tmp_path / "net", name="far.img", size_bytes=MIB) as files:
        yield files


@pytest.fixture
def near(tmp_path: Path) -> Medium:
    """An image on a disk that answers."""
    return Medium(disk_images.random_bytes(tmp_path / "near.img", MIB), cdrom=True, rw=False)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a second instead of ten for what never comes."""
    monkeypatch.setattr(lun, "CHANGE_DEADLINE_S", 1.0)


async def idle(slot: LunSlot) -> None:
    with trio.fail_after(DEADLINE_S):
        while slot.statistics()["threads_busy"]:
            await trio.sleep(0.01)


async def test_a_far_image_can_be_offered(slot: LunSlot, drive: HostDrive, files: HangingFiles) -> None:
    await slot.insert(Medium(files.path, cdrom=False, rw=False))
    drive.wait_size(MIB)
    assert drive.read(0, 4096) == bytes(4096)
    await slot.eject()


@pytest.mark.fault("mass storage gadget", "stalls")
async def test_an_image_that_hangs_before_the_drive_is_touched(
    slot: LunSlot, drive: HostDrive, files: HangingFiles, flags: Flags, near: Medium
) -> None:
    files.hang()
    with pytest.raises(DeviceTimeoutError, match=r"far\.img: see to the disk or network"):
        await slot.insert(Medium(files.path, cdrom=True, rw=False))
    assert files.hanging.is_set()
    assert flags() == ("0", "1", "")
    # The drive itself goes on talking to the host.
    assert drive.inquiry().removable
    with pytest.raises(DeviceBusyError, match="an earlier operation still hangs"):
        await slot.insert(near)
    files.release()
    await idle(slot)
    assert flags() == ("0", "1", "")
    await slot.insert(near)
    drive.wait_size(MIB)


@pytest.mark.fault("mass storage gadget", "stalls")
async def test_an_image_that_hangs_in_the_kernel_is_taken_out_when_it_comes_too_late(
    slot: LunSlot, drive: HostDrive, files: HangingFiles, flags: Flags
) -> None:
    # Our own opening passes; the kernel's, which holds up the drive, does not.
    files.hang(passing=1)
    with pytest.raises(DeviceTimeoutError):
        await slot.insert(Medium(files.path, cdrom=True, rw=False))
    assert files.hanging.is_set()
    files.release()
    await idle(slot)
    assert flags() == ("0", "1", "")
    async with slot.media() as media:
        assert await media.receive() is None
    await slot.insert(Medium(files.path, cdrom=True, rw=False))
    drive.wait_size(MIB)
    await slot.eject()


async def test_a_cancelled_insertion_is_undone(slot: LunSlot, files: HangingFiles, flags: Flags) -> None:
    files.hang(passing=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(slot.insert, Medium(files.path, cdrom=True, rw=False))
        assert await trio.to_thread.run_sync(files.hanging.wait, DEADLINE_S)
        nursery.cancel_scope.cancel()
    files.release()
    await idle(slot)
    assert flags() == ("0", "1", "")
