"""Lines and locators on the emulated chip, whose lines are wired in pairs (0 with 1, 2 with 3 …)."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from drivers.channels.lines import RETRY_S, LinesDriver
from drivers.channels.locator import BLINK_S, LocatorDriver
from drivers.emulated.gpio_chip import EmulatedChip, EmulatedChips, EmulatedLine
from drivers.errors import DeviceBusyError, DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.gpio.calls import LineCalls, ThreadCalls
from drivers.gpio.declarations import InputDeclaration, OutputDeclaration
from drivers.ports import ChannelDriver, ChannelInput, ChannelOutput

type Running = Callable[[ChannelDriver], AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]]


@pytest.fixture
def chip() -> EmulatedChip:
    return EmulatedChip()


def taken(chip: EmulatedChip, offset: int) -> EmulatedLine:
    """Hold a line, as another program might."""
    return chip.request(OutputDeclaration(name="somebody else", line=offset, rest=None))


async def eventually(condition: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        while not condition():
            await trio.sleep(0.005)


async def level_of(driver: ChannelDriver, pin: str) -> bool | None:
    try:
        return await driver.read(pin)
    except DriverError:
        return None


async def test_what_is_driven_is_read_by_the_partner(chip: EmulatedChip, running: Running) -> None:
    driver = LinesDriver(chip, [ChannelInput("3")], [ChannelOutput("2")])
    async with running(driver) as changes:
        with trio.fail_after(30):
            while await driver.read("3"):
                await changes.receive()
            await driver.write("2", True)
            assert await driver.read("2") is True
            while not await driver.read("3"):
                await changes.receive()
            await driver.write("2", False)
            while await driver.read("3"):
                await changes.receive()
    assert await level_of(driver, "3") is None
    assert await level_of(driver, "2") is None


@pytest.mark.parametrize(("initial", "before", "after"), [(True, True, True), (False, False, False)])
async def test_outputs_have_their_initial_level_at_start_and_end(
    chip: EmulatedChip, running: Running, initial: bool, before: bool, after: bool
) -> None:
    driver = LinesDriver(chip, (), [ChannelOutput("8", initial)])
    async with running(driver):
        assert chip.level(8) is before
        await driver.write("8", not before)
        assert chip.level(8) is not before
    assert chip.level(8) is after


async def test_an_output_without_initial_level_is_left_alone(chip: EmulatedChip, running: Running) -> None:
    taken(chip, 8).set(True)
    chip.let_go(8)
    driver = LinesDriver(chip, (), [ChannelOutput("8", None)])
    async with running(driver):
        assert chip.level(8) is True
        assert await driver.read("8") is True
    assert chip.level(8) is True


async def test_a_debounced_input_shows_its_first_change_at_once(
    chip: EmulatedChip, running: Running, autojump_clock: MockClock
) -> None:
    driver = LinesDriver(chip, [ChannelInput("1", debounce_s=0.5)], ())
    line = taken(chip, 0)
    autojump_clock.autojump_threshold = 0.005
    async with running(driver):
        await trio.lowlevel.checkpoint()
        seen = [await driver.read("1")]
        start = trio.current_time()
        for number in range(20):
            line.set(number % 2 == 0)
            await trio.sleep(0.01)
            seen.append(await driver.read("1"))
        line.set(False)
        assert trio.current_time() - start < 0.5
        assert seen == [False] + [True] * 20
        await trio.sleep(0.5)
        assert await driver.read("1") is False


async def test_a_pin_that_is_an_input_too_is_read_back(chip: EmulatedChip, running: Running) -> None:
    driver = LinesDriver(chip, [ChannelInput("2")], [ChannelOutput("2"), ChannelOutput("2")])
    async with running(driver):
        await driver.write("2", True)
        assert await driver.read("2") is True


async def test_a_line_that_somebody_holds_leaves_the_others_alone_and_is_tried_again(
    chip: EmulatedChip, running: Running, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    other = taken(chip, 3)
    driver = LinesDriver(chip, [ChannelInput("3")], [ChannelOutput("2")])
    with caplog.at_level(logging.WARNING):
        async with running(driver):
            await driver.write("2", True)
            await trio.sleep(3 * RETRY_S)
            assert await level_of(driver, "3") is None
            other.release()
            await trio.sleep(RETRY_S + 1)
            assert await level_of(driver, "3") is True
    assert [record.getMessage() for record in caplog.records] == [
        f"line 3 of the emulated chip emulated is held by somebody else (tried again every {RETRY_S} s)"
    ]


@pytest.mark.fault("channels: GPIO", "returns")
async def test_an_output_that_comes_back_is_as_it_was_last_told(
    chip: EmulatedChip, running: Running, autojump_clock: MockClock
) -> None:
    other = taken(chip, 4)
    driver = LinesDriver(chip, (), [ChannelOutput("4", False), ChannelOutput("6")])
    async with running(driver):
        with pytest.raises(DeviceGoneError):
            await driver.write("4", True)
        other.release()
        await trio.sleep(RETRY_S + 1)
        assert chip.level(4) is True
        assert await driver.read("4") is True


@pytest.mark.fault("channels: GPIO", "missing")
async def test_without_any_line_the_driver_fails(chip: EmulatedChip) -> None:
    taken(chip, 0)
    driver = LinesDriver(chip, [ChannelInput("0")], [ChannelOutput("99")])
    # Not the line that does not exist, which trying again would not help.
    with pytest.raises(DeviceBusyError):
        await driver.run()


async def test_a_locator_blinks_while_it_is_on(
    chip: EmulatedChip, running: Running, autojump_clock: MockClock
) -> None:
    driver = LocatorDriver(chip, [ChannelOutput("10"), ChannelOutput("12")])
    async with running(driver):
        await trio.sleep(1)
        assert chip.level(10) is False
        await driver.write("10", True)
        await trio.sleep(BLINK_S / 2)
        seen = []
        for _ in range(20):
            assert await driver.read("10") is True
            assert await driver.read("12") is False
            seen.append(chip.level(10))
            await trio.sleep(BLINK_S)
        assert seen == [True, False] * 10
        assert chip.level(12) is False
        await driver.write("10", False)
        await trio.sleep(1)
        assert chip.level(10) is False
        assert await driver.read("10") is False
        await driver.write("12", True)
    assert chip.level(12) is False
    assert await level_of(driver, "12") is None


# -- the emulated chip itself ------------------------------------------------------------------------------


def test_the_chip_numbers_edges_and_drops_the_oldest(chip: EmulatedChip) -> None:
    seen = chip.request(InputDeclaration(name="in", line=1, active_low=True))
    driven = chip.request(OutputDeclaration(name="out", line=0))
    assert seen.get() is True
    for _ in range(50):
        driven.set(True)
        driven.set(True)
        driven.set(False)
    events = seen.events()
    assert [event.seqno for event in events] == list(range(37, 101))
    assert [event.level for event in events[-2:]] == [False, True]
    driven.release()
    with pytest.raises(OSError, match="released"):
        driven.set(True)
    driven.release()
    with pytest.raises(DeviceBusyError, match="held by in"):
        chip.request(InputDeclaration(name="again", line=1))
    seen.release()
    chip.request(InputDeclaration(name="again", line=1)).release()


def test_chips_are_told_apart_by_their_names() -> None:
    chips = EmulatedChips()
    assert chips(None) is chips(None)
    assert chips("/dev/gpiochip7") is not chips(None)
    assert "/dev/gpiochip7" in str(chips("/dev/gpiochip7"))


class FailingChip(EmulatedChip):
    """Its line 2 cannot be driven while `broken`, and answers no sooner than `answers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.answers = threading.Event()
        self.answers.set()

    def calls(self) -> LineCalls:
        return ThreadCalls()

    def drive(self, offset: int, level: bool) -> None:
        if offset == 2:
            self.answers.wait(60)
            if self.broken:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().drive(offset, level)


@pytest.mark.fault("channels: GPIO", "EIO")
async def test_a_line_that_cannot_be_driven_is_told_and_the_others_work(running: Running) -> None:
    chip = FailingChip()
    driver = LinesDriver(chip, (), [ChannelOutput("2"), ChannelOutput("4")])
    async with running(driver):
        chip.broken = True
        with pytest.raises(DriverError, match=r"channel 2 .*: Input/output error"):
            await driver.write("2", True)
        await driver.write("4", True)
        assert chip.level(4) is True
        chip.broken = False
        await driver.write("2", True)
        assert chip.level(2) is True


@pytest.mark.fault("channels: GPIO", "stalls")
async def test_a_line_behind_a_bus_that_hangs_is_told_and_the_others_work(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.gpio.calls.CALL_DEADLINE_S", 0.2)
    chip = FailingChip()
    driver = LinesDriver(chip, (), [ChannelOutput("2"), ChannelOutput("4")])
    async with running(driver):
        chip.answers.clear()
        with pytest.raises(DeviceTimeoutError, match=r"answer within 0\.2 s"):
            await driver.write("2", True)
        monkeypatch.setattr("drivers.gpio.calls.CALL_DEADLINE_S", 60)
        await driver.write("4", True)
        assert chip.level(4) is True
        chip.answers.set()
        await driver.write("2", False)
        assert chip.level(2) is False
