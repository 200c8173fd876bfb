from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import DeviceGoneError, HostNotReadyError
from drivers.wire.hid_report import KeyboardReports
from drivers.wire.hid_usages import KEYS
from firmware.core.supervise import Backoff, Supervisor, TaskPhase
from firmware.state.hid import Leds
from firmware.subsystems.hid.config import HidConfig, HidJigglerConfig, HidMouseConfig
from firmware.subsystems.hid.service import HidService

CLEAR = bytes(8)
A_DOWN = bytes.fromhex("0000040000000000")


@asynccontextmanager
async def running(
    ports: Any, config: HidConfig | None = None, *, with_alt: bool = True
) -> AsyncIterator[tuple[HidService, Supervisor]]:
    """The service on recording ports; the reports of the start are out of the way."""
    supervisor = Supervisor(backoff=Backoff(first_s=1, longest_s=1, jitter=0))
    service = HidService(
        config or HidConfig(),
        keyboard=ports.keyboard,
        mouse=ports.mouse,
        mouse_alt=ports.mouse_alt if with_alt else None,
        supervisor=supervisor,
        rng=random.Random(1),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        await trio.sleep(0.02)
        for port in (ports.keyboard, ports.mouse, ports.mouse_alt):
            port.reports.clear()
        yield service, supervisor
        nursery.cancel_scope.cancel()


async def test_a_key_click_and_the_finish_rule(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports) as (hid, _):
        await hid.send_key("KeyA", True, finish=True)
        await hid.send_key("ShiftLeft", True, finish=True)
        await hid.send_key("PrintScreen", True, finish=True)
        await trio.sleep(1)
    assert [r.hex() for r in ports.keyboard.reports] == [
        "0000040000000000",
        "0000000000000000",
        "0200000000000000",
        "0200460000000000",
        "0000000000000000",  # everything is released at the end
    ]


async def test_random_events_arrive_in_order_and_complete(autojump_clock: MockClock, ports: Any) -> None:
    rng, expected, model = random.Random(7), [], KeyboardReports()
    names = sorted(KEYS)
    ports.keyboard.write_s = 0.001
    async with running(ports) as (hid, _):
        for _ in range(5000):
            name, pressed = rng.choice(names), rng.random() < 0.5
            expected += model.press(KEYS[name]) if pressed else model.release(KEYS[name])
            await hid.send_key(name, pressed)
        await trio.sleep(60)
        assert ports.keyboard.reports == expected


async def test_many_callers_cannot_reorder_reports(autojump_clock: MockClock, ports: Any) -> None:
    """With a full queue, the report of a later event must never be overtaken by that of an earlier one."""
    ports.keyboard.write_s = 0.01

    async def type_keys(hid: HidService, key: str) -> None:
        for _ in range(400):
            await hid.send_key(key, True)
            await hid.send_key(key, False)

    async with running(ports) as (hid, _):
        async with trio.open_nursery() as nursery:
            for key in ("KeyA", "KeyB", "KeyC", "KeyD"):
                nursery.start_soon(type_keys, hid, key)
        await trio.sleep(60)
        assert len(ports.keyboard.reports) == 4 * 800
        assert ports.keyboard.reports[-1] == CLEAR
        for before, after in zip(ports.keyboard.reports, ports.keyboard.reports[1:], strict=False):
            assert sum(x != y for x, y in zip(before, after, strict=True)) == 1


async def test_release_all_drops_the_queue_and_clears_every_device(
    autojump_clock: MockClock, ports: Any
) -> None:
    ports.keyboard.write_s = 1
    async with running(ports) as (hid, _):
        for _ in range(10):
            await hid.send_key("KeyA", True, finish=True)
        await hid.send_mouse_button("left", True)
        hid.release_all()
        await trio.sleep(10)
        assert len(ports.keyboard.reports) <= 2
        assert ports.keyboard.reports[-1] == CLEAR
        assert ports.mouse.reports[-1][0] == 0
        assert ports.mouse_alt.reports == [bytes(5)]


async def test_a_host_that_does_not_take_reports_shows_offline_and_the_newest_wins(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with running(ports) as (hid, _):
        ports.keyboard.error = HostNotReadyError("asleep")
        await hid.send_key("KeyA", True)
        await trio.sleep(0.5)
        assert hid.state.value.keyboard.online is False
        assert hid.state.value.mouse.online is True
        await hid.send_key("KeyA", False)
        await hid.send_key("KeyB", True)
        await trio.sleep(0.5)
        ports.keyboard.error = None
        await trio.sleep(0.5)
        assert hid.state.value.keyboard.online is True
        assert [r.hex() for r in ports.keyboard.reports] == ["0000050000000000"]


async def test_retries_keep_their_pace_when_the_port_knows_at_once(
    autojump_clock: MockClock, ports: Any
) -> None:
    ports.keyboard.failing_write_s = 0.0
    async with running(ports) as (hid, _):
        ports.keyboard.error = HostNotReadyError("off")
        await hid.send_key("KeyA", True)
        await trio.sleep(10)
        assert 95 <= ports.keyboard.attempts <= 105
        ports.keyboard.error = None
        await trio.sleep(0.2)
        assert ports.keyboard.reports == [A_DOWN]


async def test_a_report_is_given_up_after_its_retries(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports) as (hid, _):
        ports.keyboard.error = HostNotReadyError("asleep")
        ports.keyboard.attempts = 0
        await hid.send_key("KeyA", True)
        await trio.sleep(60)
        assert ports.keyboard.attempts == 150
        assert hid.statistics()["hid.keyboard"]["given_up"] == 1


async def test_a_device_that_went_away_comes_back_with_the_present_state(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with running(ports) as (hid, supervisor):
        ports.keyboard.error = DeviceGoneError("unplugged")
        await hid.send_key("KeyA", True)
        await trio.sleep(0.5)
        assert supervisor.tasks.value["hid.keyboard"].phase is TaskPhase.BACKING_OFF
        assert hid.state.value.keyboard.online is False
        # A caller is never held up by a device that is not there.
        with trio.fail_after(1):
            for _ in range(5000):
                await hid.send_key("KeyB", True, finish=True)
        ports.keyboard.error = None
        await trio.sleep(2)
        assert ports.keyboard.reports == [A_DOWN]
        assert hid.state.value.keyboard.online is True


async def test_callers_waiting_for_room_are_let_go_when_the_device_goes(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with running(ports) as (hid, _):
        ports.keyboard.write_s = 5

        async def type_much() -> None:
            for _ in range(3000):
                await hid.send_key("KeyA", True, finish=True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(type_much)
            await trio.sleep(1)
            ports.keyboard.error = DeviceGoneError("unplugged")
            with trio.fail_after(30):
                while nursery.child_tasks:
                    await trio.sleep(1)


async def test_a_shortcut_releases_what_it_pressed_when_its_caller_leaves(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with running(ports) as (hid, _):
        with trio.move_on_after(0.12):
            await hid.send_shortcut(["ControlLeft", "AltLeft", "Delete"])
        await trio.sleep(1)
        assert ports.keyboard.reports[-1] == CLEAR
        assert len(ports.keyboard.reports) == 4


async def test_a_shortcut_takes_fifty_milliseconds_per_event(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports) as (hid, _):
        start = trio.current_time()
        await hid.send_shortcut(["ControlLeft", "AltLeft", "Delete"])
        assert trio.current_time() - start == pytest.approx(0.3)
        await hid.send_shortcut([])


async def test_leds(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports) as (hid, _):
        await ports.keyboard.led_sender.send(0b011)
        await trio.sleep(0.1)
        assert hid.state.value.keyboard.leds == Leds(caps=True, num=True, scroll=False)


async def test_switching_the_mouse_releases_the_old_one(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports) as (hid, _):
        await hid.send_mouse_button("left", True)
        await hid.set_mouse_output("usb_rel")
        await hid.send_mouse_relative([(5, -5)])
        await hid.send_mouse_move(0, 0)
        await trio.sleep(0.1)
        assert ports.mouse.reports[-1][0] == 0
        assert ports.mouse_alt.reports == [bytes.fromhex("0005fb0000")]
        mouse = hid.state.value.mouse
        assert (mouse.absolute, mouse.outputs.active) == (False, "usb_rel")
        await hid.set_mouse_output("ps2")
        assert hid.state.value.mouse.outputs.active == "usb_rel"


async def test_win98_is_offered_only_when_configured(autojump_clock: MockClock, ports: Any) -> None:
    config = HidConfig(mouse=HidMouseConfig(absolute_win98_fix=True))
    async with running(ports, config) as (hid, _):
        assert hid.state.value.mouse.outputs.available == ("usb", "usb_rel", "usb_win98")
        await hid.set_mouse_output("usb_win98")
        await hid.send_mouse_move(32767, -32768)
        await trio.sleep(0.1)
        assert ports.mouse.reports[-1].hex() == "00feff00000000"
        # It is the same device as `usb`: the pointer stays where it is.
        await hid.set_mouse_output("usb")
        await hid.send_mouse_button("left", True)
        await trio.sleep(0.1)
        assert ports.mouse.reports[-1].hex() == "01ff7f00000000"
    async with running(ports, with_alt=False) as (hid, _):
        assert hid.state.value.mouse.outputs.available == ()
        assert hid.state.value.mouse.outputs.active == ""


async def test_the_jiggler_jiggles_when_idle_and_comes_back(autojump_clock: MockClock, ports: Any) -> None:
    config = HidConfig(jiggler=HidJigglerConfig(interval=60))
    async with running(ports, config) as (hid, _):
        await hid.send_mouse_move(1000, 2000)
        await trio.sleep(0.1)
        home = ports.mouse.reports[-1]
        await trio.sleep(300)
        assert ports.mouse.reports[-1] == home
        assert len(ports.mouse.reports) == 1
        hid.set_jiggler(True)
        await trio.sleep(5)
        assert len(ports.mouse.reports) == 12
        assert ports.mouse.reports[-1] == home
        await trio.sleep(43)
        assert len(ports.mouse.reports) == 12
        await trio.sleep(40)
        assert len(ports.mouse.reports) == 23


async def test_a_disabled_jiggler_cannot_be_switched_on(autojump_clock: MockClock, ports: Any) -> None:
    config = HidConfig(jiggler=HidJigglerConfig(enabled=False, active=True))
    async with running(ports, config) as (hid, _):
        hid.set_jiggler(True)
        assert hid.state.value.jiggler.active is False


async def test_inactivity_counts_from_the_last_event(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports) as (hid, _):
        await trio.sleep(12)
        assert int(hid.inactivity_s()) == 12
        await hid.send_mouse_wheel([(0, 1)])
        await trio.sleep(3.5)
        assert int(hid.inactivity_s()) == 3
        hid.release_all()
        assert int(hid.inactivity_s()) == 3


async def test_a_bug_in_a_port_shows_offline_and_holds_nobody_up(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with running(ports) as (hid, supervisor):
        ports.keyboard.error = RuntimeError("a bug of the test")
        with trio.fail_after(5):
            for _ in range(3000):
                await hid.send_key("KeyA", True, finish=True)
                await trio.lowlevel.checkpoint()
        assert hid.state.value.keyboard.online is False
        assert supervisor.tasks.value["hid.keyboard"].bugs >= 1
        ports.keyboard.error = None
        await trio.sleep(3)
        assert hid.state.value.keyboard.online is True


@pytest.mark.fault("gadget HID", "stalls")
async def test_a_port_that_hangs_is_a_fault(autojump_clock: MockClock, ports: Any) -> None:
    async with running(ports) as (hid, supervisor):
        ports.keyboard.write_s = 1000
        await hid.send_key("KeyA", True)
        await trio.sleep(5.5)
        assert hid.state.value.keyboard.online is False
        assert supervisor.tasks.value["hid.keyboard"].faults == 1
        ports.keyboard.write_s = 0
        await trio.sleep(3)
        assert ports.keyboard.reports == [A_DOWN]


async def test_the_end_releases_what_a_writer_between_two_attempts_had_pressed(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with running(ports) as (hid, _):
        await hid.send_key("KeyA", True)
        await trio.sleep(0.1)
        ports.keyboard.error = DeviceGoneError("a moment of it")
        await hid.send_key("KeyB", True)
        await trio.sleep(0.2)
        ports.keyboard.error = None
    assert ports.keyboard.reports == [A_DOWN, CLEAR]


@pytest.mark.parametrize("device", ["keyboard", "mouse"])
async def test_a_restarted_writer_takes_up_what_is_held(
    autojump_clock: MockClock, ports: Any, device: str
) -> None:
    port = getattr(ports, device)
    async with running(ports) as (hid, supervisor):
        await hid.send_key("KeyA", True)
        await hid.send_mouse_button("left", True)
        await trio.sleep(0.1)
        held = port.reports[-1]
        supervisor.restart(f"hid.{device}")
        await trio.sleep(0.1)
        released = bytes((0, *held[1:])) if device == "mouse" else CLEAR
        assert port.reports == [held, released, held]


async def test_a_click_whose_caller_leaves_is_finished(autojump_clock: MockClock, ports: Any) -> None:
    ports.mouse.write_s = 0.01
    async with running(ports) as (hid, _):
        with trio.move_on_after(2):
            for _ in range(5000):
                await hid.click_mouse_button("left")
        await trio.sleep(60)
        assert ports.mouse.reports[-1][0] == 0
