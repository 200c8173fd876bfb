"""Giving what a device says to any number of listeners, each with its own bounded channel.

A slow listener never holds up the device: when its channel is full, its oldest item is dropped. It must
never grow without bound or wait for a listener.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio


class Fanout[T]:
    """Sends every item to every listener; the bounds are those of the ports (`drivers.ports`)."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._listeners: set[tuple[trio.MemorySendChannel[T], trio.MemoryReceiveChannel[T]]] = set()

    def publish(self, item: T) -> None:
        """Give *item* to everyone who listens now."""
        for send, receive in self._listeners:
            try:
                send.send_nowait(item)
            except trio.WouldBlock:
                # Full, so nobody waits at the other end and this takes the oldest item.
                receive.receive_nowait()
                send.send_nowait(item)

    @asynccontextmanager
    async def listen(self, *first: T) -> AsyncGenerator[trio.MemoryReceiveChannel[T]]:
        """Listen from now on; *first* is there at once."""
        send, receive = trio.open_memory_channel[T](self._bound)
        for item in first:
            send.send_nowait(item)
        # A clone of our own, so that dropping works even after the listener has closed its end.
        listener = (send, receive.clone())
        self._listeners.add(listener)
        try:
            with send, receive, listener[1]:
                yield receive
        finally:
            self._listeners.remove(listener)

    def statistics(self) -> dict[str, int]:
        """Return how many listen."""
        return {"listeners": len(self._listeners)}
