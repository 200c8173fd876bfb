from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
from peers.gpio_sim import DEADLINE_S, GpioSim

from drivers.errors import DeviceBusyError, DeviceGoneError
from drivers.gpio.chip import GpioChip
from drivers.gpio.declarations import Drive, OutputDeclaration
from drivers.gpio.outputs import GpioOutput
from drivers.ports import LineOutput

Held = Callable[..., AbstractAsyncContextManager[None]]

PULSE_S = 0.1
# What a pulse that nobody waits for may last.
LONG_S = 600.0
PULSE_PROCESS = Path(__file__).with_name("pulse_process.py")


@pytest.fixture
def switch(chip: GpioChip) -> GpioOutput:
    return GpioOutput(chip, OutputDeclaration(name="power switch", line="power-switch"))


@pytest.mark.parametrize("active_low", [False, True])
@pytest.mark.parametrize("slow", [False, True], ids=["direct", "threads"])
async def test_it_is_inactive_from_the_start_set_and_inactive_at_the_end(
    sim: GpioSim, held: Held, active_low: bool, slow: bool
) -> None:
    declaration = OutputDeclaration(name="power switch", line="power-switch", active_low=active_low)
    switch = GpioOutput(GpioChip(sim.label, slow=slow), declaration)
    port: LineOutput = switch
    line, active = sim.line("power-switch"), not active_low
    # The world pulls it to where it is active, so that only driving makes it inactive.
    line.pull(active)
    async with held(switch):
        assert line.level() is not active
        with line.record() as transitions:
            await port.set(True)
            assert line.level() is active
            assert await switch.read() is True
            await port.set(False)
            assert line.level() is not active
            await port.set(True)
            await line.becomes(active)
        assert transitions.first is not active
        line.pull(not active)
    assert line.level() is not active


async def test_a_line_is_driven_to_rest_before_anything_waits(sim: GpioSim, switch: GpioOutput) -> None:
    sim.line("power-switch").pull(True)
    levels = []

    async def look() -> None:
        levels.append(sim.line("power-switch").level())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(switch.run)
        # One turn of Trio's loop is the time in which both run until they first wait.
        await trio.lowlevel.checkpoint()
        nursery.start_soon(look)
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert levels == [False]


async def test_a_rest_level_can_be_high_or_whatever_there_is(
    sim: GpioSim, chip: GpioChip, held: Held
) -> None:
    breaker = GpioOutput(chip, OutputDeclaration(name="breaker", line=5, rest=True))
    async with held(breaker):
        assert sim.line(5).level() is True
        await breaker.set(False)
        assert sim.line(5).level() is False
    alone = GpioOutput(chip, OutputDeclaration(name="alone", line=6, rest=None))
    sim.line(6).pull(True)
    async with held(alone):
        assert sim.line(6).level() is True
        assert await alone.read() is True
        await alone.set(False)
        assert sim.line(6).level() is False
        await alone.set(True)
        assert sim.line(6).level() is True
        await alone.pulse(0)
        assert sim.line(6).level() is False


async def test_open_drain_pulls_low_and_lets_go(sim: GpioSim, chip: GpioChip, held: Held) -> None:
    bus = GpioOutput(chip, OutputDeclaration(name="bus", line=7, drive=Drive.OPEN_DRAIN))
    async with held(bus):
        sim.line(7).pull(True)
        assert sim.line(7).level() is False
        await bus.set(True)
        # Let go: the world decides.
        sim.line(7).pull(False)
        sim.line(7).pull(True)
        assert sim.line(7).level() is True
        await bus.set(False)
        assert sim.line(7).level() is False


@pytest.mark.parametrize("slow", [False, True], ids=["direct", "threads"])
async def test_a_pulse_lasts_at_least_as_long_as_asked_and_ends(sim: GpioSim, held: Held, slow: bool) -> None:
    switch = GpioOutput(
        GpioChip(sim.label, slow=slow), OutputDeclaration(name="power switch", line="power-switch")
    )
    async with held(switch):
        with sim.line("power-switch").record() as transitions:
            for _ in range(3):
                await switch.pulse(PULSE_S)
                await trio.sleep(PULSE_S)
        assert len(transitions.pulses_s) == 3
        assert min(transitions.pulses_s) >= PULSE_S
        assert sim.line("power-switch").level() is False
    assert switch.statistics() == {
        "runs": 1, "held": 0, "sets": 3, "pulses": 3, "failed_releases": 0
    }  # fmt: skip


@pytest.mark.parametrize("slow", [False, True], ids=["direct", "threads"])
async def test_a_pulse_that_is_cancelled_lets_go(sim: GpioSim, held: Held, slow: bool) -> None:
    switch = GpioOutput(
        GpioChip(sim.label, slow=slow), OutputDeclaration(name="power switch", line="power-switch")
    )
    line = sim.line("power-switch")
    async with held(switch):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(switch.pulse, LONG_S)
            await line.becomes(True)
            with pytest.raises(DeviceBusyError, match="power switch is being pulsed"):
                await switch.set(False)
            with pytest.raises(DeviceBusyError, match="power switch is being pulsed"):
                await switch.pulse(PULSE_S)
            assert line.level() is True
            nursery.cancel_scope.cancel()
        assert line.level() is False
        await switch.pulse(0)
        assert line.level() is False


async def test_a_task_that_ends_in_mid_pulse_lets_go_and_says_so(sim: GpioSim, switch: GpioOutput) -> None:
    line = sim.line("power-switch")
    async with trio.open_nursery() as outer:
        tasks = await outer.start(_run_in_scope, switch)

        async def press() -> None:
            with pytest.raises(DeviceGoneError, match="the line power switch is not held"):
                await switch.pulse(LONG_S)
            assert line.level() is False

        async with trio.open_nursery() as nursery:
            nursery.start_soon(press)
            await line.becomes(True)
            tasks.cancel()
    with pytest.raises(DeviceGoneError, match="its task does not run"):
        await switch.set(True)


async def _run_in_scope(switch: GpioOutput, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(switch.run)
        task_status.started(nursery.cancel_scope)


@pytest.fixture
def pulse_process(sim: GpioSim) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, str(PULSE_PROCESS), sim.label, "power-switch", str(LONG_S)])
    yield process
    process.kill()
    process.wait()


async def test_kill_9_in_mid_pulse_and_the_next_start_leave_nothing_pressed(
    sim: GpioSim, held: Held, switch: GpioOutput, pulse_process: subprocess.Popen[bytes]
) -> None:
    """The worst case: a process is killed in mid-pulse, and the line stays high without it."""
    line = sim.line("power-switch")
    await line.becomes(True)
    # This chip gives a line back to its pull when its holder dies; others go on driving the last level.
    line.pull(True)
    pulse_process.send_signal(signal.SIGKILL)
    await trio.to_thread.run_sync(pulse_process.wait, DEADLINE_S)
    assert line.level() is True
    async with held(switch):
        assert line.level() is False
        await switch.pulse(PULSE_S)
        assert line.level() is False
