"""How many connections there may be, and who makes room for whom."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from api.server import Limits


async def test_connections_above_the_cap_are_closed_at_once(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start(limits=Limits(connections=2, loopback_reserve=0))
    first, second = await running.connect(), await running.connect()
    assert (await first.get("/hello")).status == 200
    assert (await second.get("/hello")).status == 200
    for _ in range(3):
        refused = await running.connect()
        assert await refused.is_closed()
    statistics = running.server.statistics()
    assert (statistics.refused_total, statistics.open_connections, statistics.accepted) == (3, 2, 2)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    await first.stream.aclose()
    await running.until(lambda: running.server.statistics().open_connections == 1)
    assert (await running.get("/hello")).status == 200


async def test_one_address_may_not_take_all_connections(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Loopback is exempt, so the peers are given other addresses where they are counted.
    addresses = iter(["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"])
    monkeypatch.setattr("api.server.service._counted_address", lambda _stream: next(addresses))
    running = await start(limits=Limits(connections_per_address=2))
    first, second = await running.connect(), await running.connect()
    await running.until(lambda: running.server.statistics().open_connections == 2)
    third = await running.connect()
    assert await third.is_closed()
    other = await running.connect()
    assert (await other.get("/hello")).status == 200
    assert running.server.statistics().refused_per_address == 1
    for client in (first, second, other):
        await client.stream.aclose()
    await running.until(lambda: running.server.statistics().open_connections == 0)
    fourth = await running.connect()
    assert (await fourth.get("/hello")).status == 200


async def test_loopback_gets_in_when_strangers_have_taken_everything(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = iter(["192.0.2.1", "192.0.2.2", "192.0.2.3", None, None])
    monkeypatch.setattr("api.server.service._counted_address", lambda _stream: next(addresses))
    running = await start(limits=Limits(connections=2, loopback_reserve=1))
    for _ in range(2):
        assert (await (await running.connect()).get("/member")).status == 200
    stranger = await running.connect()
    assert await stranger.is_closed()
    watchdog = await running.connect()
    assert (await watchdog.get("/hello")).status == 200
    another = await running.connect()
    assert await another.is_closed()


async def come_from(start: Any, monkeypatch: pytest.MonkeyPatch, connections: int, *addresses: str) -> Any:
    """Start a server that takes its clients, in their order, to come from *addresses*."""
    coming = iter(addresses)
    monkeypatch.setattr("api.server.service._counted_address", lambda _stream: next(coming))
    return await start(limits=Limits(connections=connections, loopback_reserve=0))


async def test_a_stranger_makes_room_for_a_newcomer(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    running = await come_from(start, monkeypatch, 3, "a", "b", "c", "owner")
    strangers = [await running.connect() for _ in range(3)]
    await running.until(lambda: running.server.statistics().open_connections == 3)
    owner = await running.connect()
    assert (await owner.get("/member")).status == 200
    assert await strangers[0].is_closed()
    assert (await strangers[1].get("/hello")).status == 200
    statistics = running.server.statistics()
    assert (statistics.displaced, statistics.refused_total, statistics.open_connections) == (1, 0, 3)


async def test_who_has_most_makes_room_first(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    running = await come_from(start, monkeypatch, 4, "owner", "many", "many", "many", "x", "x")
    owner = await running.connect()  # has not shown anything yet, and came first
    many = [await running.connect() for _ in range(3)]
    await running.until(lambda: running.server.statistics().open_connections == 4)
    await running.connect()
    assert await many[0].is_closed()
    assert (await owner.get("/hello")).status == 200


async def test_who_has_shown_credentials_is_not_closed_for_anybody(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await come_from(start, monkeypatch, 2, "owner", "owner", *"stranger" * 5)
    owners = [await running.connect() for _ in range(2)]
    for owner in owners:
        assert (await owner.get("/member")).status == 200
    for _ in range(5):
        assert await (await running.connect()).is_closed()
    for owner in owners:
        assert (await owner.get("/hello")).status == 200
    assert running.server.statistics().refused_total == 5


async def test_a_flood_is_one_line_in_the_log(
    start: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = await come_from(start, monkeypatch, 2, *"abcdefgh")
    for _ in range(8):
        await running.connect()
    await running.until(lambda: running.server.statistics().displaced == 6)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    assert running.server.statistics().open_connections == 2
