"""The gadget in the hands of a process without rights, through the privileged one: all that it did as root.

The privileged process is the product's, as root without any capability; the other one is `nobody`. What the
host sees is looked at from the host.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import block_host, disk_images, modules, usb_host
from peers.block_host import HostDrive
from peers.privileged import Unprivileged, helper, unprivileged
from peers.usb_host import EV_KEY, InputEvent, wait_for_device, wait_for_no_device

from drivers.gadget.configfs import GadgetDirectory, remove
from drivers.gadget.hand_over import LUN_ATTRIBUTES

# Each test starts two or three processes, which an emulated machine takes its time for.
pytestmark = pytest.mark.timeout(600)

SERIAL = "RIG0008"
CONTROLLER = "dummy_udc.0"
USB: dict[str, Any] = {"vendor": 0x1D6B, "product": 0x0104, "serial": SERIAL}
GADGET = Path("/sys/kernel/config/usb_gadget/farhand")
MIB = 1024 * 1024
KEY_A = "0000040000000000"
NOTHING = "0000000000000000"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path


@pytest.fixture
def controller() -> Iterator[None]:
    usb_host.load()
    modules.load("libcomposite", "usb_f_mass_storage")
    block_host.prepare()
    modules.load("dummy_hcd")
    yield
    remove(GadgetDirectory("farhand"))
    modules.unload("dummy_hcd")


@pytest.fixture
def socket(place: Path) -> Path:
    return place / "privileged.sock"


@pytest.fixture
def service(controller: None, socket: Path) -> Iterator[Unprivileged]:
    """A process without rights, and the one that has them behind *socket*."""
    with helper(socket), unprivileged(str(socket), CONTROLLER, SERIAL) as process:
        yield process


def readable_image(path: Path) -> Path:
    disk_images.random_bytes(path, MIB)
    os.chown(path, 65534, 65534)
    path.chmod(0o600)
    return path


def drive(number: int) -> HostDrive:
    return block_host.find(SERIAL, lun=number)


def writable_by_group(group: int) -> set[str]:
    """What of the gadget somebody else than root may write; all of it is root's."""
    found = set()
    for path in sorted(GADGET.rglob("*")):
        if not path.is_symlink():
            status = path.stat()
            assert status.st_uid == 0
            if status.st_mode & stat.S_IWOTH or (status.st_gid == group and status.st_mode & stat.S_IWGRP):
                found.add(str(path.relative_to(GADGET)))
    return found


async def test_composing_typing_and_recomposing(service: Unprivileged) -> None:
    assert service.tell("start") == ["hid.usb0", "hid.usb1", "hid.usb2", "mass_storage.usb0"]
    device = await wait_for_device(**USB)
    assert device.read("bNumInterfaces").strip() == "4"
    async with device.events(0) as reader:
        assert service.tell("press", KEY_A) is None
        assert await reader.frame() == [InputEvent(EV_KEY, 30, 1)]
        assert service.tell("press", NOTHING) is None
        assert await reader.frame() == [InputEvent(EV_KEY, 30, 0)]
    assert service.tell("link", "hid.usb2", False) is None
    device = await wait_for_device(**USB)
    assert device.read("bNumInterfaces").strip() == "3"
    assert service.tell("bind", False) is None
    await wait_for_no_device(vendor=USB["vendor"], product=USB["product"])
    assert service.tell("bind", True) is None
    device = await wait_for_device(**USB)
    async with device.events(0) as reader:
        assert service.tell("press", KEY_A) is None
        assert await reader.frame() == [InputEvent(EV_KEY, 30, 1)]
        assert service.tell("press", NOTHING) is None
    number = device.number
    assert service.tell("stop") is None
    assert service.tell("start") == ["hid.usb0", "hid.usb1", "mass_storage.usb0"]
    assert (await wait_for_device(**USB)).number == number, "a restart was seen by the host"


async def test_media_come_and_go(service: Unprivileged, place: Path) -> None:
    service.tell("start")
    image = readable_image(place / "disk.img")
    service.tell("watch", 0)
    assert service.tell("insert", str(image), True, False) is None
    there = drive(0)
    there.wait_size(MIB)
    assert there.inquiry().type == block_host.CDROM
    assert service.tell("eject", False) is None
    there.wait_size(None)
    # A writable one is the host's to write, and stays the service's file.
    assert service.tell("insert", str(image), False, True) is None
    there = there.rescan()
    there.wait_size(MIB)
    there.write(0, b"x" * 4096)
    assert service.tell("eject", True) is None
    assert image.read_bytes()[:4096] == b"x" * 4096


