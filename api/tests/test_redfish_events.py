"""The stream of events over a real socket, and what it makes of changes."""

from __future__ import annotations

import json
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import httpx
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from api.redfish.events import HEARTBEAT_S, Bell, changes, event, told
from firmware.core.cell import Cell

STREAM = "/redfish/v1/EventService/SSE"
SYSTEM = "/redfish/v1/Systems/0"
MSD = "/redfish/v1/Managers/BMC/VirtualMedia/MSD"


def origins(document: dict[str, Any]) -> set[str]:
    return {one["OriginOfCondition"]["@odata.id"] for one in document["Events"]}


class Reader:
    """Reads a stream's connection, with what HTTP puts around each event."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.received = b""

    async def until(self, wanted: bytes) -> bytes:
        """Read up to *wanted* and return what comes before it."""
        with trio.fail_after(60):
            while wanted not in self.received:
                piece = await self._stream.receive_some(65536)
                assert piece, "the stream ended"
                self.received += piece
        before, _, self.received = self.received.partition(wanted)
        return before

    async def event(self) -> dict[str, Any]:
        await self.until(b"data: ")
        document: dict[str, Any] = json.loads(await self.until(b"\n"))
        return document


async def steady(live: Any) -> None:
    """Wait until nothing changes by itself any more."""
    with trio.fail_after(30):
        while not (live.appliance.atx.state.value.leds.power and live.appliance.msd.state.value.online):
            await trio.sleep(0.05)


async def test_changes_are_told_as_they_come(live: Any) -> None:
    await steady(live)
    service = (await live.http.get("/redfish/v1/EventService")).json()
    assert service["ServerSentEventUri"] == STREAM
    async with await live.raw_get(STREAM) as connection:
        stream = Reader(connection)
        head = (await stream.until(b"\r\n\r\n")).lower()
        assert b"content-type: text/event-stream; charset=utf-8" in head
        assert b"odata-version: 4.0" in head
        await stream.until(b": no news")
        change = {"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Continuous"}}
        assert (await live.http.patch(SYSTEM, json=change)).status_code == 204
        first = await stream.event()
        assert origins(first) == {SYSTEM}
        assert first["@odata.type"].startswith("#Event.")
        await live.result_of(await live.http.post("/api/msd/set_params?cdrom=0"))
        second = await stream.event()
        assert origins(second) == {MSD}
        assert (first["Id"], second["Id"]) == ("1", "2")
        await live.result_of(await live.http.post("/api/atx/click?button=power"))
        while origins(await stream.event()) != {SYSTEM}:
            pass
        assert (await live.http.get(SYSTEM)).json()["PowerState"] == "Off"


async def test_a_client_that_leaves_is_forgotten(live: Any) -> None:
    await steady(live)
    drive = live.appliance.msd.state

    async def most_readers() -> int:
        """For a while: the appliance's own readers are at work now and then, and do not wait."""
        most = 0
        for _ in range(10):
            most = max(most, drive.statistics()["readers_waiting"])
            await trio.sleep(0.02)
        return most

    async with await live.raw_get(STREAM) as connection:
        await Reader(connection).until(b": no news")
        with_client = await most_readers()
    with trio.fail_after(30):
        while await most_readers() >= with_client:
            pass


async def test_who_does_not_read_is_told_the_newest_once(autojump_clock: MockClock) -> None:
    values = [{"a": 0}]
    cell = Cell(0)
    bell = Bell()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bell.follow, cell)
        async with aclosing(told(bell, lambda: values[-1])) as pieces:
            assert (await anext(pieces)).startswith(b":")
            await wait_all_tasks_blocked()
            for number in range(1, 100):
                values.append({"a": number})
                cell.publish(number)
                await trio.lowlevel.checkpoint()
            assert (await anext(pieces)).startswith(b"id: 1\n")
            began = trio.current_time()
            # Nothing is left of the others: the next that comes is the word that there is no news.
            assert (await anext(pieces)).startswith(b":")
            assert trio.current_time() - began == HEARTBEAT_S
        nursery.cancel_scope.cancel()


async def test_the_stream_needs_credentials(live: Any) -> None:
    async with live.anonymous() as client:
        answer: httpx.Response = await client.get(STREAM)
        assert answer.status_code == 401
        assert answer.json()["error"]["@Message.ExtendedInfo"]


def test_what_comes_and_goes_is_a_change() -> None:
    assert changes({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4, "d": 5}) == ["b", "c", "d"]
    assert changes({"a": 1}, {"a": 1}) == []


def test_an_event_on_the_wire() -> None:
    data = event(
        7, ["/redfish/v1/Systems/0", "/redfish/v1/Systems/SwitchPort1"], datetime(2026, 1, 2, tzinfo=UTC)
    )
    first, second, *rest = data.split(b"\n")
    assert (first, rest) == (b"id: 7", [b"", b""])
    document = json.loads(second.removeprefix(b"data: "))
    assert [one["EventId"] for one in document["Events"]] == ["7.0", "7.1"]
    assert document["Events"][0]["EventTimestamp"] == "2026-01-02T00:00:00+00:00"
