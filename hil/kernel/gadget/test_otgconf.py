"""The gadget and its functions as channels, seen from the host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from peers.usb_host import wait_for_device, wait_for_no_device

from drivers.channels.otgconf import OtgconfDriver
from drivers.errors import DeviceGoneError, HostNotReadyError
from drivers.gadget.gadget import UsbGadget
from drivers.ports import LinkCondition

DEADLINE_S = 30.0


@asynccontextmanager
async def channels(gadget: UsbGadget) -> AsyncIterator[OtgconfDriver]:
    driver = OtgconfDriver(gadget, [], udc="", init_delay_s=DEADLINE_S)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(2 * DEADLINE_S):
            await nursery.start(driver.run)
        yield driver
        nursery.cancel_scope.cancel()


@pytest.mark.fault("channels: parts of the gadget", "returns")
async def test_unplugging_and_plugging_the_whole(dummy: str, spec: Any, running: Any) -> None:
    wanted = spec(dummy)
    usb = {"vendor": wanted.vendor_id, "product": wanted.product_id}
    async with running(UsbGadget(wanted)) as gadget, channels(gadget) as driver:
        device = await wait_for_device(**usb)
        assert await driver.read("udc") is True
        await driver.write("udc", False)
        await wait_for_no_device(**usb)
        assert gadget.link.condition is LinkCondition.UNPLUGGED
        with pytest.raises(HostNotReadyError, match="unplugged on purpose"):
            await gadget.keyboard.write(bytes(8))
        assert await driver.read("udc") is False
        assert await driver.read("hid.usb0") is True
        # What changes meanwhile is what the host sees when it is plugged in again.
        await driver.write("hid.usb2", False)
        await driver.write("udc", False)
        await driver.write("udc", True)
        device = await wait_for_device(**usb)
        assert device.read("bNumInterfaces").strip() == "2"
        assert [await driver.read(pin) for pin in ("udc", "hid.usb1", "hid.usb2")] == [True, True, False]
    with pytest.raises(DeviceGoneError):
        await gadget.set_bound(True)


@pytest.mark.fault("channels: parts of the gadget", "vanishes")
async def test_a_gadget_that_stops_is_offline(dummy: str, spec: Any, running: Any) -> None:
    gadget = UsbGadget(spec(dummy))
    async with running(gadget), channels(gadget) as driver:
        assert await driver.read("hid.usb1") is True
    with pytest.raises(DeviceGoneError):
        await driver.read("hid.usb1")
