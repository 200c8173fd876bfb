"""Media in the drive, as the appliance puts them in and the host sees them."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest
import trio
from peers import block_host, disk_images
from peers.block_host import HostDrive

from drivers.errors import DeviceBusyError
from drivers.gadget import lun
from drivers.gadget.lun import LunSlot
from drivers.gadget.lun_inquiry import DriveInquiry, InquiryString
from drivers.ports import Medium

MIB = 1024 * 1024


class Gadget(Protocol):
    def lun(self, function: int = 0, lun: int = 0) -> Path: ...

    def drive(self, function: int = 0, lun: int = 0) -> HostDrive: ...


Flags = Callable[[], tuple[str, str, str]]
Becomes = Callable[[LunSlot, object], Awaitable[None]]


@pytest.fixture(autouse=True)
def _a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing hangs here: what takes long is the emulated processor, of which others want their part."""
    monkeypatch.setattr(lun, "LOOK_DEADLINE_S", 60.0)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_unflushed(drive: HostDrive, disk: Path) -> bytes:
    """Write something that is in the kernel's memory and not on the disk yet; return it.

    By the raw command, since a host that syncs makes the kernel sync; and again if the host was just looking
    at the drive, since the end of that does so too.
    """
    for seed in range(20):
        pattern = random.Random(seed).randbytes(4096)
        drive.write_anyway(64, pattern)
        if pattern not in disk.read_bytes():
            return pattern
    pytest.fail("everything is on the disk at once")


async def test_the_drive_is_empty_at_first(gadget: Gadget, slot: LunSlot) -> None:
    drive = gadget.drive()
    assert drive.size_bytes() is None
    assert drive.inquiry().removable
    async with slot.media() as media:
        assert await media.receive() is None
    await slot.eject()
    assert drive.size_bytes() is None


async def test_a_cdrom_is_read_back_byte_for_byte(gadget: Gadget, slot: LunSlot, tmp_path: Path) -> None:
    image = disk_images.iso9660(tmp_path / "test.iso", "HELLO.TXT", b"hello from the appliance\n")
    medium = Medium(image, cdrom=True, rw=False)
    await slot.insert(medium)
    drive = gadget.drive()
    drive.wait_size(image.stat().st_size)
    assert drive.inquiry().type == block_host.CDROM
    assert drive.sha256() == sha256(image)
    with drive.mounted("iso9660") as directory:
        assert (directory / "hello.txt").read_text() == "hello from the appliance\n"
    async with slot.media() as media:
        assert await media.receive() == medium


async def test_a_flash_image_is_read_back_byte_for_byte(
    gadget: Gadget, slot: LunSlot, tmp_path: Path
) -> None:
    image = disk_images.random_bytes(tmp_path / "test.img", 4 * MIB)
    await slot.insert(Medium(image, cdrom=False, rw=False))
    drive = gadget.drive()
    drive.wait_size(4 * MIB)
    assert drive.inquiry().type == block_host.DISK
    assert drive.sha256() == sha256(image)
    assert drive.write_protected
    digest = sha256(image)
    with pytest.raises(OSError, match=r"Read-only file system|Permission denied"):
        drive.write(0, bytes(4096))
    # A host that does not care is refused by the drive itself.
    with pytest.raises(block_host.SenseError) as answer:
        drive.write_anyway(0, bytes(512))
    assert answer.value.code == block_host.WRITE_PROTECTED
    assert sha256(image) == digest == drive.sha256()


async def test_what_the_host_writes_is_in_the_image_after_ejecting(
    gadget: Gadget, slot: LunSlot, tmp_path: Path
) -> None:
    image = disk_images.fat(tmp_path / "test.img")
    await slot.insert(Medium(image, cdrom=False, rw=True))
    drive = gadget.drive()
    drive.wait_size(image.stat().st_size)
    assert not drive.write_protected
    with drive.mounted("vfat", rw=True) as directory:
        (directory / "written.txt").write_text("from the target\n" * 10_000)
    await slot.eject()
    drive.wait_size(None)
    assert slot.statistics()["unflushed"] == 0
    (tmp_path / "mounted").mkdir()
    with disk_images.mounted(image, "vfat", tmp_path / "mounted") as directory:
        assert (directory / "written.txt").read_text() == "from the target\n" * 10_000


