from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.ports import LineEdge
from firmware.core.supervise import Backoff, Supervisor
from firmware.state.atx import AtxActs, AtxLeds
from firmware.subsystems.atx.config import AtxConfig
from firmware.subsystems.atx.service import AtxDisabledError, AtxIsBusyError, AtxService


@dataclass
class Led:
    level: bool = False
    error: DriverError | None = None
    _senders: list[trio.MemorySendChannel[LineEdge]] = field(default_factory=list)

    async def read(self) -> bool:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return self.level

    @asynccontextmanager
    async def edges(self) -> AsyncIterator[trio.MemoryReceiveChannel[LineEdge]]:
        send, receive = trio.open_memory_channel[LineEdge](16)
        self._senders.append(send)
        try:
            yield receive
        finally:
            self._senders.remove(send)

    def set(self, level: bool, *, silently: bool = False) -> None:
        self.level = level
        if not silently:
            for sender in self._senders:
                sender.send_nowait(LineEdge(level, trio.current_time()))

    def unplug(self) -> None:
        self.error = DeviceGoneError("gpiochip0 vanished")
        for sender in list(self._senders):
            sender.close()


@dataclass
class Switch:
    log: list[tuple[float, bool]] = field(default_factory=list)
    error: DriverError | None = None

    async def set(self, level: bool) -> None:
        await trio.lowlevel.checkpoint()
        self.log.append((trio.current_time(), level))

    async def pulse(self, seconds: float) -> None:
        if self.error is not None:
            raise self.error
        await self.set(True)
        try:
            await trio.sleep(seconds)
        finally:
            self.log.append((trio.current_time(), False))

    @property
    def pulses(self) -> list[float]:
        return [round(off[0] - on[0], 3) for on, off in zip(self.log[::2], self.log[1::2], strict=True)]


@dataclass
class Panel:
    power_led: Led = field(default_factory=Led)
    hdd_led: Led = field(default_factory=Led)
    power: Switch = field(default_factory=Switch)
    reset: Switch = field(default_factory=Switch)


