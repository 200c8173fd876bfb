"""The cable and the host behind it: sleep and wake, unplugging and replugging, deauthorizing, resets."""

from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from peers import usbip
from peers.usb_host import EV_KEY, InputEvent, wait_for_device, wait_until, write

from drivers.errors import DeviceGoneError, HostNotReadyError, NotSupportedError
from drivers.gadget.gadget import UsbGadget
from drivers.gadget.spec import mouse
from drivers.ports import LinkCondition
from drivers.wire.hid_report import KeyboardReports
from drivers.wire.hid_usages import KEYS

KEY_A, KEY_B = 30, 48
NOTHING = bytes(8)
DEADLINE_S = 60


def press(name: str) -> bytes:
    reports = KeyboardReports()
    reports.press(KEYS[name])
    return reports.report


async def until(conditions: Any, wanted: LinkCondition) -> list[LinkCondition]:
    seen = []
    with trio.fail_after(DEADLINE_S):
        async for condition in conditions:
            seen.append(condition)
            if condition is wanted:
                return seen
    raise AssertionError(seen)


@pytest.fixture
async def pc(dummy: str, spec: Any, running: Any, host: Any) -> Any:
    async with AsyncExitStack() as stack:
        wanted = spec(dummy)
        gadget = await stack.enter_async_context(running(UsbGadget(wanted)))
        device = await stack.enter_async_context(host(wanted))
        reader = await stack.enter_async_context(device.events(0))
        conditions = await stack.enter_async_context(gadget.link.conditions())
        await until(conditions, LinkCondition.CONFIGURED)
        yield gadget, device, reader, conditions


def cpu_s() -> float:
    times = os.times()
    return times.user + times.system


async def test_a_sleeping_host_is_woken_by_a_key(pc: Any) -> None:
    gadget, device, reader, conditions = pc
    device.allow_wakeup()
    await write(gadget.keyboard, NOTHING)
    await device.suspend()
    await until(conditions, LinkCondition.SUSPENDED)
    await write(gadget.keyboard, press("KeyA"))
    assert await reader.frame() == [InputEvent(EV_KEY, KEY_A, 1)]
    # It may fall asleep again at once, which is no business of this test.
    device.resume()
    await write(gadget.keyboard, NOTHING)
    assert await reader.frame() == [InputEvent(EV_KEY, KEY_A, 0)]
    assert reader.pending() == []
    await until(conditions, LinkCondition.CONFIGURED)


async def test_wake_does_nothing_to_a_host_that_is_awake(pc: Any) -> None:
    gadget, device, _, _ = pc
    await gadget.link.wake()
    assert not device.is_suspended()
    assert gadget.link.condition is LinkCondition.CONFIGURED


