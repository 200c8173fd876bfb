from __future__ import annotations

import logging
import random

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import DeviceGoneError, NotSupportedError
from firmware.core.supervise import Backoff, Supervisor, TaskPhase

EXACT = Backoff(first_s=1, factor=2, longest_s=8, jitter=0, stable_after_s=100)


class Script:
    """A driver that does on each start what its list says, and then works for ever."""

    def __init__(self, *outcomes: Exception | float) -> None:
        self.outcomes = list(outcomes)
        self.started_at: list[float] = []

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self.started_at.append(trio.current_time())
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        task_status.started()
        if isinstance(outcome, int | float):
            await trio.sleep(outcome)
            raise DeviceGoneError("unplugged")
        await trio.sleep_forever()


async def supervised(script: Script, seconds: float, supervisor: Supervisor) -> None:
    with trio.move_on_after(seconds):
        await supervisor.supervise("the.task", script.run)


async def test_a_fault_is_retried_with_growing_delays_up_to_the_longest(autojump_clock: MockClock) -> None:
    start = trio.current_time()
    script = Script(*[DeviceGoneError("no such device")] * 6)
    await supervised(script, 60, Supervisor(backoff=EXACT))
    assert [at - start for at in script.started_at] == [0, 1, 3, 7, 15, 23, 31]


async def test_a_task_that_was_stable_starts_over_with_the_short_delay(autojump_clock: MockClock) -> None:
    start = trio.current_time()
    script = Script(DeviceGoneError("x"), DeviceGoneError("x"), 100.0)
    await supervised(script, 200, Supervisor(backoff=EXACT))
    assert [at - start for at in script.started_at] == [0, 1, 3, 104]


async def test_jitter_stays_within_its_bounds_and_varies() -> None:
    backoff = Backoff(first_s=1, jitter=0.2, longest_s=10)
    rng = random.Random(1)
    delays = {backoff.delay_s(1, rng) for _ in range(100)}
    assert all(0.8 <= delay <= 1.2 for delay in delays)
    assert len(delays) > 50
    assert backoff.delay_s(100_000, rng) <= 12


