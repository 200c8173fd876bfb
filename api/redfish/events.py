"""Events: a stream of server-sent events that tells which resources have changed (DSP0266 13.6).

A client is owed no queue: what it has not been told yet is the difference between what it knows and what is
now, so a slow one gets the newest state once, and costs no more than a fast one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import trio
from quart import Response

from api.redfish.answers import Document
from api.redfish.handles import OWN_SYSTEM, PORT_PREFIX, RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Operation, Resource, link
from api.redfish.virtual_media import MSD, shown_drive
from api.routing import Call, media
from firmware.core.cell import Cell
from firmware.subsystems.auth.rights import Capability

SERVICE: Final = f"{ROOT}/EventService"
STREAM: Final = f"{SERVICE}/SSE"
# Proxies cut connections that are silent for a minute, and this is how we notice that a client has left.
HEARTBEAT_S: Final = 15.0
_HEARTBEAT: Final = b": no news\n\n"
_EVENT_TYPE: Final = "#Event.v1_4_1.Event"
_MESSAGE_ID: Final = "ResourceEvent.1.0.ResourceChanged"

type Snapshot = Mapping[str, object]
"""By URI, whatever differs when the resource does."""


def event_service() -> Document:
    """Return the event service."""
    return {
        "@odata.id": SERVICE,
        "@odata.type": odata_type("EventService"),
        "Id": "EventService",
        "Name": "Event Service",
        "ServiceEnabled": True,
        "Status": {"State": "Enabled", "Health": "OK"},
        "EventFormatTypes": ["Event"],
        "RegistryPrefixes": ["ResourceEvent"],
        "ResourceTypes": ["ComputerSystem", "VirtualMedia"],
        "ServerSentEventUri": STREAM,
    }


def changes(before: Snapshot, now: Snapshot) -> list[str]:
    """Return the URIs of what has changed, come or gone between the two."""
    return [uri for uri in {**before, **now} if before.get(uri) != now.get(uri)]


def event(number: int, uris: Sequence[str], at: datetime) -> bytes:
    """Return the event that tells of *uris* as it goes over the wire; *number* counts a stream's events."""
    document = {
        "@odata.type": _EVENT_TYPE,
        "Id": str(number),
        "Name": "Changes of resources",
        "Events": [
            {
                "EventType": "ResourceUpdated",
                "EventId": f"{number}.{index}",
                "MemberId": str(index),
                "EventTimestamp": at.isoformat(timespec="seconds"),
                "Severity": "OK",
                "MessageSeverity": "OK",
                "MessageId": _MESSAGE_ID,
                "Message": "The resource has changed: read it again.",
                "OriginOfCondition": link(uri),
            }
            for index, uri in enumerate(uris)
        ],
    }
    return b"id: %d\ndata: %s\n\n" % (number, msgspec.json.encode(document))


def snapshot(handles: RedfishHandles) -> Snapshot:
    """Return what there is to tell of now. The disk's LED blinks all the time, and is no news."""
    atx, boot = handles.atx.state.value, handles.boot.state.value
    found: dict[str, object] = {MSD: shown_drive(handles.msd, handles.removable)}
    if atx.enabled:
        found[f"{ROOT}/Systems/{OWN_SYSTEM}"] = (atx.leds.power, atx.online, boot.override, boot.mode)
    for number, port in enumerate(handles.switch.ports()):
        found[f"{ROOT}/Systems/{PORT_PREFIX}{number}"] = port
    return found


class Bell:
    """Rings when any of several cells is published; rings that nobody waited for are one."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    async def follow(self, cell: Cell[Any]) -> None:
        """Ring for *cell* until cancelled."""
        seen = cell.version
        while True:
            seen = await cell.wait_newer(seen)
            self._rung.set()

    async def wait(self) -> None:
        """Wait until it has rung since the last time."""
        await self._rung.wait()
        self._rung = trio.Event()


async def told(bell: Bell, look: Callable[[], Snapshot]) -> AsyncGenerator[bytes]:
    """Yield an event whenever *bell* has rung and *look* sees something new, and a word if it does not."""
    known, number = look(), 0
    yield _HEARTBEAT
    while True:
        with trio.move_on_after(HEARTBEAT_S) as silence:
            await bell.wait()
        now = look()
        changed = changes(known, now)
        known = now
        if changed:
            number += 1
            yield event(number, changed, datetime.now(UTC))
        elif silence.cancelled_caught:
            yield _HEARTBEAT


def event_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of events."""

    async def service(_call: Call) -> Document:
        return event_service()

    async def stream(call: Call) -> Response:
        head = Response(b"", content_type="text/event-stream; charset=utf-8")
        del head.headers["Content-Length"]
        head.headers["OData-Version"] = "4.0"
        bell = Bell()
        cells: tuple[Cell[Any], ...] = (
            handles.atx.state,
            handles.boot.state,
            handles.msd.state,
            handles.switch.changes,
        )
        async with trio.open_nursery() as nursery:
            for cell in cells:
                nursery.start_soon(bell.follow, cell)
            async with aclosing(told(bell, lambda: snapshot(handles))) as pieces:
                answer = await call.stream(head, pieces)
            nursery.cancel_scope.cancel()
        return answer

    events = (media("text/event-stream", "Event documents; a comment every 15 s if there is no news"),)
    return [
        Resource(SERVICE, "the event service", service),
        Resource(
            STREAM,
            operations={
                "GET": Operation(
                    stream,
                    Capability.VIEW,
                    "which resources change, as server-sent events",
                    answers=events,
                    errors=(),
                )
            },
        ),
    ]
