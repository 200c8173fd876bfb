"""User-defined channels on the kernel's own lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from peers.gpio_sim import DEADLINE_S, GpioSim

from drivers.channels.lines import LinesDriver
from drivers.channels.locator import BLINK_S, LocatorDriver
from drivers.errors import DeviceGoneError, DriverError
from drivers.gpio.chip import GpioChip
from drivers.ports import ChannelDriver, ChannelInput, ChannelOutput


@asynccontextmanager
async def running(driver: ChannelDriver) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        with trio.fail_after(DEADLINE_S):
            await nursery.start(driver.run)
        yield
        nursery.cancel_scope.cancel()


async def reads(driver: ChannelDriver, pin: str, level: bool | None) -> None:
    """Wait until a pin has a level, None for none."""
    with trio.fail_after(DEADLINE_S):
        while True:
            try:
                if await driver.read(pin) is level:
                    return
            except DriverError:
                if level is None:
                    return
            await trio.sleep(0.01)


async def test_lines_are_driven_and_followed(sim: GpioSim, chip: GpioChip) -> None:
    # The kernel holds line 4, so that it is offline, alone.
    driver = LinesDriver(
        chip,
        [ChannelInput("22"), ChannelInput("4")],
        [ChannelOutput("17"), ChannelOutput("27", True), ChannelOutput("5", None)],
    )
    sim.line(5).pull(True)
    async with running(driver):
        assert (sim.line(17).level(), sim.line(27).level(), sim.line(5).level()) == (False, True, True)
        await reads(driver, "22", False)
        await reads(driver, "4", None)
        sim.line(22).pull(True)
        await reads(driver, "22", True)
        await driver.write("17", True)
        assert sim.line(17).level() is True
        assert await driver.read("17") is True
    # At the end they are as at the start.
    assert sim.line(22).level() is True


@pytest.mark.fault("channels: GPIO", "vanishes")
async def test_a_chip_that_vanishes_ends_the_driver(sim: GpioSim, chip: GpioChip) -> None:
    driver = LinesDriver(chip, [ChannelInput("22")], [ChannelOutput("17")])
    with pytest.RaisesGroup(DeviceGoneError, flatten_subgroups=True):
        async with running(driver):
            sim.unplug()
            await trio.sleep(DEADLINE_S)


async def test_a_locator_blinks_and_ends_dark(
    sim: GpioSim, chip: GpioChip, eventually: Callable[[Callable[[], bool]], Awaitable[None]]
) -> None:
    driver = LocatorDriver(chip, [ChannelOutput("12")])
    line = sim.line(12)
    async with running(driver):
        with line.record() as transitions:
            await driver.write("12", True)
            await trio.sleep(20 * BLINK_S)
            await driver.write("12", False)
        assert line.level() is False
        assert await driver.read("12") is False
    # How many there are in that time is up to the machine; that it blinked is not.
    assert len(transitions.pulses_s) > 1
    assert all(pulse_s >= 0.9 * BLINK_S for pulse_s in transitions.pulses_s[:-1])
