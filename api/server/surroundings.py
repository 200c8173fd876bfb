"""What the parts of one connection need of each other, and what all connections have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import Event
from hypercorn.trio.worker_context import WorkerContext

from api.server.access_log import AccessLog
from api.server.config import ServerConfig
from api.server.exchange import AppTasks, AsgiApp, Exchange, Message
from api.server.statistics import Counters


@dataclass(frozen=True, slots=True)
class Shared:
    """What all connections of one listener have in common."""

    app: AsgiApp
    config: ServerConfig
    hypercorn: HypercornConfig
    worker: WorkerContext
    counters: Counters
    access_log: AccessLog


class Port(Protocol):
    """A connection, as its protocol and streams see it."""

    @property
    def peer(self) -> str:
        """Who is at the other end, for the log."""
        ...

    @property
    def blocked(self) -> bool:
        """Whether reading waits, now, for the application to make room."""
        ...

    @property
    def times_blocked(self) -> int:
        """How often it had to."""
        ...

    async def send(self, event: Event) -> None:
        """Write, close or change the idle state; never raises for the peer's sake."""
        ...

    async def deliver(self, exchange: Exchange, message: Message, size: int) -> None:
        """Give the application *message* of *size* bytes, waiting for room as long as the peer is there."""
        ...

    async def hold(self, until: trio.Event) -> None:
        """Read nothing until the event, as long as the peer is there."""
        ...

    def resume(self) -> None:
        """Have the protocol's `resume` called by the reading task."""
        ...

    def close_within(self, seconds: float) -> None:
        """Close unless the peer does so before."""
        ...

    def watch_line(self, *, closely: bool) -> None:
        """Have the peer's machine acknowledge something once a second, or as seldom as else."""
        ...

    def line_silence_s(self) -> float:
        """How long ago the peer's machine acknowledged anything."""
        ...

    def vouch(self) -> None:
        """Take the peer for somebody who has shown valid credentials."""
        ...

    def abort(self) -> None:
        """Close at once and without a word."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the streams of one connection are given: where they are and whom they may ask."""

    port: Port
    shared: Shared
    tasks: AppTasks
    is_tls: bool
    client: tuple[str, int]
    server: tuple[str, int]