async def test_the_kernel_offers_no_file_that_the_service_may_not_read(
    service: Unprivileged, place: Path
) -> None:
    service.tell("start")
    secret = disk_images.random_bytes(place / "shadow", MIB)
    secret.chmod(0o600)
    service.tell("watch", 0)
    assert service.tell("insert", str(secret), False, False)["error"] == "ImagePermissionError"
    # Not even past the driver's own look at the file.
    written = service.tell("put", str(GADGET / "functions/mass_storage.usb0/lun.0/file"), f"{secret}\n")
    assert written["error"] == "PermissionError"
    assert (GADGET / "functions/mass_storage.usb0/lun.0/file").read_text().strip() == ""


async def test_what_is_handed_over_and_nothing_else(service: Unprivileged) -> None:
    service.tell("start")
    await wait_for_device(**USB)
    writable = writable_by_group(65534)
    luns = ("lun.0", "lun.1")
    assert writable == {
        f"functions/mass_storage.usb0/{lun}/{name}" for lun in luns for name in LUN_ATTRIBUTES
    }
    for path, text in (
        (GADGET / "UDC", "\n"),
        (GADGET / "idVendor", "0x1234"),
        (GADGET / "functions/mass_storage.usb0/stall", "1"),
        (GADGET / "functions/hid.usb0/report_length", "4"),
        (Path("/proc/sys/kernel/hostname"), "x"),
        (Path("/dev/vda"), "x"),
        (Path("/etc/passwd"), "x"),
    ):
        refused = service.tell("put", str(path), text)
        assert refused["error"] in ("PermissionError", "OSError"), f"{path}: {json.dumps(refused)}"
    assert service.tell("make", str(GADGET.parent / "mine"))["error"] == "PermissionError"
    assert service.tell("make", str(GADGET / "functions/acm.usb9"))["error"] == "PermissionError"


@pytest.mark.slow
async def test_waking_a_host(service: Unprivileged) -> None:
    service.tell("start")
    # A host that asks for media again and again does not sleep.
    assert service.tell("link", "mass_storage.usb0", False) is None
    device = await wait_for_device(**USB)
    device.allow_wakeup()
    await device.suspend()
    answer: Any = service.tell("wake")
    assert answer is None, answer
    await usb_host.wait_until(lambda: not device.is_suspended(), "the host to wake up")


@pytest.mark.slow
async def test_without_the_helper_it_is_a_fault_and_with_it_all_is_well(
    controller: None, socket: Path
) -> None:
    with unprivileged(str(socket), CONTROLLER, SERIAL) as service:
        missing = service.tell("start")
        assert missing["error"] == "DeviceGoneError"
        assert "farhand-privileged.socket" in missing["text"]
        with helper(socket) as process:
            assert "hid.usb0" in service.tell("start")
            process.kill()
            process.wait(30)
        socket.unlink()  # noqa: ASYNC240 - in memory
        # The keyboard needs it no more; a change does, and what composes is started again then.
        await wait_for_device(**USB)
        assert service.tell("press", NOTHING) is None
        assert service.tell("link", "hid.usb2", False)["error"] == "DeviceGoneError"
        service.tell("wait_ended")
        with helper(socket):
            assert "hid.usb0" in service.tell("start")
            assert service.tell("link", "hid.usb2", False) is None


@pytest.mark.slow
async def test_the_drive_of_a_gadget_that_root_composed_is_handed_over_too(
    service: Unprivileged, place: Path
) -> None:
    """As after an update of an appliance that ran as root."""
    service.tell("start")
    service.tell("stop")
    for name in LUN_ATTRIBUTES:
        path = GADGET / "functions/mass_storage.usb0/lun.0" / name
        os.chown(path, 0, 0)
    assert "hid.usb0" in service.tell("start")
    service.tell("watch", 0)
    assert service.tell("insert", str(readable_image(place / "disk.img")), False, False) is None