@pytest.mark.usefixtures("no_writeback")
@pytest.mark.parametrize("who", ["we", "we, by force", "the host"])
async def test_what_the_host_wrote_is_on_the_disk_after_ejecting(
    gadget: Gadget, slot: LunSlot, tmp_path: Path, becomes: Becomes, who: str
) -> None:
    """The kernel alone would keep it in memory for half a minute."""
    disk, directory = disk_images.fat(tmp_path / "disk"), tmp_path / "mounted"
    directory.mkdir()
    with disk_images.mounted(disk, "vfat", directory, rw=True):
        image = disk_images.random_bytes(directory / "test.img", MIB)
        os.sync()
        await slot.insert(Medium(image, cdrom=False, rw=True))
        drive = gadget.drive()
        drive.wait_size(MIB)
        pattern = write_unflushed(drive, disk)
        if who == "the host":
            drive.eject()
            await becomes(slot, None)
            with trio.fail_after(block_host.DEADLINE_S):
                while slot.statistics()["unflushed"]:
                    await trio.sleep(0.01)
        else:
            await slot.eject(force=who != "we")
        assert pattern in disk.read_bytes()


async def test_sectors_written_past_the_cache_are_where_they_belong(
    gadget: Gadget, slot: LunSlot, tmp_path: Path
) -> None:
    image = disk_images.random_bytes(tmp_path / "test.img", MIB)
    expected = bytearray(image.read_bytes())
    await slot.insert(Medium(image, cdrom=False, rw=True))
    drive = gadget.drive()
    drive.wait_size(MIB)
    expected[4096:8192] = b"\xa5" * 4096
    drive.write(4096, b"\xa5" * 4096)
    assert drive.read(0, 16384) == expected[:16384]
    await slot.eject()
    assert image.read_bytes() == expected


async def test_another_medium_while_the_host_is_connected(
    gadget: Gadget, slot: LunSlot, tmp_path: Path, flags: Flags
) -> None:
    drive = gadget.drive()
    for seed, size in ((1, MIB), (2, 2 * MIB), (3, MIB)):
        image = disk_images.random_bytes(tmp_path / f"{seed}.img", size, seed=seed)
        await slot.insert(Medium(image, cdrom=False, rw=False))
        drive.wait_size(size)
        assert drive.sha256() == sha256(image)
        await slot.eject()
        drive.wait_size(None)
        assert flags() == ("0", "1", "")


async def test_the_kind_of_drive_changes_while_the_host_is_connected(
    gadget: Gadget, slot: LunSlot, tmp_path: Path, flags: Flags
) -> None:
    """The host is told at once, but believes what it saw at first until it looks anew, as in a restart."""
    image = disk_images.random_bytes(tmp_path / "test.img", MIB)
    drive = gadget.drive()
    assert drive.host_type == block_host.DISK
    for cdrom, rw, expected in (
        (True, False, ("1", "1")),
        (False, True, ("0", "0")),
        (True, False, ("1", "1")),
    ):
        await slot.insert(Medium(image, cdrom=cdrom, rw=rw))
        assert flags() == (*expected, str(image))
        kind = block_host.CDROM if cdrom else block_host.DISK
        drive.wait_size(MIB)
        assert drive.inquiry().type == kind
        assert drive.sha256() == sha256(image)
        drive = drive.rescan()
        assert drive.host_type == kind
        drive.wait_size(MIB)
        assert drive.sha256() == sha256(image)
        await slot.eject()
        drive.wait_size(None)


async def test_a_cdrom_is_never_writable(
    gadget: Gadget, slot: LunSlot, tmp_path: Path, flags: Flags, becomes: Becomes
) -> None:
    image = disk_images.random_bytes(tmp_path / "test.iso", MIB)
    await slot.insert(Medium(image, cdrom=True, rw=True))
    assert flags() == ("1", "1", str(image))
    await becomes(slot, Medium(image, cdrom=True, rw=False))


async def test_a_second_medium_is_refused_while_one_is_in(
    slot: LunSlot, tmp_path: Path, flags: Flags
) -> None:
    first = disk_images.random_bytes(tmp_path / "first.img", MIB)
    second = disk_images.random_bytes(tmp_path / "second.img", MIB)
    await slot.insert(Medium(first, cdrom=False, rw=False))
    for medium in (Medium(second, cdrom=True, rw=False), Medium(first, cdrom=False, rw=False)):
        with pytest.raises(
            DeviceBusyError, match=r"got .*first\.img in the USB drive mass_storage\.usb0/lun\.0"
        ):
            await slot.insert(medium)
    assert flags() == ("0", "1", str(first))


async def test_a_large_flash_drive_has_its_whole_size(gadget: Gadget, slot: LunSlot, tmp_path: Path) -> None:
    size = 5 * 1024 * MIB
    image = disk_images.sparse(tmp_path / "large.img", size)
    with image.open("r+b") as file:
        file.seek(size - 4096)
        file.write(b"the end".ljust(4096, b"."))
    await slot.insert(Medium(image, cdrom=False, rw=False))
    drive = gadget.drive()
    drive.wait_size(size)
    assert drive.read(size - 4096, 4096).startswith(b"the end.")


