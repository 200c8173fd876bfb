"""The USB link: what the state shows and what a host is told that has come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock

from drivers.errors import DeviceGoneError, HostNotReadyError
from drivers.fanout import Fanout
from drivers.ports import LinkCondition
from firmware.core.supervise import Backoff, Supervisor, TaskPhase
from firmware.subsystems.hid.config import HidConfig
from firmware.subsystems.hid.service import HidService

A_DOWN = bytes.fromhex("0000040000000000")


class Link:
    """A cable in the test's hand."""

    def __init__(self) -> None:
        self._fanout = Fanout[LinkCondition](bound=1)

    def conditions(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[LinkCondition]]:
        return self._fanout.listen(LinkCondition.CONFIGURED)

    async def wake(self) -> None:
        raise AssertionError("nobody asked for it")

    async def becomes(self, condition: LinkCondition) -> None:
        self._fanout.publish(condition)
        await trio.sleep(0.1)


@asynccontextmanager
async def running(ports: Any, link: Link) -> AsyncIterator[tuple[HidService, Supervisor]]:
    supervisor = Supervisor(backoff=Backoff(first_s=1, longest_s=1, jitter=0))
    service = HidService(
        HidConfig(),
        keyboard=ports.keyboard,
        mouse=ports.mouse,
        mouse_alt=ports.mouse_alt,
        supervisor=supervisor,
        link=link,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        await trio.sleep(0.1)
        yield service, supervisor
        nursery.cancel_scope.cancel()


async def test_devices_are_online_only_while_a_host_has_configured_them(
    autojump_clock: MockClock, ports: Any
) -> None:
    link = Link()
    async with running(ports, link) as (hid, _):
        assert hid.state.value.keyboard.online
        for condition in (LinkCondition.UNPLUGGED, LinkCondition.CONNECTED, LinkCondition.SUSPENDED):
            await link.becomes(condition)
            assert not hid.state.value.keyboard.online
            assert not hid.state.value.mouse.online
            await link.becomes(LinkCondition.CONFIGURED)
            assert hid.state.value.keyboard.online
            assert hid.state.value.mouse.online
        await link.becomes(LinkCondition.UNPLUGGED)
        await hid.set_mouse_output("usb_rel")
        assert not hid.state.value.mouse.online


async def test_a_host_that_comes_back_is_told_what_is_held(autojump_clock: MockClock, ports: Any) -> None:
    link = Link()
    async with running(ports, link) as (hid, _):
        await hid.send_key("KeyA", True)
        await trio.sleep(0.1)
        ports.keyboard.reports.clear()
        ports.mouse.reports.clear()
        await link.becomes(LinkCondition.SUSPENDED)
        await link.becomes(LinkCondition.CONFIGURED)
        assert ports.keyboard.reports == []
        await link.becomes(LinkCondition.UNPLUGGED)
        await link.becomes(LinkCondition.CONNECTED)
        await link.becomes(LinkCondition.CONFIGURED)
        assert ports.keyboard.reports == [A_DOWN]
        assert ports.mouse.reports == []


async def test_a_host_that_was_not_listening_yet_is_told_again(autojump_clock: MockClock, ports: Any) -> None:
    link = Link()
    async with running(ports, link) as (hid, _):
        await link.becomes(LinkCondition.UNPLUGGED)
        await hid.send_key("KeyA", True)
        await hid.send_mouse_button("left", True)
        await trio.sleep(0.1)
        await link.becomes(LinkCondition.CONFIGURED)
        for device in (ports.keyboard, ports.mouse):
            device.reports.clear()
        # Its driver throws away what came first.
        await trio.sleep(10)
        assert set(ports.keyboard.reports) == {A_DOWN}
        assert [report[0] for report in ports.mouse.reports] == [1] * len(ports.mouse.reports)
        assert ports.mouse.reports
        await hid.send_key("KeyA", False)
        await hid.send_mouse_button("left", False)
        await trio.sleep(0.1)
        for device in (ports.keyboard, ports.mouse):
            device.reports.clear()
        await trio.sleep(60)
        await link.becomes(LinkCondition.UNPLUGGED)
        await link.becomes(LinkCondition.CONFIGURED)
        await trio.sleep(60)
        assert ports.keyboard.reports == ports.mouse.reports == []


async def test_a_host_too_quick_to_be_seen_leaving_is_told_what_is_held(
    autojump_clock: MockClock, ports: Any
) -> None:
    link = Link()
    async with running(ports, link) as (hid, _):
        await hid.send_key("KeyA", True)
        await trio.sleep(0.1)
        ports.keyboard.reports.clear()
        await link.becomes(LinkCondition.CONFIGURED)
        assert ports.keyboard.reports == [A_DOWN]


async def test_a_device_that_a_new_host_does_not_see_stays_offline(
    autojump_clock: MockClock, ports: Any
) -> None:
    link = Link()
    ports.keyboard.error = HostNotReadyError("not linked")
    async with running(ports, link) as (hid, supervisor):
        await trio.sleep(60)
        for _ in range(2):
            await link.becomes(LinkCondition.UNPLUGGED)
            await link.becomes(LinkCondition.CONFIGURED)
            await trio.sleep(1)
            assert not hid.state.value.keyboard.online
            assert hid.state.value.mouse.online
        assert supervisor.tasks.value["hid.keyboard"].faults == 0
        ports.keyboard.error = DeviceGoneError("unplugged")
        await hid.send_key("KeyA", True)
        await trio.sleep(1.5)
        # While its task waits for its next attempt.
        await link.becomes(LinkCondition.UNPLUGGED)
        await link.becomes(LinkCondition.CONFIGURED)
        assert not hid.state.value.keyboard.online
        ports.keyboard.error = None
        await trio.sleep(5)
        assert hid.state.value.keyboard.online
        assert ports.keyboard.reports[-1] == A_DOWN


async def test_a_link_that_ends_is_watched_again(autojump_clock: MockClock, ports: Any) -> None:
    link = Link()
    async with running(ports, link) as (hid, supervisor):
        await link.becomes(LinkCondition.UNPLUGGED)
        supervisor.restart("hid.link")
        await trio.sleep(0.1)
        assert supervisor.tasks.value["hid.link"].phase is TaskPhase.ONLINE
        assert hid.state.value.keyboard.online
