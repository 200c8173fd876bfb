"""Fans over trees of files as sysfs has them; a real chip's driver is in hil/kernel/system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError
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


@pytest.mark.fault("fan chip", "returns")
async def test_a_chip_that_gets_another_number_is_found_again(root: Path) -> None:
    fan = HwmonFan(chip="pwmfan", hwmon_class=root)
    assert (await fan.read()).rpm == 2412
    (root / "hwmon9").rename(root / "hwmon11")
    assert (await fan.read()).rpm == 2412


@pytest.mark.fault("fan chip", "missing")
async def test_no_fan(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match="expected a fan of a chip 'emc2305', got none among 3 chips"):
        await HwmonFan(chip="emc2305", hwmon_class=root).read()
    with pytest.raises(DeviceGoneError, match="expected a fan, got none among 0 chips"):
        await HwmonFan(hwmon_class=tmp_path / "none").read()


@pytest.mark.fault("fan chip", "garbage")
async def test_nonsense(root: Path) -> None:
    (root / "hwmon9/fan1_input").write_text("fast")
    with pytest.raises(BadReplyError, match=r"expected a number, got 'fast' - at .*fan1_input"):
        await HwmonFan(hwmon_class=root).read()


@pytest.mark.fault("fan chip", "EIO")
async def test_a_reading_that_the_chip_cannot_give_is_not_known_and_comes_back(root: Path) -> None:
    fan = HwmonFan(chip="pwmfan", hwmon_class=root)
    speed = root / "hwmon9/fan1_input"
    speed.unlink()
    # Nothing is mapped at the address 0, and the kernel says so by EIO.
    speed.symlink_to("/proc/self/mem")
    assert (await fan.read()).rpm is None
    speed.unlink()
    speed.write_text("2000\n")
    assert (await fan.read()).rpm == 2000
    (root / "hwmon9/name").unlink()
    (root / "hwmon9/name").symlink_to("/proc/self/mem")
    with pytest.raises(DriverError, match=r"the fan in .*Input/output error"):
        await fan.read()


@pytest.mark.fault("fan chip", "stalls")
async def test_a_chip_that_hangs_is_given_up_and_read_again_when_it_answers(
    root: Path, autojump_clock: MockClock
) -> None:
    fan = HwmonFan(chip="pwmfan", hwmon_class=root)
    speed = root / "hwmon9/fan1_input"
    speed.unlink()
    # Opening it for reading waits for somebody who writes.
    os.mkfifo(speed)
    with pytest.raises(DeviceTimeoutError, match="the fan in"):
        await fan.read()
    autojump_clock.autojump_threshold = 0.02  # calls in threads take real time
    await trio.to_thread.run_sync(speed.write_text, "2000\n")
    speed.unlink()
    speed.write_text("2000\n")
    assert (await fan.read()).rpm == 2000
