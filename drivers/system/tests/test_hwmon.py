"""Fans over trees of files as sysfs has them; a real chip's driver is in hil/kernel/system."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import BadReplyError, DeviceGoneError
from drivers.system.hwmon import HwmonFan, HwmonFanState


@pytest.fixture
def root(tmp_path: Path) -> Path:
    _chip(tmp_path, 0, "cpu_thermal", temp1_input="45000")
    _chip(tmp_path, 10, "nct6775", fan2_input="0", pwm2="0", pwm2_enable="1", fan2_fault="1", fan3_input="9")
    _chip(tmp_path, 9, "pwmfan", fan1_input="2412", pwm1="75", pwm1_enable="1")
    return tmp_path


def _chip(root: Path, number: int, name: str, **attributes: str) -> Path:
    chip = root / f"hwmon{number}"
    chip.mkdir()
    for attribute, text in {"name": name, **attributes}.items():
        (chip / attribute).write_text(text + "\n")
    return chip


async def test_the_first_fan(root: Path) -> None:
    state = await HwmonFan(hwmon_class=root).read()
    assert state == HwmonFanState(chip="pwmfan", number=1, rpm=2412, pwm=75, is_faulty=None)
    assert state.pwm_percent == 29.4


async def test_the_fan_of_a_chip(root: Path) -> None:
    state = await HwmonFan(chip="nct6775", hwmon_class=root).read()
    assert state == HwmonFanState(chip="nct6775", number=2, rpm=0, pwm=0, is_faulty=True)
    assert state.pwm_percent == 0.0


async def test_control_that_is_off_is_full_speed(root: Path) -> None:
    (root / "hwmon9/pwm1_enable").write_text("0\n")
    assert (await HwmonFan(hwmon_class=root).read()).pwm_percent == 100.0


async def test_a_fan_without_a_rotation_sensor_or_without_control(root: Path) -> None:
    (root / "hwmon9/fan1_input").unlink()
    state = await HwmonFan(hwmon_class=root).read()
    assert (state.rpm, state.pwm) == (None, 75)
    (root / "hwmon9/pwm1").unlink()
    (root / "hwmon9/fan1_input").write_text("100")
    state = await HwmonFan(hwmon_class=root).read()
    assert (state.rpm, state.pwm, state.pwm_percent) == (100, None, None)


async def test_a_chip_that_gets_another_number_is_found_again(root: Path) -> None:
    fan = HwmonFan(chip="pwmfan", hwmon_class=root)
    assert (await fan.read()).rpm == 2412
    (root / "hwmon9").rename(root / "hwmon11")
    assert (await fan.read()).rpm == 2412


async def test_no_fan(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match="expected a fan of a chip 'emc2305', got none among 3 chips"):
        await HwmonFan(chip="emc2305", hwmon_class=root).read()
    with pytest.raises(DeviceGoneError, match="expected a fan, got none among 0 chips"):
        await HwmonFan(hwmon_class=tmp_path / "none").read()


async def test_nonsense(root: Path) -> None:
    (root / "hwmon9/fan1_input").write_text("fast")
    with pytest.raises(BadReplyError, match=r"expected a number, got 'fast' - at .*fan1_input"):
        await HwmonFan(hwmon_class=root).read()
