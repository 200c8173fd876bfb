"""A backend that can be switched by itself: what it says is shown, what is asked of it is passed on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import trio
from trio.testing import MockClock

from drivers.fanout import Fanout
from drivers.ports import ControllerState
from firmware.core.supervise import Supervisor
from firmware.state.hid import Outputs
from firmware.subsystems.hid.config import HidConfig
from firmware.subsystems.hid.service import HidService

ALL = ("usb", "usb_rel", "ps2")


@dataclass
class Controller:
    """A microcontroller that does what it is asked."""

    state: ControllerState = ControllerState(
        online=True,
        connected=True,
        keyboard_outputs=("usb", "ps2"),
        keyboard_output="usb",
        mouse_outputs=ALL,
        mouse_output="usb",
    )
    resets: int = 0
    fanout: Fanout[ControllerState] = field(default_factory=lambda: Fanout(bound=1))

    def states(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[ControllerState]]:
        return self.fanout.listen(self.state)

    def _become(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self.fanout.publish(self.state)

    async def set_keyboard_output(self, output: str) -> None:
        self._become(keyboard_output=output)

    async def set_mouse_output(self, output: str) -> None:
        self._become(mouse_output=output, mouse_absolute=output == "usb")

    async def set_connected(self, connected: bool) -> None:
        self._become(connected=connected)

    async def reset(self) -> None:
        self.resets += 1


@asynccontextmanager
async def running(ports: Any, controller: Controller) -> AsyncIterator[HidService]:
    service = HidService(
        HidConfig(),
        keyboard=ports.keyboard,
        mouse=ports.mouse,
        mouse_alt=ports.mouse_alt,
        supervisor=Supervisor(),
        controller=controller,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        await trio.sleep(0.1)
        yield service
        nursery.cancel_scope.cancel()


async def test_its_outputs_are_shown_and_switched(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports, Controller()) as hid:
        assert hid.state.value.keyboard.outputs == Outputs(("usb", "ps2"), "usb")
        assert hid.state.value.mouse.outputs == Outputs(ALL, "usb")
        await hid.set_keyboard_output("ps2")
        await hid.set_mouse_output("usb_rel")
        await trio.sleep(0.1)
        assert hid.state.value.keyboard.outputs.active == "ps2"
        assert hid.state.value.mouse.outputs.active == "usb_rel"
        assert not hid.state.value.mouse.absolute
        await hid.send_mouse_relative([(3, 4)])
        await trio.sleep(0.1)
        assert ports.mouse_alt.reports[-1] == bytes((0, 3, 4, 0, 0))


async def test_outputs_that_it_does_not_have_are_ignored(autojump_clock: MockClock, ports: Any) -> None:
    controller = Controller()
    async with running(ports, controller) as hid:
        before = controller.state
        await hid.set_keyboard_output("disabled")
        await hid.set_mouse_output("usb_win98")
        assert controller.state == before


async def test_switching_the_mouse_releases_its_buttons(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports, Controller()) as hid:
        await hid.send_mouse_button("left", True)
        await trio.sleep(0.1)
        assert ports.mouse.reports[-1][0] == 1
        await hid.set_mouse_output("ps2")
        await trio.sleep(0.1)
        assert ports.mouse.reports[-1][0] == 0


async def test_it_is_unplugged_and_reset(autojump_clock: MockClock, ports: Any) -> None:
    controller = Controller()
    async with running(ports, controller) as hid:
        assert hid.state.value.connected is True
        await hid.set_connected(False)
        await trio.sleep(0.1)
        assert hid.state.value.connected is False
        await hid.reset()
        assert controller.resets == 1
