"""What the emulated PC's ports say on channels, under the faults of the port.

Must never hold up the PC: a listener that is slow loses the oldest, as `drivers.ports` promises.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import trio

from drivers.emulated.faults import FaultKind, PortGate
from drivers.fanout import Fanout


class Announcer[T]:
    """Gives every listener what the port says; while the port stalls, the newest item waits for its end."""

    def __init__(self, gate: PortGate, bound: int) -> None:
        self._gate = gate
        self._fanout = Fanout[T](bound)
        self._held_back: list[T] = []
        gate.on_change(self._flush)

    def publish(self, item: T) -> None:
        """Say *item* to everyone who listens."""
        if self._gate.has(FaultKind.STALL):
            self._held_back = [item]
        else:
            self._fanout.publish(item)

    @asynccontextmanager
    async def listen(
        self, present: Callable[[], T] | None = None
    ) -> AsyncGenerator[trio.MemoryReceiveChannel[T]]:
        """Listen from now on, to the *present* item first; faults of the port interrupt the body."""
        async with self._gate.session():
            # Asked only now: the gate may have kept us waiting.
            first = () if present is None else (present(),)
            async with self._fanout.listen(*first) as channel:
                yield channel

    def _flush(self) -> None:
        if self._held_back and not self._gate.has(FaultKind.STALL):
            self._fanout.publish(self._held_back.pop())
