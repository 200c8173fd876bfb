"""Which stuck code the watchdog hears of, and which broken devices it does not."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import trio
import trio.testing

from drivers.errors import DeviceGoneError, NotSupportedError
from firmware.core.heartbeat import Heartbeat
from firmware.core.supervise import Supervisor, TaskPhase
from firmware.liveness import StuckError, heartbeats_check, threads_check


async def test_a_task_that_stops_beating_is_stuck(autojump_clock: trio.testing.MockClock) -> None:
    supervisor = Supervisor()
    heartbeat = Heartbeat(max_age_s=10)
    check = heartbeats_check(supervisor, {"hid": heartbeat})
    stuck = trio.Event()

    async def loop(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        while not stuck.is_set():
            heartbeat.beat()
            await trio.sleep(3)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await check()  # not yet there
        nursery.start_soon(supervisor.supervise, "hid", loop)
        for _ in range(20):
            await trio.sleep(5)
            await check()
        stuck.set()
        await trio.sleep(9)
        await check()
        await trio.sleep(5)
        with pytest.raises(StuckError, match=r"none of hid for 1\d s"):
            await check()
        # A restart is a new life, and its first beat is given time.
        stuck = trio.Event()
        supervisor.restart("hid")
        await trio.testing.wait_all_tasks_blocked()
        await check()
        nursery.cancel_scope.cancel()


async def test_a_task_that_never_beats_is_stuck(autojump_clock: trio.testing.MockClock) -> None:
    supervisor = Supervisor()
    check = heartbeats_check(supervisor, {"hid": Heartbeat(max_age_s=10)})

    async def hang(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "hid", hang)
        await trio.sleep(1)
        await check()
        await trio.sleep(9)
        await check()
        await trio.sleep(2)
        with pytest.raises(StuckError, match="hid"):
            await check()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("error", [DeviceGoneError("unplugged"), NotSupportedError("never")])
async def test_a_broken_device_is_no_stuck_code(
    autojump_clock: trio.testing.MockClock, error: Exception
) -> None:
    supervisor = Supervisor()
    heartbeat = Heartbeat(max_age_s=10)
    check = heartbeats_check(supervisor, {"streamer": heartbeat})

    async def fail(*, task_status: trio.TaskStatus[None]) -> None:
        heartbeat.beat()
        raise error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "streamer", fail)
        for _ in range(30):
            await trio.sleep(20)
            await check()
        assert supervisor.tasks.value["streamer"].phase in (TaskPhase.BACKING_OFF, TaskPhase.FAILED)
        nursery.cancel_scope.cancel()


async def test_a_device_that_lets_a_start_wait_is_no_stuck_code(
    autojump_clock: trio.testing.MockClock,
) -> None:
    supervisor = Supervisor()
    check = heartbeats_check(supervisor, {"streamer": Heartbeat(max_age_s=10)})

    async def wait(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "streamer", wait)
        await trio.sleep(1000)
        await check()
        nursery.cancel_scope.cancel()


async def test_threads_that_all_hang_are_noticed() -> None:
    await threads_check()
    limiter = trio.to_thread.current_default_thread_limiter()
    before = limiter.total_tokens
    release = threading.Event()
    limiter.total_tokens = 1
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.to_thread.run_sync, release.wait))
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0.01) as scope:
                await threads_check()
            assert scope.cancelled_caught
            release.set()
        await threads_check()
    finally:
        release.set()
        limiter.total_tokens = before
