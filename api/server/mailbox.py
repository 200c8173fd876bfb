"""A bounded queue between the connection that reads and the handler that consumes.

Unlike a memory channel it counts bytes as well as items, tells the writer without an exception that nobody
reads any more, and lets what was queued be read after the writer has left. It never drops an item while its
reader lives: a full mailbox makes the writer wait, and so, through TCP, the peer.
"""

from __future__ import annotations

from collections import deque

import trio


class Mailbox[T]:
    """A FIFO of at most *max_items* items and *max_bytes* bytes; one item always fits, however long."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._readers = trio.lowlevel.ParkingLot()
        self._writers = trio.lowlevel.ParkingLot()
        self._writer_gone = False
        self._reader_gone = False

    def __len__(self) -> int:
        """How many items wait to be fetched."""
        return len(self._items)

    @property
    def queued_bytes(self) -> int:
        """How many bytes they have."""
        return self._bytes

    @property
    def reader_waiting(self) -> bool:
        """Whether somebody is waiting in `get` now."""
        return bool(self._readers)

    def put_nowait(self, item: T, size: int) -> bool:
        """Queue *item* if there is room; False if there is none. True, too, when nobody will ever read it."""
        if self._reader_gone or self._writer_gone:
            return True
        if self._items and (len(self._items) >= self._max_items or self._bytes + size > self._max_bytes):
            return False
        self._items.append((item, size))
        self._bytes += size
        self._readers.unpark()
        return True

    async def put(self, item: T, size: int) -> None:
        """Queue *item*, waiting for room; returns without effect once either side has been closed."""
        await trio.lowlevel.checkpoint_if_cancelled()
        parked = False
        while not self.put_nowait(item, size):
            parked = True
            await self._writers.park()
        if not parked:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def get(self) -> T:
        """Return the oldest item; `trio.EndOfChannel` once the writer has left and all is read."""
        await trio.lowlevel.checkpoint_if_cancelled()
        parked = False
        while not self._items:
            if self._writer_gone:
                raise trio.EndOfChannel
            parked = True
            await self._readers.park()
        item, size = self._items.popleft()
        self._bytes -= size
        self._writers.unpark()
        if not parked:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return item

    def close_writer(self) -> None:
        """No item will follow; what is queued can still be read."""
        self._writer_gone = True
        self._readers.unpark_all()
        self._writers.unpark_all()

    def close_reader(self) -> None:
        """Nobody will read any more: queued items are dropped and writers return at once."""
        self._reader_gone = True
        self._items.clear()
        self._bytes = 0
        self._writers.unpark_all()
