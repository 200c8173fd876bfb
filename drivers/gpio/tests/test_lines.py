from __future__ import annotations

import errno
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from drivers.errors import DeviceBusyError, DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.gpio.calls import ThreadCalls
from drivers.gpio.declarations import InputDeclaration, OutputDeclaration
from drivers.gpio.edges import EVENT_BUFFER, KernelEdge
from drivers.gpio.inputs import EDGES, GpioInput
from drivers.gpio.line import Line
from drivers.gpio.outputs import GpioOutput

# The fixture's class cannot be imported from a conftest.
FakeChip = Any

SWITCH = OutputDeclaration(name="power switch", line=23)
LED = InputDeclaration(name="power LED", line=24)


@asynccontextmanager
async def held(line: Line) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(line.run)
        yield
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def losing(line: Line, says: str) -> AsyncIterator[None]:
    """Hold a line whose `run` fails during the body, or soon after it."""

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        with pytest.raises(DriverError, match=says):
            await line.run(task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        yield


def edge(level: bool, seqno: int) -> KernelEdge:
    return KernelEdge(level, time.monotonic_ns(), seqno)


async def test_a_pulse_asserts_waits_and_releases(chip: FakeChip, autojump_clock: MockClock) -> None:
    switch = GpioOutput(chip, SWITCH)
    async with held(switch):
        started = trio.current_time()
        await switch.pulse(5.5)
        assert trio.current_time() - started == pytest.approx(5.5)
        assert chip.log == [False, True, False]
    assert chip.log == [False, True, False, False]


async def test_during_a_pulse_the_line_is_busy(chip: FakeChip, autojump_clock: MockClock) -> None:
    switch = GpioOutput(chip, SWITCH)
    async with held(switch):
        await switch.set(True)
        assert await switch.read() is True
        await switch.set(False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(switch.pulse, 1)
            await wait_all_tasks_blocked()
            for call in (switch.pulse(1), switch.set(False)):
                with pytest.raises(DeviceBusyError, match="the line power switch is being pulsed"):
                    await call
            assert chip.level is True
        await switch.set(True)
        assert switch.statistics()["held"] == 1
    assert chip.level is False


async def test_a_pulse_ends_with_its_run(chip: FakeChip, autojump_clock: MockClock) -> None:
    switch = GpioOutput(chip, SWITCH)

    async def press() -> None:
        with pytest.raises(DeviceGoneError, match="the line power switch is not held: its task does not run"):
            await switch.pulse(5)
        assert chip.level is False

    async with trio.open_nursery() as nursery, held(switch):
        nursery.start_soon(press)
        await wait_all_tasks_blocked()
        assert chip.level is True
    assert trio.current_time() < 5


async def test_why_a_line_cannot_be_had_is_told_to_who_uses_it(chip: FakeChip) -> None:
    def busy(_: object) -> None:
        raise DeviceBusyError("held by 'somebody'")

    chip.request = busy
    switch = GpioOutput(chip, SWITCH)
    with pytest.raises(DeviceBusyError, match="held by 'somebody'"):
        await switch.run()
    with pytest.raises(DeviceGoneError, match="the line power switch is not held: held by 'somebody'"):
        await switch.pulse(1)


async def test_an_output_whose_chip_vanishes_ends_its_run(chip: FakeChip, autojump_clock: MockClock) -> None:
    switch = GpioOutput(chip, SWITCH)
    async with losing(switch, "the line power switch of the fake chip vanished"):
        chip.vanish()


@pytest.mark.fault("GPIO lines, ATX", "EIO")
async def test_a_line_that_cannot_be_released_fails_its_run_and_the_next_one_releases_it(
    chip: FakeChip, autojump_clock: MockClock
) -> None:
    switch = GpioOutput(chip, SWITCH)
    async with losing(switch, "Input/output error"):
        # The press works, the release and the attempt at closing do not.
        chip.set_errors = [0, errno.EIO, errno.EIO]
        with pytest.raises(DriverError, match="the line power switch of the fake chip: Input/output"):
            await switch.pulse(0.1)
    assert chip.level is True
    assert switch.statistics()["failed_releases"] == 1
    async with held(switch):
        assert chip.level is False


async def test_a_failing_release_does_not_replace_a_cancellation(
    chip: FakeChip, autojump_clock: MockClock
) -> None:
    switch = GpioOutput(chip, SWITCH)
    async with losing(switch, "Input/output error"):
        chip.set_errors = [0, errno.EIO]
        with trio.move_on_after(0.1) as scope:
            await switch.pulse(5)
        assert scope.cancelled_caught
    assert chip.level is False


@pytest.mark.fault("GPIO lines, ATX", "EIO")
async def test_a_failing_press_is_told_and_released(chip: FakeChip, autojump_clock: MockClock) -> None:
    switch = GpioOutput(chip, SWITCH)
    async with held(switch):
        chip.set_errors = [errno.EREMOTEIO]
        with pytest.raises(DriverError, match="Remote I/O error"):
            await switch.pulse(5)
        assert chip.log == [False, False]
        await switch.pulse(1)


async def test_a_call_that_finds_the_chip_gone_ends_the_run_though_the_kernel_did_not_say(
    chip: FakeChip, autojump_clock: MockClock
) -> None:
    led = GpioInput(chip, LED)
    async with losing(led, "vanished"):
        chip.gone = True
        with pytest.raises(DeviceGoneError, match="the line power LED of the fake chip vanished"):
            await led.read()
    with pytest.raises(
        DeviceGoneError, match="power LED is not held: the line power LED of the fake chip vanished"
    ):
        await led.read()


@pytest.mark.parametrize("how", ["vanish", "hang_up"])
async def test_a_hang_up_ends_the_run_and_whoever_listens(
    chip: FakeChip, autojump_clock: MockClock, how: str
) -> None:
    led = GpioInput(chip, LED)

    async def listen() -> None:
        async with led.edges() as edges:
            await edges.receive()

    async def expect_the_end() -> None:
        with pytest.raises(DeviceGoneError, match=r"the line power LED is not held: .* vanished"):
            await listen()

    async with losing(led, "vanished"), trio.open_nursery() as listeners:
        listeners.start_soon(expect_the_end)
        await wait_all_tasks_blocked()
        if how == "vanish":
            chip.vanish()
        else:
            chip.line.hang_up()


async def test_after_a_loss_the_level_is_read_once_the_line_is_quiet(
    chip: FakeChip, autojump_clock: MockClock
) -> None:
    led = GpioInput(chip, LED)
    async with held(led), led.edges() as edges:
        reads = chip.reads
        chip.line.push(edge(True, 70))
        assert (await edges.receive()).level is True
        # The line is low by now, of which no event tells.
        assert (await edges.receive()).level is False
        assert chip.reads == reads + 1
        assert led.statistics() == {
            "runs": 1, "held": 1, "seen": 1, "lost": 69, "blinks": 0, "corrections": 1, "listeners": 1
        }  # fmt: skip


async def test_a_storm_of_edges_leaves_the_newest_and_time_for_others(
    chip: FakeChip, autojump_clock: MockClock
) -> None:
    led = GpioInput(chip, LED)
    async with held(led), led.edges() as edges:
        started = trio.current_time()
        count = 10 * EVENT_BUFFER
        chip.line.push(*(edge(number % 2 == 1, number) for number in range(1, count + 1)))
        while led.statistics()["seen"] < count:
            await trio.sleep(0.001)
        assert trio.current_time() - started >= 0.09
        assert edges.statistics().current_buffer_used == EDGES
        levels = [edges.receive_nowait().level for _ in range(EDGES)]
        assert levels == [True, False] * (EDGES // 2)


async def test_counters_go_on_over_restarts(chip: FakeChip, autojump_clock: MockClock) -> None:
    led = GpioInput(chip, LED)
    for _ in range(2):
        async with held(led), led.edges() as edges:
            chip.line.push(edge(not chip.level, 1))
            await edges.receive()
    assert led.statistics()["seen"] == 2
    assert led.statistics()["runs"] == 2


@pytest.mark.fault("GPIO lines, ATX", "stalls")
async def test_a_bus_that_hangs_times_out_and_the_release_comes_after_the_press(
    chip: FakeChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip.calls_of_line = ThreadCalls()
    monkeypatch.setattr("drivers.gpio.calls.CALL_DEADLINE_S", 0.05)
    switch = GpioOutput(chip, SWITCH)
    bus = threading.Event()

    async with held(switch):
        handle = chip.line
        at_once = handle.set

        def set_after_the_bus(level: bool) -> None:
            bus.wait(30)
            at_once(level)

        handle.set = set_after_the_bus

        async def press() -> None:
            with pytest.raises(DeviceTimeoutError, match=r"to answer within 0\.05 s, got nothing"):
                await switch.pulse(5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(press)
            await trio.sleep(0.1)
            bus.set()
        assert chip.log == [False, True, False]


async def test_a_line_that_cannot_be_closed_in_time_does_not_hold_up_the_end(
    chip: FakeChip, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chip.calls_of_line = ThreadCalls()
    monkeypatch.setattr("drivers.gpio.calls.FINISH_DEADLINE_S", 0.05)
    switch = GpioOutput(chip, SWITCH)
    bus, closed = threading.Event(), threading.Event()
    async with held(switch):
        handle = chip.line
        at_once = handle.release

        def release_after_the_bus() -> None:
            bus.wait(30)
            at_once()
            closed.set()

        handle.release = release_after_the_bus
    assert "the line power switch could not be closed properly: expected the chip to answer" in caplog.text
    bus.set()
    # The abandoned call still ends, and lets the line go.
    assert await trio.to_thread.run_sync(closed.wait, 30)
