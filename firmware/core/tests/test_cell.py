from __future__ import annotations

import trio
from trio.testing import MockClock

from firmware.core.cell import Cell


async def test_a_slow_reader_misses_values_in_between_and_never_the_last(autojump_clock: MockClock) -> None:
    cell = Cell(0)
    seen: list[int] = []

    async def read_slowly() -> None:
        async for value in cell.changes():
            seen.append(value)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_slowly)
        for value in range(1, 101):
            await trio.sleep(0.07)
            cell.publish(value)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert seen[0] in (0, 1)
    assert seen[-1] == 100
    assert len(seen) < 12


async def test_an_equal_value_wakes_nobody_unless_asked(autojump_clock: MockClock) -> None:
    cell = Cell("a")
    assert cell.publish("a") is False
    assert cell.version == 1
    assert cell.publish("a", even_if_equal=True) is True
    assert cell.version == 2
    assert await cell.wait_newer(1) == 2


async def test_many_readers_all_see_the_last_value(autojump_clock: MockClock) -> None:
    cell = Cell(0)
    last: dict[int, int] = {}

    async def read(number: int) -> None:
        async for value in cell.changes():
            last[number] = value
            await trio.sleep(number / 100)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(read, number)
        for value in range(50):
            cell.publish(value)
            await trio.sleep(0.01)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert set(last.values()) == {49}
    assert len(last) == 20
