"""The front panel: what presses of different lengths do in different phases, and what the lamps say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from drivers.emulated.machine import Phase
from drivers.emulated.pc import EmulatedPc
from drivers.ports import LineEdge, LineInput, LineOutput

CLICK_S = 0.1
LONG_CLICK_S = 5.5


def check_protocols(pc: EmulatedPc) -> tuple[LineInput, LineInput, LineOutput, LineOutput]:
    """mypy proves that the lines are what the ports promise."""
    return pc.power_led, pc.hdd_led, pc.power_switch, pc.reset_switch


async def reach(pc: EmulatedPc, phase: Phase) -> float:
    """Wait for a phase and return when it came."""
    await pc.observer.wait_until(lambda: pc.observer.phase == phase)
    return trio.current_time()


async def test_a_short_press_turns_on_at_the_press(autojump_clock: MockClock, pc_off: EmulatedPc) -> None:
    assert await pc_off.power_led.read() is False
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pc_off.power_switch.pulse, CLICK_S)
        assert await reach(pc_off, Phase.BLANK) == began
        assert await pc_off.power_led.read() is True
    assert trio.current_time() == pytest.approx(began + CLICK_S)
    booted = await reach(pc_off, Phase.RUNNING) - began
    assert 2 < booted < 6
    assert list(pc_off.observer.power_offs) == []


async def test_a_short_press_asks_the_system_to_shut_down(
    autojump_clock: MockClock, pc: EmulatedPc, see: Any
) -> None:
    await pc.power_switch.pulse(CLICK_S)
    released = trio.current_time()
    assert pc.observer.powered
    await trio.sleep(0.1)
    assert "The system is going down for power off now." in await see(pc)
    off = await reach(pc, Phase.OFF)
    assert 1 <= off - released <= 2
    assert list(pc.observer.power_offs) == ["soft-off"]
    assert await pc.power_led.read() is False


async def test_a_press_just_below_four_seconds_is_a_short_one(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    await pc.power_switch.pulse(3.9)
    assert pc.observer.powered
    await reach(pc, Phase.OFF)
    assert list(pc.observer.power_offs) == ["soft-off"]


@pytest.mark.parametrize("length_s", [4.0, LONG_CLICK_S, 60.0])
async def test_holding_four_seconds_cuts_the_power_at_four_seconds(
    autojump_clock: MockClock, pc: EmulatedPc, length_s: float
) -> None:
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pc.power_switch.pulse, length_s)
        assert await reach(pc, Phase.OFF) == pytest.approx(began + 4)
    await trio.sleep(10)
    assert not pc.observer.powered
    assert list(pc.observer.power_offs) == ["hard-off"]


async def test_the_firmware_does_not_shut_down_but_goes_off(
    autojump_clock: MockClock, pc_off: EmulatedPc
) -> None:
    await pc_off.power_switch.pulse(CLICK_S)
    await reach(pc_off, Phase.POST)
    await pc_off.power_switch.set(True)
    assert not pc_off.observer.powered
    await pc_off.power_switch.set(False)
    await trio.sleep(10)
    assert not pc_off.observer.powered
    assert list(pc_off.observer.power_offs) == ["button"]


async def test_holding_the_press_that_turned_it_on_turns_it_off_again(
    autojump_clock: MockClock, pc_off: EmulatedPc
) -> None:
    began = trio.current_time()
    await pc_off.power_switch.set(True)
    assert pc_off.observer.powered
    assert await reach(pc_off, Phase.OFF) == pytest.approx(began + 4)
    assert list(pc_off.observer.power_offs) == ["hard-off"]
    await pc_off.power_switch.set(False)
    await pc_off.power_switch.pulse(CLICK_S)
    await reach(pc_off, Phase.RUNNING)


async def test_a_second_press_does_not_disturb_the_shutdown(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    await pc.power_switch.pulse(CLICK_S)
    asked = trio.current_time()
    await pc.power_switch.pulse(CLICK_S)
    assert pc.observer.phase == Phase.SHUTDOWN
    assert await reach(pc, Phase.OFF) == pytest.approx(asked + 1.5)
    assert list(pc.observer.power_offs) == ["soft-off"]


async def test_the_reset_switch_restarts_while_on_only(autojump_clock: MockClock, pc_off: EmulatedPc) -> None:
    await pc_off.reset_switch.pulse(CLICK_S)
    assert (pc_off.observer.phase, pc_off.observer.resets) == (Phase.OFF, 0)
    await pc_off.power_switch.pulse(CLICK_S)
    await reach(pc_off, Phase.RUNNING)
    transitions = len(pc_off.observer.transitions)
    await pc_off.reset_switch.set(True)
    assert pc_off.observer.phase == Phase.BLANK
    assert pc_off.observer.resets == 1
    await pc_off.reset_switch.set(False)
    await reach(pc_off, Phase.POST)
    await reach(pc_off, Phase.RUNNING)
    lines = [entry.line for entry in list(pc_off.observer.transitions)[transitions:]]
    assert "power_led" not in lines


async def test_the_power_lamp_announces_its_changes(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    async with pc.power_led.edges() as edges:
        began = trio.current_time()
        await pc.power_switch.pulse(LONG_CLICK_S)
        await pc.power_switch.pulse(CLICK_S)
        assert await edges.receive() == LineEdge(level=False, time=began + 4)
        edge = await edges.receive()
        assert (edge.level, edge.time) == (True, pytest.approx(began + LONG_CLICK_S))


async def test_the_disk_lamp_blinks_with_activity_and_is_dark_without(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Callable[[EmulatedPc], Any]
) -> None:
    assert await pc.hdd_led.read() is False
    async with pc.hdd_led.edges() as edges:
        await hands(pc).type("disk 2\n")
        levels = [(await edges.receive()).level for _ in range(12)]
        assert levels == [True, False] * 6
        await trio.sleep(5)
        while edges.statistics().current_buffer_used:
            edges.receive_nowait()
        with trio.move_on_after(60) as quiet:
            await edges.receive()
        assert quiet.cancelled_caught


async def test_a_slow_reader_of_edges_loses_the_oldest(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any
) -> None:
    async with pc.hdd_led.edges() as edges:
        await hands(pc).type("disk 60\n")
        await trio.sleep(61)
        kept = []
        while edges.statistics().current_buffer_used:
            kept.append(edges.receive_nowait())
    assert len(kept) == 16
    assert kept[-1].level is await pc.hdd_led.read()
    assert kept[0].time > 50


async def test_the_boot_shows_disk_activity(autojump_clock: MockClock, pc_off: EmulatedPc) -> None:
    await pc_off.power_switch.pulse(CLICK_S)
    await reach(pc_off, Phase.RUNNING)
    blinks = [entry for entry in pc_off.observer.transitions if entry.line == "hdd_led" and entry.level]
    assert len(blinks) >= 4


async def test_a_cancelled_pulse_releases_the_line(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    with trio.move_on_after(1):
        await pc.power_switch.pulse(LONG_CLICK_S)
    last = pc.observer.transitions[-1]
    switch = [entry for entry in pc.observer.transitions if entry.line == "power_switch"]
    assert [entry.level for entry in switch] == [True, False]
    assert last.time == pytest.approx(switch[0].time + 1)
    # Released after a second it was a short press.
    await reach(pc, Phase.OFF)
    assert list(pc.observer.power_offs) == ["soft-off"]


async def test_a_second_run_is_a_new_machine_at_the_same_ports(autojump_clock: MockClock) -> None:
    pc = EmulatedPc(start_powered=False)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(pc.run)
            assert not pc.observer.powered
            await pc.power_switch.pulse(CLICK_S)
            assert pc.observer.powered
            with pytest.raises(RuntimeError, match="second run"):
                await pc.run()
            nursery.cancel_scope.cancel()
        assert not pc.observer.powered
