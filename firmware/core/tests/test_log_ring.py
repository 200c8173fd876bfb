from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from firmware.core.log_ring import MAX_MESSAGE_CHARACTERS, LogEntry, LogRing


@pytest.fixture
def ring() -> Iterator[LogRing]:
    ring = LogRing(max_records=5, max_characters=100_000)
    yield ring
    ring.close()


@pytest.fixture
def logger(ring: LogRing) -> Iterator[logging.Logger]:
    logger = logging.getLogger("test_log_ring")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(ring)
    yield logger
    logger.removeHandler(ring)
    logger.propagate = True


def test_the_last_records_are_kept(ring: LogRing, logger: logging.Logger) -> None:
    for number in range(1, 8):
        logger.info("record %d", number)
    entries = ring.entries()
    assert [entry.message for entry in entries] == [f"record {number}" for number in range(3, 8)]
    assert [entry.number for entry in entries] == [3, 4, 5, 6, 7]
    assert {(entry.level, entry.logger) for entry in entries} == {("INFO", "test_log_ring")}
    assert ring.statistics() == {"kept": 5, "seen": 7, "readers_waiting": 0}


def test_a_traceback_is_part_of_the_message(ring: LogRing, logger: logging.Logger) -> None:
    try:
        raise ZeroDivisionError("by nothing")
    except ZeroDivisionError:
        logger.exception("it failed")
    (entry,) = ring.entries()
    assert entry.message.startswith("it failed\nTraceback")
    assert entry.message.endswith("ZeroDivisionError: by nothing")


def test_memory_is_bounded(logger: logging.Logger) -> None:
    ring = LogRing(max_characters=MAX_MESSAGE_CHARACTERS * 3)
    logger.addHandler(ring)
    try:
        for _ in range(50):
            logger.warning("x" * 1_000_000)
    finally:
        logger.removeHandler(ring)
    entries = ring.entries()
    assert sum(len(entry.message) for entry in entries) <= MAX_MESSAGE_CHARACTERS * 3
    assert [entry.number for entry in entries] == [49, 50]
    assert entries[0].message == "x" * MAX_MESSAGE_CHARACTERS + " [cut]"


def test_a_record_that_cannot_be_formatted_ends_nobody(
    ring: LogRing, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.info("%d", "not a number")
    logger.info("after")
    assert [entry.message for entry in ring.entries()] == ["after"]


def test_only_what_is_not_too_old(ring: LogRing) -> None:
    for age in (30, 20, 10):
        ring.handle(logging.makeLogRecord({"msg": f"{age} s ago", "created": 1000.0 - age}))
    assert [entry.message for entry in ring.entries(since_s=980.0)] == ["20 s ago", "10 s ago"]


async def test_a_follower_gets_what_is_kept_and_then_each_new_record(
    ring: LogRing, logger: logging.Logger
) -> None:
    logger.info("before")
    got: list[LogEntry] = []

    async def follow() -> None:
        async for entry in ring.follow():
            got.append(entry)  # noqa: PERF401 - looked at while it grows

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        assert [entry.message for entry in got] == ["before"]
        assert ring.statistics()["readers_waiting"] == 1
        logger.info("from the loop")
        await trio.to_thread.run_sync(logger.info, "from a thread")
        # Another thread's record wakes the loop from outside, which is not yet done when the call returns.
        while len(got) < 3:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert [entry.message for entry in got] == ["before", "from the loop", "from a thread"]
    assert [entry.number for entry in got] == [1, 2, 3]
    assert ring.statistics()["readers_waiting"] == 0


async def test_a_follower_from_now_on_gets_the_new_ones_only(ring: LogRing) -> None:
    ring.handle(logging.makeLogRecord({"msg": "old", "created": 1000.0}))
    following = ring.follow(since_s=2000.0)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def log_later() -> None:
            await trio.testing.wait_all_tasks_blocked()
            # Meanwhile the clock was set back.
            ring.handle(logging.makeLogRecord({"msg": "new", "created": 500.0}))

        assert (await anext(following)).message == "new"


async def test_a_slow_follower_sees_the_gap(ring: LogRing, logger: logging.Logger) -> None:
    following = ring.follow()
    logger.info("1")
    assert (await anext(following)).number == 1
    for _ in range(20):
        logger.info("more")
    assert (await anext(following)).number == 17


def test_records_after_the_end_of_the_loop_are_kept(ring: LogRing, logger: logging.Logger) -> None:
    async def leave_a_waiter() -> None:
        # What is left of a reader that the end of the run cut off.
        ring._waiting[trio.Event()] = trio.lowlevel.current_trio_token()

    trio.run(leave_a_waiter)
    logger.info("later")
    assert [entry.message for entry in ring.entries()] == ["later"]


def test_threads_lose_nothing(logger: logging.Logger) -> None:
    ring = LogRing(max_records=10_000)
    logger.addHandler(ring)

    async def log_in_threads() -> None:
        def log_many() -> None:
            for _ in range(500):
                logger.info("x")

        async def follow() -> None:
            async for entry in ring.follow():
                numbers.append(entry.number)
                if entry.number == 2000:
                    return

        numbers: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            for _ in range(4):
                nursery.start_soon(trio.to_thread.run_sync, log_many)
        assert numbers == list(range(1, 2001))

    try:
        trio.run(log_in_threads)
    finally:
        logger.removeHandler(ring)
