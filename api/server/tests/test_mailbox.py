"""The bounded queue between a connection and its handler."""

from __future__ import annotations

import pytest
import trio

from api.server.mailbox import Mailbox


async def test_items_come_out_in_order_and_a_full_mailbox_makes_the_writer_wait(
    nursery: trio.Nursery,
) -> None:
    box = Mailbox[int](2, 100)
    assert box.put_nowait(1, 10)
    assert box.put_nowait(2, 10)
    assert not box.put_nowait(3, 10)
    done = trio.Event()

    async def put() -> None:
        await box.put(3, 10)
        done.set()

    nursery.start_soon(put)
    await trio.testing.wait_all_tasks_blocked()
    assert not done.is_set()
    assert [await box.get(), await box.get(), await box.get()] == [1, 2, 3]
    assert done.is_set()


async def test_bytes_count_but_one_item_always_fits() -> None:
    box = Mailbox[bytes](10, 100)
    assert box.put_nowait(b"long", 1000)
    assert not box.put_nowait(b"short", 1)
    assert await box.get() == b"long"
    assert box.put_nowait(b"a", 60)
    assert not box.put_nowait(b"b", 60)
    assert box.put_nowait(b"c", 40)


async def test_what_was_queued_can_be_read_after_the_writer_left() -> None:
    box = Mailbox[int](2, 100)
    box.put_nowait(1, 1)
    box.close_writer()
    box.put_nowait(2, 1)
    assert await box.get() == 1
    for _ in range(2):
        with pytest.raises(trio.EndOfChannel):
            await box.get()


async def test_a_writer_does_not_wait_for_a_reader_that_left(nursery: trio.Nursery) -> None:
    box = Mailbox[int](1, 100)
    box.put_nowait(1, 1)
    nursery.start_soon(box.put, 2, 1)
    await trio.testing.wait_all_tasks_blocked()
    box.close_reader()
    with trio.fail_after(5):
        await box.put(3, 1)
    assert len(box) == 0


async def test_a_cancelled_wait_takes_and_leaves_nothing() -> None:
    box = Mailbox[int](1, 100)
    with trio.move_on_after(0):
        await box.get()
    box.put_nowait(1, 1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await box.put(2, 1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await box.get()
    assert len(box) == 1
    assert await box.get() == 1