async def test_states_are_published(autojump_clock: MockClock) -> None:
    supervisor = Supervisor(backoff=EXACT)
    phases: list[tuple[TaskPhase, int, int, str | None]] = []

    async def watch() -> None:
        async for tasks in supervisor.tasks.changes():
            if "the.task" in tasks:
                state = tasks["the.task"]
                phases.append((state.phase, state.faults, state.bugs, state.last_error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        await supervised(Script(DeviceGoneError("no UDC")), 5, supervisor)
        nursery.cancel_scope.cancel()
    assert (TaskPhase.BACKING_OFF, 1, 0, "no UDC") in phases
    assert phases[-1] == (TaskPhase.ONLINE, 1, 0, None)
    assert dict(supervisor.tasks.value) == {}


@pytest.mark.parametrize(
    ("error", "faults", "bugs"),
    [
        (DeviceGoneError("gone"), 1, 0),
        (ZeroDivisionError("oops"), 0, 1),
        (ExceptionGroup("both", [DeviceGoneError("gone"), KeyError("oops")]), 0, 1),
        (ExceptionGroup("two", [DeviceGoneError("a"), ExceptionGroup("deep", [DeviceGoneError("b")])]), 1, 0),
    ],
)
async def test_a_bug_is_told_from_a_fault_and_restarted_too(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, error: Exception, faults: int, bugs: int
) -> None:
    supervisor = Supervisor(backoff=EXACT)
    script = Script(error)
    with caplog.at_level(logging.WARNING):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.supervise, "the.task", script.run)
            await trio.sleep(2)
            state = supervisor.tasks.value["the.task"]
            nursery.cancel_scope.cancel()
    assert (state.phase, state.faults, state.bugs, state.starts) == (TaskPhase.ONLINE, faults, bugs, 2)
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == bugs


async def test_a_task_that_returns_is_a_bug_and_comes_back(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Supervisor(backoff=EXACT)

    async def returns(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    with trio.move_on_after(0.5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.supervise, "the.task", returns)
            await trio.testing.wait_all_tasks_blocked()
            assert supervisor.tasks.value["the.task"].bugs == 1
    assert "returned although nobody cancelled it" in caplog.text


async def test_not_supported_waits_for_a_restart(autojump_clock: MockClock) -> None:
    supervisor = Supervisor(backoff=EXACT)
    script = Script(NotSupportedError("this board has no such line"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "the.task", script.run)
        await trio.sleep(1000)
        assert supervisor.tasks.value["the.task"].phase == TaskPhase.FAILED
        assert len(script.started_at) == 1
        supervisor.restart("the.task")
        await trio.sleep(0.1)
        assert supervisor.tasks.value["the.task"].phase == TaskPhase.ONLINE
        nursery.cancel_scope.cancel()


async def test_a_restart_cuts_a_wait_short_and_counts_no_fault(autojump_clock: MockClock) -> None:
    supervisor = Supervisor(backoff=Backoff(first_s=50, longest_s=50, jitter=0))
    script = Script(DeviceGoneError("x"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "the.task", script.run)
        await trio.sleep(1)
        supervisor.restart("the.task")
        await trio.sleep(0.1)
        assert supervisor.tasks.value["the.task"].phase == TaskPhase.ONLINE
        supervisor.restart("the.task")
        await trio.sleep(0.1)
        state = supervisor.tasks.value["the.task"]
        assert (state.phase, state.starts, state.faults) == (TaskPhase.ONLINE, 3, 1)
        nursery.cancel_scope.cancel()


async def test_an_interrupt_ends_the_attempt_with_that_error(autojump_clock: MockClock) -> None:
    supervisor = Supervisor(backoff=EXACT)
    script = Script()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "the.task", script.run)
        await trio.sleep(1)
        supervisor.interrupt("the.task", DeviceGoneError("drill"))
        await trio.sleep(0.5)
        state = supervisor.tasks.value["the.task"]
        assert (state.phase, state.last_error) == (TaskPhase.BACKING_OFF, "drill")
        await trio.sleep(1)
        assert supervisor.tasks.value["the.task"].phase == TaskPhase.ONLINE
        nursery.cancel_scope.cancel()


async def test_cancellation_mixed_with_an_error_still_cancels(autojump_clock: MockClock) -> None:
    """A child that fails while it is being cancelled must not keep the tree alive."""
    supervisor = Supervisor(backoff=EXACT)

    async def fails_on_cancel(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            raise DeviceGoneError("while closing")

    with trio.move_on_after(1) as scope:
        await supervisor.supervise("the.task", fails_on_cancel)
    assert scope.cancelled_caught
    assert trio.current_time() - scope.deadline < 5


async def test_a_name_is_supervised_once(autojump_clock: MockClock) -> None:
    supervisor = Supervisor()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "the.task", Script().run)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ValueError, match="supervised already"):
            await supervisor.supervise("the.task", Script().run)
        nursery.cancel_scope.cancel()


async def test_settled_waits_for_the_first_outcome_good_or_bad(autojump_clock: MockClock) -> None:
    supervisor = Supervisor(backoff=EXACT)

    async def slow(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(3)
        task_status.started()
        await trio.sleep_forever()

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "bad", Script(DeviceGoneError("x")).run)
        nursery.start_soon(supervisor.supervise, "slow", slow)
        await supervisor.settled(["bad"])
        assert trio.current_time() - start < 1
        await supervisor.settled(["bad", "slow"])
        assert trio.current_time() - start == 3
        nursery.cancel_scope.cancel()


async def test_a_task_whose_device_is_back_need_not_wait(autojump_clock: MockClock) -> None:
    start = trio.current_time()
    script = Script(*[DeviceGoneError("x")] * 4)
    supervisor = Supervisor(backoff=EXACT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "the.task", script.run)
        await trio.sleep(7.5)
        supervisor.hasten("the.task")
        await trio.sleep(0.1)
        supervisor.hasten("nobody")
        assert [at - start for at in script.started_at] == [0, 1, 3, 7, 7.5]
        assert supervisor.tasks.value["the.task"].phase is TaskPhase.ONLINE
        supervisor.hasten("the.task")
        await trio.sleep(1)
        assert len(script.started_at) == 5, "a task that works is left alone"
        nursery.cancel_scope.cancel()


async def test_a_fault_that_does_not_change_is_told_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    faults = [DeviceGoneError("away")] * 5 + [DeviceGoneError("burning")] + [DeviceGoneError("away")]
    await supervised(Script(*faults), 60, Supervisor(backoff=EXACT))
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "the.task: away",
        "the.task: burning",
        "the.task: away",
    ]
