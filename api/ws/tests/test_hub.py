"""The hub and a session's writer: a client that reads slowly gets the newest state, and costs no memory."""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec
import trio
from trio.testing import MockClock

from api.server.exchange import UnknownLine
from api.ws.hub import Hub, Source
from api.ws.session import ControlSession
from api.ws.wire.state_diff import Shape
from firmware.core.cell import Cell
from firmware.subsystems.hid.service import HidService


class Counter(msgspec.Struct, frozen=True):
    count: int = 0
    other: str = "x"


class SlowSocket:
    """A client that takes a second for each message and says nothing."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []

    async def receive(self) -> str:
        await trio.sleep_forever()
        raise AssertionError

    async def send(self, message: str | bytes) -> None:
        await trio.sleep(1)
        self.received.append(json.loads(message))


async def test_a_slow_client_gets_the_newest_state(autojump_clock: MockClock) -> None:
    cell = Cell(Counter())
    hub = Hub([Source("counter", cell), Source("still", Cell(Counter()), Shape(whole=True))])
    socket = SlowSocket()
    # No input comes from this client, so the session never asks for the HID subsystem.
    session = ControlSession(
        socket, hub, cast("HidService", None), legacy=False, may=lambda _: True, line=UnknownLine()
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        nursery.start_soon(session.serve)
        for number in range(1, 1001):
            await trio.sleep(0.01)
            cell.publish(Counter(number))
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    events = [message["event"] for message in socket.received if message["event_type"] == "counter"]
    assert events[0]["other"] == "x"
    assert all(event.keys() == {"count"} for event in events[1:])
    assert events[-1] == {"count": 1000}
    assert len(events) < 16
    assert socket.received[0]["event_type"] == "loop"


async def test_nobody_is_marked_after_leaving(autojump_clock: MockClock) -> None:
    cell = Cell(Counter())
    hub = Hub([Source("counter", cell)])
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        with hub.subscribed() as subscriber:
            assert hub.statistics() == {"subscribers": 1, "sources": 1}
        cell.publish(Counter(5))
        await trio.sleep(1)
        assert subscriber.take() == []
        assert hub.statistics() == {"subscribers": 0, "sources": 1}
        nursery.cancel_scope.cancel()
