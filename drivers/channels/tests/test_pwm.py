"""PWM channels on a tree of real files, with a task that plays the kernel's part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from drivers.channels import pwm
from drivers.channels.pwm import Duties, PwmDriver
from drivers.channels.servo import ServoRange
from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.ports import ChannelDriver, ChannelOutput

type Running = Callable[[ChannelDriver], AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]]

DUTIES = Duties(period_ns=1000, on_ns=700, off_ns=200)


class Chip:
    """A chip's directory."""

    def __init__(self, root: Path) -> None:
        self.path = root / "pwmchip2"
        self.path.mkdir()
        for name in ("export", "unexport"):
            (self.path / name).write_text("")

    def make(self, pin: str, **values: int) -> None:
        at = self.path / f"pwm{pin}"
        at.mkdir()
        for name, value in {"period": 0, "duty_cycle": 0, "enable": 0, **values}.items():
            (at / name).write_text(f"{value}\n")

    def of(self, pin: str) -> tuple[int, int, int]:
        at = self.path / f"pwm{pin}"
        period, duty, enable = (int((at / name).read_text()) for name in ("period", "duty_cycle", "enable"))
        return period, duty, enable

    async def play(self) -> None:
        """Make what is exported."""
        while True:
            pin = (self.path / "export").read_text()
            if pin and not (self.path / f"pwm{pin}").exists():
                self.make(pin)
            await trio.sleep(0.01)


@pytest.fixture
def chip(tmp_path: Path) -> Chip:
    return Chip(tmp_path)


@asynccontextmanager
async def kernel(chip: Chip) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(chip.play)
        yield
        nursery.cancel_scope.cancel()


def driver_of(chip: Chip, *outputs: ChannelOutput) -> PwmDriver:
    return PwmDriver(2, DUTIES, outputs, pwm_class=chip.path.parent)


async def test_channels_are_exported_driven_and_let_go(chip: Chip, running: Running) -> None:
    driver = driver_of(chip, ChannelOutput("0", True), ChannelOutput("1", False), ChannelOutput("1", False))
    async with kernel(chip):
        async with running(driver):
            assert chip.of("0") == (1000, 700, 1)
            assert chip.of("1") == (1000, 200, 1)
            assert [await driver.read(pin) for pin in ("0", "1")] == [True, False]
            await driver.write("1", True)
            assert chip.of("1") == (1000, 700, 1)
            assert await driver.read("1") is True
        assert chip.of("0")[2] == chip.of("1")[2] == 0
        assert (chip.path / "unexport").read_text() == "1"
    with pytest.raises(DeviceGoneError):
        await driver.read("0")


async def test_a_channel_comes_back_as_it_was_last_written(chip: Chip, running: Running) -> None:
    driver = driver_of(chip, ChannelOutput("0", True))
    chip.make("0")
    async with running(driver):
        pass
    with pytest.raises(DeviceGoneError):
        await driver.write("0", False)
    async with running(driver):
        assert chip.of("0") == (1000, 200, 1)


async def test_a_channel_without_initial_level_is_left_alone(chip: Chip, running: Running) -> None:
    chip.make("3", period=1000, duty_cycle=700, enable=1)
    chip.make("4", period=500, duty_cycle=100)
    driver = driver_of(chip, ChannelOutput("3", None), ChannelOutput("4", None))
    async with running(driver):
        assert chip.of("3") == (1000, 700, 1)
        assert chip.of("4") == (500, 100, 0)
        assert [await driver.read(pin) for pin in ("3", "4")] == [True, False]
        await driver.write("4", False)
        assert chip.of("4") == (1000, 200, 1)


@pytest.mark.fault("channels: PWM", "missing")
async def test_a_chip_that_is_not_there(tmp_path: Path) -> None:
    driver = PwmDriver(0, DUTIES, [ChannelOutput("0")], pwm_class=tmp_path)
    with pytest.raises(DeviceGoneError, match=r"PWM channel 0 of .*pwmchip0"):
        await driver.run()


@pytest.mark.fault("channels: PWM", "stalls")
async def test_a_channel_that_never_appears(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwm, "EXPORT_DEADLINE_S", 0.2)
    with pytest.raises(DeviceTimeoutError, match="after exporting channel 7"):
        await driver_of(chip, ChannelOutput("7")).run()
    assert (chip.path / "unexport").read_text() == "7"


async def test_what_the_kernel_refuses_is_told(chip: Chip, running: Running) -> None:
    chip.make("0")
    driver = driver_of(chip, ChannelOutput("0"))
    async with running(driver):
        duty = chip.path / "pwm0" / "duty_cycle"
        duty.unlink()
        duty.mkdir()
        with pytest.raises(DriverError, match="PWM channel 0"):
            await driver.write("0", True)


def test_angles_become_pulses() -> None:
    servo = ServoRange(period_ns=20_000_000, low_ns=1_000_000, high_ns=2_000_000, low_deg=0.0, high_deg=180.0)
    assert servo.duties(on_deg=180, off_deg=0) == Duties(20_000_000, 2_000_000, 1_000_000)
    assert servo.duties(on_deg=90, off_deg=45) == Duties(20_000_000, 1_500_000, 1_250_000)


@pytest.mark.fault("channels: PWM", "EIO")
async def test_an_error_of_the_chip_is_told_and_the_next_write_works(chip: Chip, running: Running) -> None:
    chip.make("0")
    async with running(driver := driver_of(chip, ChannelOutput("0"))):
        duty = chip.path / "pwm0" / "duty_cycle"
        duty.unlink()
        # Nothing is mapped at the address 0, and the kernel says so by EIO.
        duty.symlink_to("/proc/self/mem")
        with pytest.raises(DriverError, match=r"PWM channel 0 .*Input/output error"):
            await driver.write("0", True)
        duty.unlink()
        duty.write_text("0")
        await driver.write("0", True)
        assert chip.of("0") == (1000, 700, 1)


@pytest.mark.fault("channels: PWM", "garbage")
async def test_attributes_that_are_no_numbers_are_a_fault(chip: Chip) -> None:
    chip.make("0")
    (chip.path / "pwm0" / "period").write_bytes(b"\xff\n")
    with pytest.raises(BadReplyError, match=r"expected a number, got .* at .*pwm0/period"):
        await driver_of(chip, ChannelOutput("0")).run()


@pytest.mark.fault("channels: PWM", "vanishes", "returns")
@pytest.mark.parametrize("written", [False, True])
async def test_a_chip_that_goes_ends_the_run_and_gets_its_levels_when_it_returns(
    chip: Chip, running: Running, autojump_clock: MockClock, written: bool
) -> None:
    autojump_clock.autojump_threshold = 0.02  # calls in threads take real time
    chip.make("0")
    driver = driver_of(chip, ChannelOutput("0", False))
    away = chip.path.with_name("away")
    with pytest.RaisesGroup(pytest.RaisesExc(DeviceGoneError, match="PWM channel 0")):
        async with running(driver):
            await driver.write("0", True)
            chip.path.rename(away)
            if written:
                with pytest.raises(DeviceGoneError):
                    await driver.write("0", True)
            await trio.sleep_forever()
    with pytest.raises(DeviceGoneError):
        await driver.read("0")
    away.rename(chip.path)
    (chip.path / "pwm0" / "duty_cycle").write_text("0")
    async with running(driver):
        assert chip.of("0") == (1000, 700, 1)
