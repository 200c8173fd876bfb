"""How long a click presses, compared with how long it should: the kernel's own times of the line being set.

Runs in the rig (`python3 -m tools.bench_atx_pulse`): the ATX subsystem clicks on lines of a simulated chip,
and the kernel's trace tells when the line was set. Under an emulated processor the overshoot is the
emulation's more than ours, hence ratios; a press is never shorter than asked.
"""

from __future__ import annotations

import argparse
import statistics
import sys

import trio
from peers.gpio_sim import GpioSim, Transitions

from drivers.gpio.chip import GpioChip
from drivers.gpio.declarations import InputDeclaration, OutputDeclaration
from drivers.gpio.inputs import GpioInput
from drivers.gpio.line import Line
from drivers.gpio.outputs import GpioOutput
from firmware.core.supervise import Supervisor
from firmware.subsystems.atx.config import AtxConfig
from firmware.subsystems.atx.service import AtxService

POWER_LED, HDD_LED, POWER_SWITCH, RESET_SWITCH = range(4)
CLICK_S = (0.1, 0.5)


async def _click(sim: GpioSim, config: AtxConfig, clicks: int) -> Transitions:
    """Click the power button on the whole subsystem; return what its line did."""
    chip = GpioChip(sim.label)
    power_led = GpioInput(chip, InputDeclaration(name="power LED", line=POWER_LED))
    hdd_led = GpioInput(chip, InputDeclaration(name="disk LED", line=HDD_LED))
    power_switch = GpioOutput(chip, OutputDeclaration(name="power switch", line=POWER_SWITCH))
    reset_switch = GpioOutput(chip, OutputDeclaration(name="reset switch", line=RESET_SWITCH))
    lines: tuple[Line, ...] = (power_led, hdd_led, power_switch, reset_switch)
    atx = AtxService(
        config,
        power_led=power_led,
        hdd_led=hdd_led,
        power_switch=power_switch,
        reset_switch=reset_switch,
        supervisor=Supervisor(),
    )
    async with trio.open_nursery() as nursery:
        for line in lines:
            await nursery.start(line.run)
        await nursery.start(atx.run)
        with sim.line(POWER_SWITCH).record() as transitions:
            for _ in range(clicks):
                await atx.click("power", wait=True)
        nursery.cancel_scope.cancel()
    return transitions


def _report(asked_s: float, presses_s: list[float]) -> str:
    ratios = sorted(press_s / asked_s for press_s in presses_s)
    p50, p99 = statistics.median(ratios), ratios[min(len(ratios) - 1, int(len(ratios) * 0.99))]
    return (
        f"{len(ratios)} clicks of {asked_s} s, measured / asked:"
        f" min {ratios[0]:.5f}, p50 {p50:.5f}, p99 {p99:.5f}, max {ratios[-1]:.5f}"
    )


def main() -> int:
    """Print the ratios; return 1 if a press was missed, or was shorter than asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=20, help="of each length; a click takes a second more")
    clicks = parser.parse_args().clicks
    failed = False
    with GpioSim("bench", label="pinctrl-bench", size=4) as sim:
        for seconds in CLICK_S:
            presses_s = trio.run(_click, sim, AtxConfig(click_delay=seconds), clicks).pulses_s
            if len(presses_s) != clicks:
                print(f"expected {clicks} presses of {seconds} s, got {len(presses_s)}")
                return 1
            print(_report(seconds, presses_s))
            failed = failed or min(presses_s) < seconds
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
