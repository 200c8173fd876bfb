"""Gadgets with USB drives, the slots that drive them, and the host's view of them."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from peers import block_host, modules, usbip
from peers.block_host import HostDrive

from drivers.gadget.lun import LunSlot

_CONFIGFS = Path("/sys/kernel/config/usb_gadget")
_numbers = itertools.count()


class StorageGadget:
    """A gadget with nothing but mass storage, composed by hand."""

    def __init__(self, udc: str, *, functions: int = 1, luns: int = 1) -> None:
        self.serial = f"STORAGE{next(_numbers)}"
        self.path = _CONFIGFS / f"hil-{self.serial.lower()}"
        self.path.mkdir()
        self._put("idVendor", "0x1d6b")
        self._put("idProduct", "0x0104")
        strings = self.path / "strings/0x409"
        strings.mkdir()
        (strings / "serialnumber").write_text(self.serial)
        self.config = self.path / "configs/c.1"
        self.config.mkdir()
        for number in range(functions):
            function = self.path / f"functions/mass_storage.usb{number}"
            function.mkdir()
            (function / "stall").write_text("0")
            for lun in range(luns):
                (function / f"lun.{lun}").mkdir(exist_ok=True)
                (function / f"lun.{lun}/removable").write_text("1")
                (function / f"lun.{lun}/ro").write_text("1")
            (self.config / function.name).symlink_to(function)
        self._udc = udc
        self._put("UDC", udc)

    def lun(self, function: int = 0, lun: int = 0) -> Path:
        """The directory that a `LunSlot` is given."""
        return self.path / f"functions/mass_storage.usb{function}/lun.{lun}"

    def drive(self, function: int = 0, lun: int = 0) -> HostDrive:
        """The host's view of it."""
        return block_host.find(self.serial, function=function, lun=lun)

    def rebind(self) -> None:
        """Take it from its controller and give it back."""
        self._put("UDC", "\n")
        self._put("UDC", self._udc)

    def take_apart(self) -> None:
        """Unbind it and remove it from configfs."""
        if not self.path.exists():
            return
        try:
            self._put("UDC", "\n")
        except OSError as exc:
            if exc.errno != errno.ENODEV:
                raise
        for link in [path for path in self.config.iterdir() if path.is_symlink()]:
            link.unlink()
        for function in (self.path / "functions").iterdir():
            for lun in sorted(function.glob("lun.*")):
                # lun.0 goes with its function, and only so.
                if lun.name != "lun.0":
                    lun.rmdir()
            function.rmdir()
        self.config.rmdir()
        (self.path / "strings/0x409").rmdir()
        self.path.rmdir()

    def _put(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)


@pytest.fixture(scope="session")
def usb_host() -> Iterator[None]:
    """A kernel with a gadget side and a host side, joined by dummy_hcd."""
    modules.load("libcomposite", "usb_f_mass_storage")
    block_host.prepare()
    modules.load("dummy_hcd")
    yield
    modules.unload("dummy_hcd")


@pytest.fixture
def compose(usb_host: None) -> Iterator[Callable[..., StorageGadget]]:
    """Compose a gadget; all are taken apart at the end."""
    gadgets: list[StorageGadget] = []

    def compose(udc: str = "dummy_udc.0", *, functions: int = 1, luns: int = 1) -> StorageGadget:
        gadgets.append(StorageGadget(udc, functions=functions, luns=luns))
        return gadgets[-1]

    yield compose
    for gadget in gadgets:
        gadget.take_apart()


@pytest.fixture
def gadget(compose: Callable[..., StorageGadget]) -> StorageGadget:
    """A gadget with one empty, read-only flash drive."""
    return compose()


@pytest.fixture
def gadget_lun(gadget: StorageGadget) -> Path:
    """The directory of the gadget's drive in configfs."""
    return gadget.lun()


@pytest.fixture
def drive(gadget: StorageGadget) -> HostDrive:
    """The host's side of the gadget's drive."""
    return gadget.drive()


@pytest.fixture
async def slot(gadget: StorageGadget, nursery: trio.Nursery) -> LunSlot:
    """Our side of the gadget's drive, running."""
    slot = LunSlot(gadget.lun())
    await nursery.start(slot.run)
    return slot


@pytest.fixture
def usbip_cable(usb_host: None) -> Iterator[str]:
    """A cable that can be pulled (`peers.usbip`), not plugged in yet; its controller's name."""
    usbip.load()
    yield usbip.UDC
    modules.unload("vhci-hcd")
    modules.unload("usbip-vudc")


@pytest.fixture
def no_writeback() -> Iterator[None]:
    """Unwritten data stays in memory until somebody asks for it to be written."""
    interval = Path("/proc/sys/vm/dirty_writeback_centisecs")
    before = interval.read_text()
    interval.write_text("0")
    yield
    interval.write_text(before)


@pytest.fixture
def flags(gadget: StorageGadget) -> Callable[[], tuple[str, str, str]]:
    """The kernel's own words: `cdrom`, `ro`, `file`."""

    def flags() -> tuple[str, str, str]:
        cdrom, ro, file = ((gadget.lun() / name).read_text().strip() for name in ("cdrom", "ro", "file"))
        return cdrom, ro, file

    return flags


@pytest.fixture
def becomes() -> Callable[[LunSlot, object], Awaitable[None]]:
    """Wait until the slot shows that medium, or None."""

    async def becomes(slot: LunSlot, medium: object) -> None:
        shown: list[object] = []
        with suppress(trio.TooSlowError), trio.fail_after(block_host.DEADLINE_S):
            async with slot.media() as media:
                async for found in media:
                    shown.append(found)
                    if found == medium:
                        return
        pytest.fail(f"the drive never showed {medium}, but {shown}")

    return becomes
