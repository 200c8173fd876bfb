"""The HID service over the real gadget: a host that has just come holds what the clients hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio
from peers import usbip
from peers.usb_host import wait_for_device, wait_until

from drivers.gadget.gadget import UsbGadget
from firmware.core.supervise import Supervisor, TaskPhase
from firmware.subsystems.hid.config import HidConfig
from firmware.subsystems.hid.service import HidService

KEY_G, KEY_LEFTSHIFT = 34, 42

type Serve = Callable[[UsbGadget], AbstractAsyncContextManager[tuple[HidService, Supervisor]]]


@pytest.fixture
def serving() -> Serve:
    """Run the HID service over a running gadget, as the appliance does."""

    @asynccontextmanager
    async def serve(gadget: UsbGadget) -> AsyncIterator[tuple[HidService, Supervisor]]:
        assert gadget.keyboard is not None
        supervisor = Supervisor()
        service = HidService(
            HidConfig(),
            keyboard=gadget.keyboard,
            mouse=gadget.mice[0],
            mouse_alt=gadget.mice[1],
            supervisor=supervisor,
            link=gadget.link,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            yield service, supervisor
            nursery.cancel_scope.cancel()

    return serve


@pytest.mark.fault("gadget HID", "host leaves")
async def test_a_host_that_is_plugged_in_again_holds_what_the_client_holds(
    cable: str, spec: Any, running: Any, serving: Serve
) -> None:
    wanted = spec(cable)
    async with running(UsbGadget(wanted)) as gadget, serving(gadget) as (hid, _):
        await usbip.plug()
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        async with device.events(0) as reader:
            await hid.send_key("ShiftLeft", True)
            await hid.send_key("KeyG", True)
            await wait_until(lambda: reader.held() == {KEY_LEFTSHIFT, KEY_G}, "the keys held")
            await usbip.unplug()
        # Nobody types meanwhile: what the host knows it knows from being told again.
        await usbip.plug()
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        async with device.events(0) as reader:
            await wait_until(lambda: reader.held() == {KEY_LEFTSHIFT, KEY_G}, "the keys held again")
            await usbip.unplug()
        await hid.send_key("KeyG", False)
        await usbip.plug()
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        async with device.events(0) as reader:
            await wait_until(lambda: reader.held() == {KEY_LEFTSHIFT}, "what is still held")
            hid.release_all()
            await wait_until(lambda: not reader.held(), "nothing held")


@pytest.mark.slow
async def test_a_keyboard_that_is_configured_not_to_start_is_offline_and_no_fault(
    dummy: str, spec: Any, running: Any, serving: Serve
) -> None:
    wanted = spec(dummy, disabled=frozenset({"hid.usb0"}))
    async with running(UsbGadget(wanted)) as gadget, serving(gadget) as (hid, supervisor):
        await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        await wait_until(lambda: not hid.state.value.keyboard.online, "an offline keyboard")
        await hid.send_key("KeyG", True)
        await wait_until(lambda: hid.statistics()["hid.keyboard"]["given_up"] > 0, "that it is given up", 60)
        task = supervisor.tasks.value["hid.keyboard"]
        assert (task.phase, task.faults) == (TaskPhase.ONLINE, 0)
        await gadget.set_linked("hid.usb0", True)
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        async with device.events(0) as reader:
            await wait_until(lambda: reader.held() == {KEY_G}, "the key that was pressed before")
        await wait_until(lambda: hid.state.value.keyboard.online, "a keyboard that is online")
