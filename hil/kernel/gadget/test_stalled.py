"""A host's keys and buttons while the appliance's event loop stands still."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import trio
from peers.usb_host import wait_for_device, wait_until

from drivers.gadget.gadget import UsbGadget
from firmware.core.supervise import Supervisor
from firmware.stall_release import release_when_stalled
from firmware.subsystems.hid.config import HidConfig
from firmware.subsystems.hid.service import HidService

PATIENCE_S = 30
KEY_G, KEY_H, BTN_RIGHT = 34, 35, 273


def stand_still(until: Callable[[], bool], what: str) -> None:
    """Keep the event loop from going on until something has happened without it."""
    give_up = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < give_up, f"while the event loop stood still: not {what}"
        time.sleep(0.02)


async def test_what_is_held_is_released_while_the_loop_stands_still(
    dummy: str, spec: Any, running: Any
) -> None:
    wanted = spec(dummy)
    async with running(UsbGadget(wanted)) as gadget, trio.open_nursery() as nursery:
        assert gadget.keyboard is not None
        hid = HidService(
            HidConfig(),
            keyboard=gadget.keyboard,
            mouse=gadget.mice[0],
            mouse_alt=gadget.mice[1],
            supervisor=Supervisor(),
            link=gadget.link,
        )
        await nursery.start(hid.run)
        nursery.start_soon(release_when_stalled, hid)
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        async with device.events(0) as keyboard, device.events(1) as mouse:
            with trio.fail_after(PATIENCE_S):
                # Once more if this machine itself stood still in between, as emulated ones do at their start.
                while not (keyboard.held() == {KEY_G} and mouse.held() == {BTN_RIGHT}):
                    await hid.send_key("KeyG", True)
                    await hid.send_mouse_button("right", True)
                    await trio.sleep(0.2)
            stand_still(lambda: not keyboard.held(), "the key released")
            stand_still(lambda: not mouse.held(), "the button released")

            # It stays released when the loop goes on, and what is pressed then is pressed alone.
            await wait_until(lambda: not hid.holds("KeyG"), "counted as released")
            await hid.send_key("KeyH", True)
            await wait_until(
                lambda: keyboard.held() == {KEY_H} and not mouse.held(), "the next key alone held"
            )
            await hid.send_key("KeyH", False)
            await wait_until(lambda: not keyboard.held(), "the next key released")
        nursery.cancel_scope.cancel()
