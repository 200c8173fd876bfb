"""Images that cannot be offered: refused by name, the drive as it was before."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from peers import disk_images
from peers.block_host import HostDrive

from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    ImageError,
    ImageMissingError,
    ImagePermissionError,
)
from drivers.gadget import lun_image
from drivers.gadget.lun import LunSlot
from drivers.gadget.lun_inquiry import DriveInquiry, InquiryString
from drivers.ports import Medium

MIB = 1024 * 1024
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE = 0x80086601, 0x40086602, 0x10
EMPTY = ("0", "1", "")

Flags = Callable[[], tuple[str, str, str]]


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Let nobody write to a file, not even root."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        (present,) = struct.unpack("l", fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, bytes(8)))
        fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", present | FS_IMMUTABLE))
        try:
            yield
        finally:
            fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", present))
    finally:
        os.close(descriptor)


def remount(path: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(path)], check=True)


@pytest.fixture
def file_system(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    directory = tmp_path / "fs"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(directory)], check=True)
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


async def refused(slot: LunSlot, flags: Flags, medium: Medium, error: type[Exception], message: str) -> None:
    before = flags()
    with pytest.raises(error, match=message) as caught:
        await slot.insert(medium)
    assert str(medium.path) in str(caught.value)
    assert flags() == before
    async with slot.media() as media:
        assert await media.receive() is None


@pytest.mark.parametrize(("cdrom", "rw"), [(True, False), (False, True)])
async def test_what_is_no_image_leaves_the_drive_as_it_was(
    slot: LunSlot, flags: Flags, tmp_path: Path, cdrom: bool, rw: bool
) -> None:
    def medium(path: Path) -> Medium:
        return Medium(path, cdrom=cdrom, rw=rw)

    (tmp_path / "file").write_bytes(bytes(MIB))
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, error, message in (
        (tmp_path / "none", ImageMissingError, "is not there"),
        (tmp_path / "file/below", ImageMissingError, "is not there"),
        (tmp_path / "loop", ImageMissingError, "is not there"),
        (tmp_path, ImageError, "expected a file or a block device, got a directory"),
        (tmp_path / "fifo", ImageError, "expected a file or a block device, got something else"),
        (Path("/dev/null"), ImageError, "expected a file or a block device, got something else"),
        (Path("relative.img"), ImageError, "expected an absolute path"),
    ):
        await refused(slot, flags, medium(path), error, message)
    assert flags() == EMPTY


async def test_an_image_that_is_too_small_is_told_the_least_size(
    slot: LunSlot, flags: Flags, tmp_path: Path
) -> None:
    for cdrom, least in ((True, lun_image.CDROM_LEAST_BYTES), (False, lun_image.FLASH_LEAST_BYTES)):
        for size in (0, least - 1):
            image = disk_images.sparse(tmp_path / f"{cdrom}-{size}", size)
            medium = Medium(image, cdrom=cdrom, rw=False)
            await refused(slot, flags, medium, ImageError, f"too small: .* needs at least {least} bytes")
        image = disk_images.sparse(tmp_path / f"{cdrom}-{least}", least)
        await slot.insert(Medium(image, cdrom=cdrom, rw=False))
        await slot.eject()


async def test_flags_and_names_are_put_back_after_the_kernel_refused_the_file(
    gadget_lun: Path, nursery: trio.Nursery, flags: Flags, tmp_path: Path
) -> None:
    names = DriveInquiry(cdrom=InquiryString("A", "CD", "1"), flash=InquiryString("A", "FLASH", "1"))
    slot = LunSlot(gadget_lun, inquiry=names)
    await nursery.start(slot.run)
    tiny, image = disk_images.sparse(tmp_path / "tiny", 600), disk_images.sparse(tmp_path / "image", MIB)
    await refused(slot, flags, Medium(tiny, cdrom=True, rw=False), ImageError, "too small")
    assert await slot.inquiry() is None
    await slot.insert(Medium(image, cdrom=False, rw=True))
    await slot.eject()
    assert flags() == ("0", "0", "")
    await refused(slot, flags, Medium(tiny, cdrom=True, rw=False), ImageError, "too small")
    assert flags() == ("0", "0", "")
    assert await slot.inquiry() == names.flash


async def test_the_kernels_errno_for_too_small_is_the_one_we_know(gadget_lun: Path, tmp_path: Path) -> None:
    tiny = disk_images.sparse(tmp_path / "tiny", 1)
    with pytest.raises(OSError, match="525") as refusal:
        (gadget_lun / "file").write_text(f"{tiny}\n")
    assert refusal.value.errno == lun_image.ERRNO_TOO_SMALL
    assert refusal.value.errno not in errno.errorcode


async def test_a_cdrom_image_that_the_kernel_would_cut_is_refused(
    gadget_lun: Path, slot: LunSlot, flags: Flags, tmp_path: Path
) -> None:
    largest = disk_images.sparse(tmp_path / "largest.iso", lun_image.CDROM_LIMIT_BYTES)
    await slot.insert(Medium(largest, cdrom=True, rw=False))
    assert flags() == ("1", "1", str(largest))
    await slot.eject()
    flags_before = flags()
    for size in (lun_image.CDROM_LIMIT_BYTES + 2048, 5 * 1024 * MIB):
        image = disk_images.sparse(tmp_path / "large.iso", size)
        await refused(
            slot, flags, Medium(image, cdrom=True, rw=False), ImageError, f"at most 2359293952 .* got {size}"
        )
    assert flags() == flags_before


async def test_the_largest_cdrom_image_is_seen_whole_by_the_host(
    drive: HostDrive, slot: LunSlot, tmp_path: Path
) -> None:
    largest = disk_images.sparse(tmp_path / "largest.iso", lun_image.CDROM_LIMIT_BYTES)
    await slot.insert(Medium(largest, cdrom=True, rw=False))
    drive.wait_size(lun_image.CDROM_LIMIT_BYTES)


async def test_an_image_that_cannot_be_written_is_no_writable_medium(
    slot: LunSlot, flags: Flags, file_system: Path
) -> None:
    """The kernel itself would offer it read-only, and not say so."""
    image = disk_images.random_bytes(file_system / "test.img", MIB)
    remount(file_system, "ro")
    await refused(
        slot, flags, Medium(image, cdrom=False, rw=True), ImagePermissionError, "Read-only file system"
    )
    await slot.insert(Medium(image, cdrom=False, rw=False))
    await slot.eject()
    remount(file_system, "rw")
    with immutable(image):
        await refused(
            slot, flags, Medium(image, cdrom=False, rw=True), ImagePermissionError, "offer it read-only"
        )
    await slot.insert(Medium(image, cdrom=False, rw=True))
    await slot.eject()


async def test_a_path_that_the_kernel_could_not_tell_again_is_refused(
    slot: LunSlot, flags: Flags, tmp_path: Path
) -> None:
    for length in (lun_image.PATH_LIMIT_BYTES, lun_image.PATH_LIMIT_BYTES + 1):
        image = long_path(tmp_path / str(length), length)
        medium = Medium(image, cdrom=False, rw=False)
        if length == lun_image.PATH_LIMIT_BYTES:
            await slot.insert(medium)
            assert flags()[2] == str(image)
            await slot.eject()
        else:
            await refused(slot, flags, medium, ImageError, "expected a path of at most 4094 bytes, got 4095")


async def test_a_medium_that_another_program_put_in_is_left_alone(
    gadget_lun: Path, slot: LunSlot, flags: Flags, tmp_path: Path
) -> None:
    theirs = disk_images.random_bytes(tmp_path / "theirs.img", MIB)
    ours = disk_images.random_bytes(tmp_path / "ours.img", MIB)
    (gadget_lun / "file").write_text(f"{theirs}\n")
    with pytest.raises(DeviceBusyError, match=r"theirs\.img"):
        await slot.insert(Medium(ours, cdrom=True, rw=False))
    assert flags() == ("0", "1", str(theirs))


@pytest.mark.fault("mass storage gadget", "missing")
async def test_without_a_gadget_there_is_no_drive(tmp_path: Path) -> None:
    slot = LunSlot(Path("/sys/kernel/config/usb_gadget/none/functions/mass_storage.usb0/lun.0"))
    with pytest.raises(DeviceGoneError, match="gadget not composed"):
        await slot.run()
    for operation in (slot.eject(), slot.insert(Medium(tmp_path, cdrom=True, rw=False)), slot.inquiry()):
        with pytest.raises(DeviceGoneError, match="gadget not composed"):
            await operation


def long_path(directory: Path, length: int) -> Path:
    """Make an image whose path has that many bytes; step by step, since no call takes it whole."""
    directory.mkdir()
    parts, rest = [], length - len(str(directory))
    while rest > 0:
        size = min(rest, 251) - 1
        # Not a single slash for the last part.
        size -= rest - size - 1 == 1
        parts.append("p" * size)
        rest -= size + 1
    here = os.open(directory, os.O_PATH)
    for part in parts[:-1]:
        os.mkdir(part, dir_fd=here)
        below = os.open(part, os.O_PATH, dir_fd=here)
        os.close(here)
        here = below
    descriptor = os.open(parts[-1], os.O_RDWR | os.O_CREAT, dir_fd=here)
    os.ftruncate(descriptor, MIB)
    os.close(descriptor)
    os.close(here)
    path = directory.joinpath(*parts)
    assert len(str(path)) == length
    return path
