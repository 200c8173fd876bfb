from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import DeviceGoneError, DriverError
from drivers.qemu.panel import Light, PowerButton, ResetButton


class RecordingMachine:
    """What the buttons did, with the time of it."""

    def __init__(self, *, powered: bool = False, fault: DriverError | None = None) -> None:
        self.powered = powered
        self.fault = fault
        self.log: list[tuple[float, str]] = []

    async def turn_on(self) -> None:
        await self._note("on")
        self.powered = True

    async def press_acpi_button(self) -> None:
        await self._note("acpi")

    async def turn_off(self) -> None:
        await self._note("off")
        self.powered = False

    async def reset(self) -> None:
        await self._note("reset")

    async def _note(self, what: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.fault is not None:
            raise self.fault
        self.log.append((trio.current_time(), what))


async def test_a_short_press_turns_on_when_pressed(autojump_clock: MockClock) -> None:
    machine = RecordingMachine()
    button = PowerButton(machine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(button.run)
        await trio.sleep(1)
        await button.pulse(0.1)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert machine.log == [(1.0, "on")]


async def test_a_short_press_of_a_running_machine_is_the_acpi_button(autojump_clock: MockClock) -> None:
    machine = RecordingMachine(powered=True)
    button = PowerButton(machine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(button.run)
        await button.pulse(3.9)
        await button.pulse(3.9)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert [what for _, what in machine.log] == ["acpi", "acpi"]


async def test_four_seconds_cut_the_power_while_still_held(autojump_clock: MockClock) -> None:
    machine = RecordingMachine(powered=True)
    button = PowerButton(machine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(button.run)
        await button.set(True)
        await button.set(True)  # holding on is no second press
        await trio.sleep(20)
        await button.set(False)
        await trio.sleep(20)
        await button.pulse(0.1)
        nursery.cancel_scope.cancel()
    assert machine.log == [(0.0, "acpi"), (4.0, "off"), (40.0, "on")]


async def test_holding_a_machine_that_is_off_turns_it_on_and_off_again(autojump_clock: MockClock) -> None:
    machine = RecordingMachine()
    button = PowerButton(machine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(button.run)
        await button.pulse(5.5)
        nursery.cancel_scope.cancel()
    assert machine.log == [(0.0, "on"), (4.0, "off")]


async def test_a_cancelled_press_is_let_go(autojump_clock: MockClock) -> None:
    machine = RecordingMachine(powered=True)
    button = PowerButton(machine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(button.run)
        with trio.move_on_after(1):
            await button.pulse(60)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert machine.log == [(0.0, "acpi")]


async def test_a_press_that_fails_is_told_and_let_go(autojump_clock: MockClock) -> None:
    machine = RecordingMachine(fault=DeviceGoneError("QEMU does not run"))
    button = PowerButton(machine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(button.run)
        with pytest.raises(DeviceGoneError, match="does not run"):
            await button.pulse(0.1)
        machine.fault = None
        await trio.sleep(10)
        await button.pulse(0.1)
        nursery.cancel_scope.cancel()
    assert [what for _, what in machine.log] == ["on"]


async def test_reset_acts_when_pressed(autojump_clock: MockClock) -> None:
    machine = RecordingMachine(powered=True)
    button = ResetButton(machine)
    await button.pulse(2)
    await button.set(True)
    await button.set(True)
    await button.set(False)
    assert machine.log == [(0.0, "reset"), (2.0, "reset")]


async def test_a_light_tells_its_changes_only(autojump_clock: MockClock) -> None:
    light = Light("power")
    with pytest.raises(DeviceGoneError, match="power LED"):
        await light.read()
    async with light.edges() as edges:
        light.show(level=False)
        assert await light.read() is False
        light.show(level=True)
        light.show(level=True)
        await trio.sleep(1)
        light.show(level=None)
        assert [(edge.time, edge.level) for edge in (await edges.receive(), await edges.receive())] == [
            (0.0, True),
            (1.0, False),
        ]
        with pytest.raises(trio.WouldBlock):
            edges.receive_nowait()


async def test_of_too_many_edges_the_oldest_are_dropped() -> None:
    light = Light("HDD")
    async with light.edges() as slow, light.edges() as other:
        for number in range(20):
            light.show(level=number % 2 == 0)
        assert slow.statistics().current_buffer_used == 16
        assert other.receive_nowait().level is True, "the fifth change, number 4"
        # A listener that left early disturbs nobody.
        slow.close()
        light.show(level=True)
        rest = [other.receive_nowait().level for _ in range(16)]
        assert rest == [False, True] * 8
