from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from drivers.channels.otgconf import OtgconfDriver
from drivers.errors import DeviceBusyError, DeviceGoneError, NotSupportedError
from drivers.fanout import Fanout
from drivers.gadget.gadget import Composition
from drivers.gadget.spec import GadgetSpec, SerialFunction, keyboard
from drivers.ports import ChannelDriver

type Running = Callable[[ChannelDriver], AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]]


class Gadget:
    """A gadget without a kernel."""

    def __init__(self) -> None:
        self.spec = GadgetSpec(functions=(keyboard("usb0"), SerialFunction("usb0")))
        self.now: Composition | None = None
        self._fanout = Fanout[Composition | None](1)

    def compositions(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Composition | None]]:
        return self._fanout.listen(self.now)

    def become(self, now: Composition | None) -> None:
        self.now = now
        self._fanout.publish(now)

    async def set_bound(self, bound: bool) -> None:
        assert self.now is not None
        self.become(dataclasses.replace(self.now, bound=bound))

    async def set_linked(self, name: str, linked: bool) -> None:
        assert self.now is not None
        if name == "acm.usb0" and linked:
            raise DeviceBusyError("no endpoints left")
        changed = self.now.linked | {name} if linked else self.now.linked - {name}
        self.become(dataclasses.replace(self.now, linked=changed))


COMPOSED = Composition("dwc2.usb", True, frozenset({"hid.usb0"}))


@pytest.fixture
def gadget() -> Gadget:
    return Gadget()


async def test_the_gadget_and_its_functions_are_switched(
    gadget: Gadget, running: Running, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    gadget.become(COMPOSED)
    driver = OtgconfDriver(gadget, ["udc", "hid.usb9"], udc="", init_delay_s=3)
    async with running(driver) as changes:
        assert [await driver.read(pin) for pin in ("udc", "hid.usb0", "acm.usb0")] == [True, True, False]
        changes.receive_nowait()
        await driver.write("udc", False)
        await changes.receive()
        assert await driver.read("udc") is False
        await driver.write("hid.usb0", False)
        await changes.receive()
        assert await driver.read("hid.usb0") is False
        await driver.write("hid.usb0", True)
        with pytest.raises(DeviceBusyError):
            await driver.write("acm.usb0", True)
        with pytest.raises(NotSupportedError, match=r"one of udc, hid\.usb0, acm\.usb0, got 'hid.usb9'"):
            await driver.read("hid.usb9")
    assert "hid.usb9" in caplog.text


@pytest.mark.fault("channels: parts of the gadget", "missing", "vanishes")
async def test_a_gadget_that_takes_its_time_is_offline_until_then(
    gadget: Gadget, running: Running, autojump_clock: MockClock
) -> None:
    driver = OtgconfDriver(gadget, [], udc="dwc2.usb", init_delay_s=3)
    async with running(driver):
        assert trio.current_time() == pytest.approx(3)
        with pytest.raises(DeviceGoneError):
            await driver.read("udc")
        gadget.become(COMPOSED)
        await wait_all_tasks_blocked()
        assert await driver.read("udc") is True
        gadget.become(None)
        await wait_all_tasks_blocked()
        with pytest.raises(DeviceGoneError):
            await driver.read("hid.usb0")


async def test_a_board_without_a_gadget_and_another_controller_are_said(gadget: Gadget) -> None:
    with pytest.raises(NotSupportedError, match="no USB gadget"):
        await OtgconfDriver(None, [], udc="", init_delay_s=3).run()
    gadget.become(COMPOSED)
    with pytest.raises(NotSupportedError, match=r"on other\.0, got it on dwc2\.usb"):
        await OtgconfDriver(gadget, [], udc="other.0", init_delay_s=3).run()
