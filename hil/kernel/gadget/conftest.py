"""A gadget on an emulated controller, and the host at its other end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
from peers import modules, usb_host, usbip
from peers.usb_host import UsbDevice, wait_for_device

from drivers.gadget.configfs import GadgetDirectory, remove
from drivers.gadget.gadget import UsbGadget
from drivers.gadget.spec import GadgetSpec, keyboard, mouse

NAME = "farhand"
SERIAL = "RIG0001"
DUMMY = "dummy_udc.0"


@pytest.fixture
def dummy() -> Iterator[str]:
    """The fast controller; its state is as new for each test."""
    usb_host.load()
    modules.load("libcomposite", "dummy_hcd")
    yield DUMMY
    remove(GadgetDirectory(NAME))
    modules.unload("dummy_hcd")


@pytest.fixture
def cable() -> Iterator[str]:
    """The controller with a cable that can be pulled."""
    usb_host.load()
    modules.load("libcomposite")
    usbip.load()
    yield usbip.UDC
    remove(GadgetDirectory(NAME))
    modules.unload("vhci-hcd")
    modules.unload("usbip-vudc")


@pytest.fixture
def spec() -> Callable[..., GadgetSpec]:
    """A keyboard and both mice on a controller."""

    def make(udc: str, *, no_out_endpoint: bool = True, **changes: object) -> GadgetSpec:
        functions = (
            keyboard("usb0", no_out_endpoint=no_out_endpoint),
            mouse("usb1", absolute=True),
            mouse("usb2", absolute=False),
        )
        arguments: dict[str, object] = {
            "functions": functions,
            "udc": udc,
            "name": NAME,
            "serial": SERIAL,
            **changes,
        }
        return GadgetSpec(**arguments)  # type: ignore[arg-type]  # the caller's changes are checked by what they do

    return make


@pytest.fixture
def running() -> Callable[[UsbGadget], AbstractAsyncContextManager[UsbGadget]]:
    """Run a gadget for the length of a block."""

    @asynccontextmanager
    async def run(gadget: UsbGadget) -> AsyncIterator[UsbGadget]:
        async with trio.open_nursery() as nursery:
            await nursery.start(gadget.run)
            yield gadget
            nursery.cancel_scope.cancel()

    return run


@pytest.fixture
def host() -> Callable[[GadgetSpec], AbstractAsyncContextManager[UsbDevice]]:
    """The host's view of the gadget, once it has configured it."""

    @asynccontextmanager
    async def find(spec: GadgetSpec) -> AsyncIterator[UsbDevice]:
        device = await wait_for_device(vendor=spec.vendor_id, product=spec.product_id, serial=spec.serial)
        yield device

    return find


@pytest.fixture
def gadgets() -> Path:
    """All gadgets of the kernel."""
    return Path("/sys/kernel/config/usb_gadget")