@pytest.fixture
async def sleeping_pc(dummy: str, spec: Any, running: Any, host: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host that sleeps on, since this controller cannot wake it: as the one of a Raspberry Pi."""

    async def cannot_wake() -> None:
        raise NotSupportedError("this controller cannot wake a host")

    async with AsyncExitStack() as stack:
        wanted = spec(dummy, functions=(mouse("usb0", absolute=False),))
        gadget = await stack.enter_async_context(running(UsbGadget(wanted)))
        monkeypatch.setattr(gadget.link, "wake", cannot_wake)
        device = await stack.enter_async_context(host(wanted))
        reader = await stack.enter_async_context(device.events(0))
        conditions = await stack.enter_async_context(gadget.link.conditions())
        await device.suspend()
        await until(conditions, LinkCondition.SUSPENDED)
        yield gadget, device, reader, gadget.mice[0]


def move(dx: int) -> bytes:
    return bytes((0, dx, 0, 0, 0))


async def write_until_refused(port: Any) -> list[int]:
    """Write 1, 2, 3 … and return what is in the endpoint: controllers hold a report or two besides ours."""
    in_endpoint: list[int] = []
    for dx in range(1, 10):
        in_endpoint.append(dx)
        try:
            await port.write(move(dx))
        except HostNotReadyError:
            return in_endpoint
    raise AssertionError("a sleeping host took nine reports")


@pytest.mark.fault("gadget HID", "stalls")
async def test_reports_to_a_host_that_sleeps_on_stay_in_order(sleeping_pc: Any) -> None:
    gadget, device, reader, pointer = sleeping_pc
    expected = await write_until_refused(pointer)
    before = cpu_s(), time.monotonic()
    for dx in range(20, 40):
        with pytest.raises(HostNotReadyError):
            await pointer.write(move(dx))
    # Not a busy loop: the waiting is done by the kernel.
    assert cpu_s() - before[0] < 0.8 * (time.monotonic() - before[1])
    assert device.is_suspended()
    assert gadget.link.condition is LinkCondition.SUSPENDED
    device.resume()
    await write(pointer, move(50))
    # What was in the endpoint first, then the newest; what was refused never comes.
    assert [(await reader.frame())[0].value for _ in (*expected, 50)] == [*expected, 50]
    assert reader.pending() == []


async def test_a_movement_that_was_late_is_not_made_twice(sleeping_pc: Any) -> None:
    _, device, reader, pointer = sleeping_pc
    expected = await write_until_refused(pointer)
    device.resume()
    # The writer repeats what was refused, unless it has something newer.
    await write(pointer, move(expected[-1]))
    await write(pointer, move(77))
    assert [(await reader.frame())[0].value for _ in (*expected, 77)] == [*expected, 77]
    assert reader.pending() == []


@pytest.mark.fault("gadget HID", "stalls")
async def test_a_host_that_does_not_want_us_any_more(pc: Any) -> None:
    gadget, device, _, conditions = pc
    device.authorize(False)
    with pytest.raises(HostNotReadyError):
        await gadget.keyboard.write(NOTHING)
    # dummy_hcd still says "configured"; the write knows better.
    assert await until(conditions, LinkCondition.CONNECTED)
    assert gadget.link.condition is LinkCondition.CONNECTED
    device.authorize(True)
    await until(conditions, LinkCondition.CONFIGURED)
    await wait_until(lambda: bool(device.event_paths(0)), "the keyboard's events")
    async with device.events(0) as reader:
        await write(gadget.keyboard, press("KeyA"))
        assert await reader.frame() == [InputEvent(EV_KEY, KEY_A, 1)]
        await write(gadget.keyboard, NOTHING)


async def test_nobody_spins_while_no_host_has_configured_us(pc: Any) -> None:
    gadget, device, _, conditions = pc
    device.authorize(False)
    with suppress(HostNotReadyError):
        await gadget.keyboard.write(NOTHING)
    await until(conditions, LinkCondition.CONNECTED)
    before = cpu_s(), time.monotonic()
    await trio.sleep(3)  # an interval to measure in, not one to wait for something
    # poll says POLLIN all the time; a reader that believed it would take all of it.
    assert cpu_s() - before[0] < 0.5 * (time.monotonic() - before[1])
    device.authorize(True)
    await until(conditions, LinkCondition.CONFIGURED)
    async with device.events(0) as reader, gadget.keyboard.leds() as leds:
        reader.set_led(1, True)
        with trio.fail_after(DEADLINE_S):
            while await leds.receive() != 2:
                pass


async def test_a_host_that_boots_without_using_us_is_connected(dummy: str, spec: Any, running: Any) -> None:
    hub = Path("/sys/bus/usb/devices/usb1")
    (hub / "authorized_default").write_text("0")
    try:
        async with running(UsbGadget(spec(dummy))) as gadget, gadget.link.conditions() as conditions:
            assert LinkCondition.CONFIGURED not in await until(conditions, LinkCondition.CONNECTED)
            with pytest.raises(HostNotReadyError):
                await gadget.keyboard.write(NOTHING)
    finally:
        (hub / "authorized_default").write_text("1")


@pytest.mark.fault("gadget HID", "host leaves")
async def test_unplugging_while_writing_and_replugging(cable: str, spec: Any, running: Any) -> None:
    wanted = spec(cable)

    async def type_on(gadget: UsbGadget) -> None:
        assert gadget.keyboard is not None
        while True:
            for report in (press("KeyA"), NOTHING):
                with suppress(HostNotReadyError):
                    await gadget.keyboard.write(report)

    async with running(UsbGadget(wanted)) as gadget, gadget.link.conditions() as conditions:
        with pytest.raises(HostNotReadyError):
            await gadget.keyboard.write(NOTHING)
        for turn in range(4):
            await usbip.plug()
            await until(conditions, LinkCondition.CONFIGURED)
            device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
            for interface in range(3):
                await device.event_path(interface)
            async with device.events(0) as reader:
                # Nothing stale comes out of the endpoint: the host sees what is written from now on.
                await write(gadget.keyboard, press("KeyB"))
                assert await reader.frame() == [InputEvent(EV_KEY, KEY_B, 1)]
                await write(gadget.keyboard, NOTHING)
                assert await reader.frame() == [InputEvent(EV_KEY, KEY_B, 0)]
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(type_on, gadget)
                    values: list[int] = []
                    while len(values) < 6:
                        values += [event.value for event in await reader.frame() if event.kind == EV_KEY]
                    assert values == [1, 0] * 3
                    await usbip.unplug(by_host=bool(turn % 2))
                    await until(conditions, LinkCondition.CONNECTED)
                    nursery.cancel_scope.cancel()
            with pytest.raises(HostNotReadyError):
                await gadget.keyboard.write(press("KeyA"))


async def test_leds_after_replugging(cable: str, spec: Any, running: Any) -> None:
    wanted = spec(cable)
    async with (
        running(UsbGadget(wanted)) as gadget,
        gadget.link.conditions() as conditions,
        gadget.keyboard.leds() as leds,
    ):
        for _ in range(2):
            await usbip.plug()
            await until(conditions, LinkCondition.CONFIGURED)
            device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
            async with device.events(0) as reader:
                with trio.fail_after(DEADLINE_S):
                    reader.set_led(0, True)
                    while await leds.receive() != 1:
                        pass
                for interface in range(3):
                    await device.event_path(interface)
            await usbip.unplug()
            await until(conditions, LinkCondition.CONNECTED)


@pytest.mark.fault("gadget HID", "missing")
async def test_a_gadget_that_does_not_run_says_so(dummy: str, spec: Any, running: Any) -> None:
    gadget = UsbGadget(spec(dummy))
    for port in (gadget.keyboard, *gadget.mice):
        assert port is not None
        with pytest.raises(DeviceGoneError):
            await port.write(bytes(port.function.report_bytes))
    with pytest.raises(DeviceGoneError):
        await gadget.link.wake()
    async with running(gadget), gadget.link.conditions() as conditions:
        await until(conditions, LinkCondition.CONFIGURED)
    assert gadget.link.condition is LinkCondition.UNPLUGGED
    with pytest.raises(DeviceGoneError):
        await gadget.keyboard.write(NOTHING)  # type: ignore[union-attr]  # it has one, as above
