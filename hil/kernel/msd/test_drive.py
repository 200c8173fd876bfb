"""The virtual drive of the API on the real gadget: planned, connected, read and written by the host."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from peers import block_host, disk_images, modules
from peers.block_host import HostDrive

from drivers.gadget.configfs import GadgetDirectory, remove
from drivers.gadget.gadget import UsbGadget
from drivers.gadget.lun import LunSlot
from drivers.gadget.spec import GadgetSpec, MassStorageFunction
from firmware.subsystems.msd.drive import VirtualDrive
from firmware.subsystems.msd.errors import MsdLockedError, MsdOfflineError, MsdUnknownImageError

SERIAL = "MSD0001"
DEADLINE_S = 60


@dataclass
class Bench:
    """The drive, and the host's view of it."""

    drive: VirtualDrive
    host: HostDrive


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    block_host.prepare()
    modules.load("libcomposite", "dummy_hcd")
    gadget = UsbGadget(GadgetSpec(functions=(MassStorageFunction("usb0"),), serial=SERIAL, udc="dummy_udc.*"))
    slot = LunSlot(gadget.lun_directories("mass_storage.usb0")[0])
    drive = VirtualDrive(slot)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(gadget.run)
            await nursery.start(slot.run)
            await nursery.start(drive.run)
            yield Bench(drive, await trio.to_thread.run_sync(block_host.find, SERIAL))
            nursery.cancel_scope.cancel()
    finally:
        remove(GadgetDirectory("farhand"))
        modules.unload("dummy_hcd")


async def connected_is(drive: VirtualDrive, wanted: bool) -> None:
    with trio.fail_after(DEADLINE_S):
        while drive.state.value.connected is not wanted:
            await trio.sleep(0.05)


async def test_an_iso_is_read_byte_for_byte(bench: Bench, tmp_path: Path) -> None:
    image = disk_images.iso9660(tmp_path / "disk.iso", "HELLO.TXT", b"hello, target\n" * 1000)
    bench.drive.set_params(image=image, cdrom=True)
    await bench.drive.connect()
    content = image.read_bytes()
    await trio.to_thread.run_sync(bench.host.wait_size, len(content))
    assert await trio.to_thread.run_sync(bench.host.sha256) == hashlib.sha256(content).hexdigest()
    await bench.drive.disconnect()


async def test_a_flash_image_is_read_and_written(bench: Bench, tmp_path: Path) -> None:
    image = disk_images.random_bytes(tmp_path / "flash.img")
    bench.drive.set_params(image=image, writable=True, cdrom=False, rw=True)
    await bench.drive.connect()
    content = image.read_bytes()
    # Linux asks a drive what it is when it finds it: a CD drive that became a stick is looked at anew.
    host = await trio.to_thread.run_sync(bench.host.rescan)
    await trio.to_thread.run_sync(host.wait_size, len(content))
    assert await trio.to_thread.run_sync(host.sha256) == hashlib.sha256(content).hexdigest()
    await trio.to_thread.run_sync(host.write, 4096, b"\xaa" * 8192)
    await bench.drive.disconnect()
    assert image.read_bytes() == content[:4096] + b"\xaa" * 8192 + content[4096 + 8192 :]


async def test_a_locked_medium_is_refused_and_then_forced(bench: Bench, tmp_path: Path) -> None:
    image = disk_images.random_bytes(tmp_path / "disk.iso")
    bench.drive.set_params(image=image, cdrom=True)
    await bench.drive.connect()
    await trio.to_thread.run_sync(bench.host.lock)
    with pytest.raises(MsdLockedError):
        await bench.drive.disconnect(force=False)
    assert bench.drive.state.value.connected
    await bench.drive.disconnect()
    assert not bench.drive.state.value.connected


async def test_what_the_host_ejects_shows_and_can_be_connected_again(bench: Bench, tmp_path: Path) -> None:
    image = disk_images.random_bytes(tmp_path / "disk.iso")
    bench.drive.set_params(image=image, cdrom=True)
    await bench.drive.connect()
    await trio.to_thread.run_sync(bench.host.wait_size, image.stat().st_size)
    await trio.to_thread.run_sync(bench.host.eject)
    await connected_is(bench.drive, False)
    assert bench.drive.state.value.image == image
    await bench.drive.connect()
    await bench.drive.disconnect()


async def test_an_image_that_vanished_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.drive.set_params(image=tmp_path / "gone.img", cdrom=False)
    with pytest.raises(MsdUnknownImageError):
        await bench.drive.connect()
    assert not bench.drive.state.value.connected


@pytest.mark.fault("mass storage gadget", "missing")
async def test_without_a_gadget_the_drive_is_offline() -> None:
    drive = VirtualDrive(LunSlot(Path("/sys/kernel/config/usb_gadget/nosuch/functions/a/lun.0")))
    with pytest.raises(MsdOfflineError):
        await drive.connect()
