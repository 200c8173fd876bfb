"""The complete ATX subsystem on lines of the kernel, its cable being gpio-sim (contract subsystems.md 4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
from peers.gpio_sim import DEADLINE_S, GpioSim

from drivers.gpio.chip import GpioChip
from drivers.gpio.declarations import InputDeclaration, OutputDeclaration
from drivers.gpio.inputs import GpioInput
from drivers.gpio.outputs import GpioOutput
from firmware.core.supervise import Backoff, Supervisor
from firmware.state.atx import AtxState
from firmware.subsystems.atx.config import AtxConfig
from firmware.subsystems.atx.service import Action, AtxDisabledError, AtxIsBusyError, AtxService, Button

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
RunAtx = Callable[..., AbstractAsyncContextManager[AtxService]]


@pytest.fixture
def run_atx(chip: GpioChip, eventually: Eventually) -> RunAtx:
    """The subsystem with its four lines, as a board composes them; all supervised."""

    @asynccontextmanager
    async def run(config: AtxConfig | None = None) -> AsyncIterator[AtxService]:
        config = config or AtxConfig(long_click_delay=0.6)
        supervisor = Supervisor(backoff=Backoff(first_s=0.05, longest_s=0.2))
        power_led = GpioInput(
            chip,
            InputDeclaration(name="power LED", line="power-led", active_low=config.power_led_inverted),
        )
        hdd_led = GpioInput(
            chip, InputDeclaration(name="disk LED", line="hdd-led", active_low=config.hdd_led_inverted)
        )
        power_switch = GpioOutput(chip, OutputDeclaration(name="power switch", line="power-switch"))
        reset_switch = GpioOutput(chip, OutputDeclaration(name="reset switch", line="reset-switch"))
        atx = AtxService(
            config,
            power_led=power_led,
            hdd_led=hdd_led,
            power_switch=power_switch,
            reset_switch=reset_switch,
            supervisor=supervisor,
        )
        async with trio.open_nursery() as nursery:
            lines = (power_switch, reset_switch, power_led, hdd_led)
            for line in lines:
                nursery.start_soon(supervisor.supervise, f"gpio.{line.name}", line.run)
            await eventually(lambda: all(line.statistics()["held"] for line in lines))
            await nursery.start(atx.run)
            if config.type != "disabled":
                await shows(atx, lambda state: state.online)
            yield atx
            nursery.cancel_scope.cancel()

    return run


async def shows(atx: AtxService, condition: Callable[[AtxState], bool]) -> None:
    """Wait for a state."""
    version = 0
    with trio.fail_after(DEADLINE_S):
        while not condition(atx.state.value):
            version = await atx.state.wait_newer(version)


async def test_leds_set_on_the_panel_arrive_in_the_state(sim: GpioSim, run_atx: RunAtx) -> None:
    async with run_atx() as atx:
        assert atx.state.value.leds.power is False
        sim.line("power-led").pull(True)
        await shows(atx, lambda state: state.leds.power and not state.leds.hdd)
        sim.line("hdd-led").pull(True)
        await shows(atx, lambda state: state.leds.power and state.leds.hdd)
        sim.line("power-led").pull(False)
        await shows(atx, lambda state: not state.leds.power and state.leds.hdd)


async def test_inverted_leds(sim: GpioSim, run_atx: RunAtx) -> None:
    async with run_atx(AtxConfig(power_led_inverted=True)) as atx:
        await shows(atx, lambda state: state.leds.power and not state.leds.hdd)
        sim.line("power-led").pull(True)
        await shows(atx, lambda state: not state.leds.power)


@pytest.mark.parametrize("ends_high", [True, False])
@pytest.mark.fault("GPIO lines, ATX", "garbage")
async def test_a_flickering_disk_led_shows_at_once_and_settles_right(
    sim: GpioSim, run_atx: RunAtx, eventually: Eventually, ends_high: bool
) -> None:
    async with run_atx() as atx:
        shown: list[bool] = []

        async def note() -> None:
            version = 0
            while True:
                version = await atx.state.wait_newer(version)
                shown.append(atx.state.value.leds.hdd)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(note)
            with sim.line("hdd-led").burst() as pull:
                for count in range(200):
                    pull(count % 2 == 0)
                    await trio.lowlevel.checkpoint()
                pull(ends_high)
            await eventually(lambda: True in shown)
            await shows(atx, lambda state: state.leds.hdd is ends_high)
            nursery.cancel_scope.cancel()
        # Debounced: of 200 edges few are shown.
        assert len(shown) < 100


@pytest.mark.parametrize(
    ("button", "line", "seconds"),
    [("power", "power-switch", 0.1), ("power_long", "power-switch", 0.6), ("reset", "reset-switch", 0.1)],
)
async def test_a_click_presses_its_button_for_its_time(
    sim: GpioSim, run_atx: RunAtx, button: Button, line: str, seconds: float
) -> None:
    other = "power-switch" if line == "reset-switch" else "reset-switch"
    async with run_atx() as atx:
        with sim.line(line).record() as pressed, sim.line(other).record() as untouched:
            await atx.click(button, wait=True)
        assert untouched.changes == []
        assert [change.level for change in pressed.changes] == [True, False]
        assert pressed.pulses_s[0] >= seconds
        assert atx.state.value.busy is False


@pytest.mark.slow
async def test_a_long_click_of_the_default_length(sim: GpioSim, run_atx: RunAtx) -> None:
    async with run_atx(AtxConfig()) as atx:
        with sim.line("power-switch").record() as pressed:
            await atx.click("power_long", wait=True)
        assert len(pressed.pulses_s) == 1
        assert pressed.pulses_s[0] >= 5.5


async def test_the_same_button_is_busy_and_the_other_is_not(sim: GpioSim, run_atx: RunAtx) -> None:
    async with run_atx() as atx:
        with sim.line("power-switch").record() as power, sim.line("reset-switch").record() as reset:
            await atx.click("power")
            assert atx.state.value.acts.power is True
            for again in ("power", "power_long"):
                with pytest.raises(AtxIsBusyError):
                    await atx.click(again)
            await atx.click("reset")
            assert atx.state.value.acts.reset is True
            await shows(atx, lambda state: not state.busy)
            await atx.click("power", wait=True)
        assert len(power.pulses_s) == 2
        assert len(reset.pulses_s) == 1


@pytest.mark.parametrize(
    ("power_on", "presses"),
    [
        (False, {"on": (1, 0), "off": (0, 0), "off_hard": (0, 0), "reset_hard": (0, 0)}),
        (True, {"on": (0, 0), "off": (1, 0), "off_hard": (1, 0), "reset_hard": (0, 1)}),
    ],
    ids=["power off", "power on"],
)
async def test_conditional_actions_go_by_the_led(
    sim: GpioSim, run_atx: RunAtx, power_on: bool, presses: dict[Action, tuple[int, int]]
) -> None:
    sim.line("power-led").pull(power_on)
    async with run_atx() as atx:
        await shows(atx, lambda state: state.leds.power is power_on)
        for action, expected in presses.items():
            with sim.line("power-switch").record() as power, sim.line("reset-switch").record() as reset:
                await atx.power(action, wait=True)
            assert (len(power.pulses_s), len(reset.pulses_s)) == expected, action


async def test_a_client_that_goes_away_cuts_no_click_short(sim: GpioSim, run_atx: RunAtx) -> None:
    async with run_atx() as atx:
        with sim.line("power-switch").record() as pressed:
            async with trio.open_nursery() as client:
                client.start_soon(_click_and_wait, atx)
                await sim.line("power-switch").becomes(True)
                client.cancel_scope.cancel()
            await shows(atx, lambda state: not state.busy)
        assert len(pressed.pulses_s) == 1
        assert pressed.pulses_s[0] >= 0.6


async def _click_and_wait(atx: AtxService) -> None:
    await atx.click("power_long", wait=True)


async def test_the_end_of_the_appliance_lets_go(sim: GpioSim, run_atx: RunAtx) -> None:
    async with run_atx(AtxConfig(long_click_delay=600)) as atx:
        await atx.click("power_long")
        await sim.line("power-switch").becomes(True)
    assert sim.line("power-switch").level() is False


async def test_disabled_touches_nothing(sim: GpioSim, run_atx: RunAtx) -> None:
    async with run_atx(AtxConfig(type="disabled")) as atx:
        sim.line("power-led").pull(True)
        with sim.line("power-switch").record() as power, sim.line("reset-switch").record() as reset:
            for button in ("power", "power_long", "reset"):
                with pytest.raises(AtxDisabledError):
                    await atx.click(button)
            with pytest.raises(AtxDisabledError):
                await atx.power("on")
        assert power.changes == reset.changes == []
        assert atx.state.value == AtxState(enabled=False, online=False)


@pytest.mark.fault("GPIO lines, ATX", "vanishes", "returns")
async def test_a_chip_that_vanishes_takes_atx_offline_and_its_return_brings_it_back(
    sim: GpioSim, run_atx: RunAtx
) -> None:
    async with run_atx() as atx:
        sim.line("power-led").pull(True)
        await shows(atx, lambda state: state.leds.power)
        sim.unplug()
        await shows(atx, lambda state: not state.online and not state.leds.power)
        sim.plug()
        await shows(atx, lambda state: state.online)
        sim.line("power-led").pull(True)
        await shows(atx, lambda state: state.leds.power)
        with sim.line("power-switch").record() as pressed:
            await atx.click("power", wait=True)
        assert len(pressed.pulses_s) == 1
