"""The hub between state cells and the clients of the control socket.

Every subsystem's cell is one source. A client keeps, per source, the state that it was last sent; when a
source changes the client is marked, and its writer later sends the difference to the state as it then is.
So a slow client gets the newest state and costs one mark per source, however fast things change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from api.ws.wire.state_diff import Shape, State
from firmware.core.cell import Cell
from firmware.subsystems.auth.rights import Capability


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of events: a cell, its event type and how its events are cut.

    `member`: the cell's value is sent as the only member of that name (one event per category of `info`).
    """

    event_type: str
    cell: Cell[Any]
    shape: Shape = Shape()
    member: str | None = None
    own_to: Capability | None = None
    """None = an event of the contract. Otherwise one of ours, for clients that ask for those and may this."""

    @property
    def key(self) -> str:
        """A name of the source that no other has."""
        return self.event_type if self.member is None else f"{self.event_type}.{self.member}"

    def snapshot(self) -> State:
        """Return the present state as JSON types."""
        value = msgspec.to_builtins(self.cell.value, str_keys=True)
        return value if self.member is None else {self.member: value}


@dataclass(eq=False)
class Subscriber:
    """One client's marks: which sources it has to look at, and which it has to be told in full."""

    marked: dict[str, Source] = field(default_factory=dict)
    sent: dict[str, State] = field(default_factory=dict)
    _event: trio.Event = field(default_factory=trio.Event)

    def mark(self, source: Source, *, in_full: bool = False) -> None:
        """Take that *source* has news, or that the client needs all of it."""
        if in_full:
            self.sent.pop(source.key, None)
        self.marked[source.key] = source
        self._event.set()

    def wake(self) -> None:
        """Let the writer look for something else to do, such as a pong."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until there is something to do."""
        await self._event.wait()
        self._event = trio.Event()

    def take(self) -> list[Source]:
        """Return the marked sources and unmark them."""
        taken, self.marked = list(self.marked.values()), {}
        return taken


class Hub:
    """Watches every source and marks every client."""

    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources
        self._subscribers: set[Subscriber] = set()
        self._snapshots: dict[str, tuple[int, State]] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled."""
        async with trio.open_nursery() as nursery:
            for source in self._sources:
                nursery.start_soon(self._watch, source)
            task_status.started()

    async def _watch(self, source: Source) -> None:
        async for _ in source.cell.changes():
            for subscriber in self._subscribers:
                subscriber.mark(source)

    @contextmanager
    def subscribed(self) -> Iterator[Subscriber]:
        """Register a client while its socket is open."""
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    def tell_everybody_everything(self) -> None:
        """Make every client be sent every full state, as somebody's connecting does (websocket.md 1.3)."""
        for subscriber in self._subscribers:
            for source in self._sources:
                subscriber.mark(source, in_full=True)

    def snapshot(self, source: Source) -> State:
        """Return the present state of *source*, converted once for all clients."""
        version = source.cell.version
        cached = self._snapshots.get(source.key)
        if cached is None or cached[0] != version:
            cached = self._snapshots[source.key] = (version, source.snapshot())
        return cached[1]

    def present_states(self) -> Mapping[str, tuple[Source, State]]:
        """Return every source with its present state, by key."""
        return {source.key: (source, self.snapshot(source)) for source in self._sources}

    def statistics(self) -> dict[str, int]:
        """Return the number of clients and sources."""
        return {"subscribers": len(self._subscribers), "sources": len(self._sources)}
