"""Input lines: edges as the kernel reports them, levels as it reads them (`drivers.ports.LineInput`)."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import trio

from drivers.fanout import Fanout
from drivers.gpio.declarations import InputDeclaration
from drivers.gpio.edges import EVENT_BUFFER, EdgeTracker, EventClock
from drivers.gpio.handle import LineHandle
from drivers.gpio.line import Line, LineSource, Session
from drivers.ports import LineEdge

EDGES: Final = 16
"""The bound of `LineInput.edges`: the oldest is dropped, since the newest tell the level."""

QUIET_AFTER_LOSS_S: Final = 0.02
"""How long a line has to be quiet after lost events before its level is read: about a frame of a screen."""

STORM_PAUSE_S: Final = 0.01
"""Pause after a full read: a floating line makes edges without end, of which we take 6400 a second at most;
the kernel drops the others."""


class GpioInput(Line):
    """An input line; `run` has to be running, and whoever listens is interrupted when it ends."""

    def __init__(self, source: LineSource, declaration: InputDeclaration) -> None:
        super().__init__(source, declaration)
        # Bounded, see `EDGES`.
        self._edges = Fanout[LineEdge](EDGES)
        self._tracker = EdgeTracker(level=False)
        self._totals = dict.fromkeys(("seen", "lost", "blinks", "corrections"), 0)

    @asynccontextmanager
    async def edges(self) -> AsyncGenerator[trio.MemoryReceiveChannel[LineEdge]]:
        """Edges from now on; see `LineInput.edges`.

        Raises DeviceGoneError at once if the line is not held, and from within the body when it no longer is.
        """
        session = self._held()
        with session.use(self.name):
            async with self._edges.listen() as channel:
                yield channel

    def statistics(self) -> dict[str, int]:
        """Return those of the line, its events (see `EdgeTracker`), and how many listen."""
        return super().statistics() | self._edge_counts() | self._edges.statistics()

    async def _begin(self, session: Session) -> None:
        self._totals = self._edge_counts()
        before_ns = time.monotonic_ns()
        self._tracker = EdgeTracker(await self._calls.call(session.handle.get), before_ns)

    async def _follow(self, session: Session) -> None:
        tracker = self._tracker
        clock = EventClock.measure(time.monotonic_ns, trio.current_time)
        while True:
            with trio.move_on_after(QUIET_AFTER_LOSS_S if tracker.unsure else float("inf")) as quiet:
                await trio.lowlevel.wait_readable(session.handle.fileno())
            if quiet.cancelled_caught:
                if tracker.settle(await self._calls.call(session.handle.get)):
                    self._edges.publish(LineEdge(tracker.level, trio.current_time()))
                continue
            # Never in a thread: events are in the kernel's memory, however slow the chip is.
            events = session.handle.events()
            if not events:
                # Never a reason to try again at once: the descriptor stays ready, so that would spin.
                raise self._vanished()
            now_s = trio.current_time()
            for change in tracker.take(events):
                self._edges.publish(LineEdge(change.level, clock.seconds(change.time_ns, now_s=now_s)))
            if len(events) == EVENT_BUFFER:
                await trio.sleep(STORM_PAUSE_S)

    def _let_go(self, handle: LineHandle) -> None:
        handle.release()

    def _edge_counts(self) -> dict[str, int]:
        return {name: total + getattr(self._tracker, name) for name, total in self._totals.items()}