@asynccontextmanager
async def running(panel: Panel, config: AtxConfig | None = None) -> AsyncIterator[AtxService]:
    service = AtxService(
        config or AtxConfig(),
        power_led=panel.power_led,
        hdd_led=panel.hdd_led,
        power_switch=panel.power,
        reset_switch=panel.reset,
        supervisor=Supervisor(backoff=Backoff(first_s=1, longest_s=1, jitter=0)),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        await wait_all_tasks_blocked()
        yield service
        nursery.cancel_scope.cancel()


async def test_leds_follow_edges_with_debounce_and_a_missed_edge_is_found(autojump_clock: MockClock) -> None:
    panel = Panel()
    async with running(panel) as atx:
        panel.power_led.set(True)
        await trio.sleep(0.01)
        assert atx.state.value.leds == AtxLeds(power=True)
        panel.power_led.set(False)
        await trio.sleep(0.05)
        assert atx.state.value.leds.power is True
        await trio.sleep(0.06)
        assert atx.state.value.leds.power is False
        panel.hdd_led.set(True, silently=True)
        await trio.sleep(1.1)
        assert atx.state.value.leds == AtxLeds(hdd=True)


async def test_a_short_blink_shows_although_the_line_is_low_again(autojump_clock: MockClock) -> None:
    panel = Panel()
    async with running(panel) as atx:
        panel.hdd_led.set(True)
        panel.hdd_led.set(False)
        await trio.sleep(0.01)
        assert atx.state.value.leds.hdd is True
        await trio.sleep(0.2)
        assert atx.state.value.leds.hdd is False


@pytest.mark.parametrize(
    ("action", "led", "power_pulses", "reset_pulses"),
    [
        ("on", False, [0.1], []),
        ("on", True, [], []),
        ("off", True, [0.1], []),
        ("off", False, [], []),
        ("off_hard", True, [5.5], []),
        ("off_hard", False, [], []),
        ("reset_hard", True, [], [0.1]),
        ("reset_hard", False, [], []),
    ],
)
async def test_conditional_actions(
    autojump_clock: MockClock, action: str, led: bool, power_pulses: list[float], reset_pulses: list[float]
) -> None:
    panel = Panel(power_led=Led(level=led))
    async with running(panel) as atx:
        await atx.power(action, wait=True)  # type: ignore[arg-type] # a table of texts
        assert panel.power.pulses == power_pulses
        assert panel.reset.pulses == reset_pulses


async def test_waiting_takes_the_click_and_one_more_second(autojump_clock: MockClock) -> None:
    async with running(Panel()) as atx:
        for button, seconds in (("power", 1.1), ("power_long", 6.5), ("reset", 1.1)):
            start = trio.current_time()
            await atx.click(button, wait=True)  # type: ignore[arg-type] # a table of texts
            assert trio.current_time() - start == pytest.approx(seconds)


async def test_the_same_button_is_busy_at_once_and_the_other_is_not(autojump_clock: MockClock) -> None:
    panel = Panel()
    async with running(panel) as atx:
        await atx.click("power")
        with pytest.raises(AtxIsBusyError):
            await atx.click("power_long")
        await atx.click("reset")
        assert atx.state.value.acts == AtxActs(power=True, reset=True)
        assert atx.state.value.busy is True
        await trio.sleep(1.05)
        with pytest.raises(AtxIsBusyError):
            await atx.click("power")
        await trio.sleep(0.1)
        assert atx.state.value.busy is False
        await atx.click("power", wait=True)
        assert panel.power.pulses == [0.1, 0.1]


async def test_a_click_is_finished_when_its_client_leaves(autojump_clock: MockClock) -> None:
    panel = Panel()
    async with running(panel) as atx:
        with trio.move_on_after(0.5):
            await atx.click("power_long", wait=True)
        await trio.sleep(10)
        assert panel.power.pulses == [5.5]
        assert atx.state.value.busy is False


async def test_the_line_is_released_when_the_appliance_stops(autojump_clock: MockClock) -> None:
    panel = Panel()
    async with running(panel) as atx:
        await atx.click("power_long")
        await trio.sleep(1)
    assert panel.power.log[-1][1] is False


async def test_a_chip_that_vanished_shows_offline_and_comes_back(autojump_clock: MockClock) -> None:
    panel = Panel(power_led=Led(level=True))
    async with running(panel) as atx:
        assert (atx.state.value.online, atx.state.value.leds.power) == (True, True)
        panel.power_led.unplug()
        await trio.sleep(0.5)
        assert (atx.state.value.online, atx.state.value.leds.power) == (False, False)
        panel.power_led.error = None
        await trio.sleep(2)
        assert (atx.state.value.online, atx.state.value.leds.power) == (True, True)


@pytest.mark.fault("GPIO lines, ATX", "EIO")
async def test_a_switch_that_fails_is_reported_and_free_again(autojump_clock: MockClock) -> None:
    panel = Panel()
    panel.power.error = DeviceGoneError("no line")
    async with running(panel) as atx:
        with pytest.raises(DeviceGoneError):
            await atx.click("power", wait=True)
        assert atx.state.value.busy is False
        await atx.click("power")
        await trio.sleep(0.1)
        assert atx.state.value.busy is False


async def test_a_click_that_is_cut_short_is_not_a_success(autojump_clock: MockClock) -> None:
    panel, errors = Panel(), list[Exception]()

    async def click(atx: AtxService) -> None:
        try:
            await atx.click("power_long", wait=True)
        except DeviceGoneError as exc:
            errors.append(exc)

    async with trio.open_nursery() as nursery, running(panel) as atx:
        nursery.start_soon(click, atx)
        await trio.sleep(1)
    assert [str(error) for error in errors] == ["the click of the power button was cut short"]
    assert panel.power.pulses == [1.0]


@pytest.mark.fault("GPIO lines, ATX", "stalls")
async def test_lines_that_hang_are_faults(autojump_clock: MockClock) -> None:
    class Stuck(Switch):
        async def pulse(self, seconds: float) -> None:
            await trio.sleep_forever()

    panel = Panel(power=Stuck())
    async with running(panel) as atx:
        with pytest.raises(DeviceTimeoutError):
            await atx.click("power", wait=True)
        assert atx.state.value.busy is False


async def test_disabled(autojump_clock: MockClock) -> None:
    async with running(Panel(), AtxConfig(type="disabled")) as atx:
        assert atx.state.value.enabled is False
        with pytest.raises(AtxDisabledError):
            await atx.click("power")
        with pytest.raises(AtxDisabledError):
            await atx.power("on")
