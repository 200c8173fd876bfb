"""A fan behind a driver of the kernel."""

from __future__ import annotations

import pytest
from peers.fan_chip import FanChip

from drivers.errors import DeviceGoneError
from drivers.system.hwmon import HwmonFan, HwmonFanState


async def test_what_the_chip_measures(fan_chip: FanChip) -> None:
    fan = HwmonFan()
    fan_chip.measure(rpm=3000)
    fan_chip.govern(51)
    assert await fan.read() == HwmonFanState("amc6821", 1, rpm=3000, pwm=51, is_faulty=False)
    fan_chip.measure(rpm=1500, is_faulty=True)
    fan_chip.govern(255)
    state = await fan.read()
    assert state == HwmonFanState("amc6821", 1, rpm=1500, pwm=255, is_faulty=True)
    assert state.pwm_percent == 100.0


@pytest.mark.fault("fan chip", "missing", "vanishes", "returns")
async def test_a_chip_that_goes_and_comes_back() -> None:
    fan = HwmonFan(chip="amc6821")
    for rpm in (1000, 2000):
        with pytest.raises(DeviceGoneError, match="expected a fan of a chip 'amc6821'"):
            await fan.read()
        chip = FanChip()
        try:
            chip.measure(rpm=rpm)
            assert (await fan.read()).rpm == rpm
        finally:
            chip.close()