async def test_a_block_device_is_a_medium_too(gadget: Gadget, slot: LunSlot, tmp_path: Path) -> None:
    backing = disk_images.random_bytes(tmp_path / "backing.img", MIB)
    with disk_images.loop_device(backing) as device:
        await slot.insert(Medium(device, cdrom=False, rw=True))
        drive = gadget.drive()
        drive.wait_size(MIB)
        assert drive.sha256() == sha256(backing)
        drive.write(0, b"\x5a" * 4096)
        await slot.eject()
        assert backing.read_bytes()[:4096] == b"\x5a" * 4096


@pytest.mark.parametrize(
    "name", ["with space", "grün ☃", "a\nb", "end\n", "tab\t", "x (deleted)", "\udcff\udcfe"]
)
async def test_every_file_name_can_be_offered(
    slot: LunSlot, tmp_path: Path, name: str, becomes: Becomes
) -> None:
    image = disk_images.random_bytes(tmp_path / name, MIB)
    medium = Medium(image, cdrom=False, rw=False)
    await slot.insert(medium)
    # Not only what it remembers: another one finds the same.
    async with trio.open_nursery() as nursery:
        other = LunSlot(slot._lun.path)
        await nursery.start(other.run)
        await becomes(other, medium)
        nursery.cancel_scope.cancel()
    await slot.eject()
    await becomes(slot, None)


async def test_an_image_is_shown_by_the_callers_name_for_it_until_it_moves(
    slot: LunSlot, tmp_path: Path, becomes: Becomes
) -> None:
    image = disk_images.random_bytes(tmp_path / "real.img", MIB)
    link = tmp_path / "link"
    link.symlink_to(image)
    await slot.insert(Medium(link, cdrom=False, rw=False))
    await becomes(slot, Medium(link, cdrom=False, rw=False))
    moved = image.rename(tmp_path / "moved.img")
    await becomes(slot, Medium(moved, cdrom=False, rw=False))
    moved.unlink()
    moved.with_name("sign").touch()
    await slot.eject()
    await becomes(slot, None)


async def test_an_image_that_is_removed_stays_in_the_drive(
    gadget: Gadget, slot: LunSlot, tmp_path: Path, becomes: Becomes
) -> None:
    image = disk_images.random_bytes(tmp_path / "test.img", MIB)
    digest = sha256(image)
    medium = Medium(image, cdrom=False, rw=True)
    await slot.insert(medium)
    image.unlink()
    async with trio.open_nursery() as nursery:
        other = LunSlot(gadget.lun())
        await nursery.start(other.run)
        await becomes(other, medium)
        nursery.cancel_scope.cancel()
    drive = gadget.drive()
    drive.wait_size(MIB)
    assert drive.sha256() == digest
    await slot.eject()
    await becomes(slot, None)


async def test_the_drive_names_itself_after_its_kind(
    gadget: Gadget, nursery: trio.Nursery, tmp_path: Path
) -> None:
    inquiry = DriveInquiry(
        cdrom=InquiryString("Farhand", "Optical Drive", "1.00"),
        flash=InquiryString("Farhand", "Flash Drive", "2.00"),
    )
    slot = LunSlot(gadget.lun(), inquiry=inquiry)
    await nursery.start(slot.run)
    assert await slot.inquiry() is None
    drive = gadget.drive()
    image = disk_images.random_bytes(tmp_path / "test.img", MIB)
    for cdrom, expected in ((True, inquiry.cdrom), (False, inquiry.flash)):
        await slot.insert(Medium(image, cdrom=cdrom, rw=False))
        assert await slot.inquiry() == expected
        told = drive.inquiry()
        assert (told.vendor, told.product, told.revision) == (
            expected.vendor,
            expected.product,
            expected.revision,
        )
        drive = drive.rescan()
        assert drive.names() == (expected.vendor, expected.product, expected.revision)
        await slot.eject()


async def test_several_drives_are_independent(
    compose: Callable[..., Gadget], nursery: trio.Nursery, tmp_path: Path, becomes: Becomes
) -> None:
    gadget = compose(functions=2, luns=2)
    places = [(0, 0), (0, 1), (1, 0), (1, 1)]
    slots = {place: LunSlot(gadget.lun(*place)) for place in places}
    images = {}
    for number, place in enumerate(places):
        await nursery.start(slots[place].run)
        images[place] = disk_images.random_bytes(tmp_path / str(number), (number + 1) * MIB, seed=number)
    async with trio.open_nursery() as at_once:
        for number, place in enumerate(places):
            at_once.start_soon(slots[place].insert, Medium(images[place], cdrom=number % 2 == 0, rw=False))
    for number, place in enumerate(places):
        drive = gadget.drive(*place)
        drive.wait_size((number + 1) * MIB)
        assert drive.sha256() == sha256(images[place])
    await slots[0, 1].eject()
    await becomes(slots[0, 1], None)
    await becomes(slots[1, 1], Medium(images[1, 1], cdrom=False, rw=False))
