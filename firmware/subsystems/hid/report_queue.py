"""The bounded queue between HID commands and one device's writer.

Reports are never reordered. While the device takes them none is lost: a full queue makes the caller wait,
and so slows the client down. While there is no device, nobody waits: reports are counted and dropped, and
the writer starts again with the state as it then is.
"""

from __future__ import annotations

from collections import deque

import trio

# About a second of the fastest typing or pointing over a WebSocket at 1 kHz: enough to ride out a host's
# pause, little enough that a full queue is not a surprise from the past.
QUEUE_REPORTS = 1024


class ReportQueue:
    """Reports waiting for one device."""

    def __init__(self, capacity: int = QUEUE_REPORTS) -> None:
        self._capacity = capacity
        self._reports: deque[bytes] = deque()
        self._accepting = True
        self._put_lot = trio.lowlevel.ParkingLot()
        self._get_lot = trio.lowlevel.ParkingLot()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._reports)

    def put_nowait(self, reports: list[bytes]) -> None:
        """Append *reports* together; beyond the capacity too, which is what `wait_for_room` is for."""
        if not self._accepting:
            self.dropped += len(reports)
            return
        self._reports.extend(reports)
        self._get_lot.unpark_all()

    async def put(self, reports: list[bytes]) -> None:
        """Append *reports* at once, then wait until the queue is no longer over-full.

        Appending comes first, so that reports stand in the order in which the state machine made them however
        many callers wait; the queue exceeds its capacity by at most one event per waiting caller.
        """
        self.put_nowait(reports)
        await trio.lowlevel.checkpoint()
        while len(self._reports) > self._capacity:
            await self._put_lot.park()

    def replace(self, reports: list[bytes]) -> int:
        """Drop what waits and queue *reports* instead, as a release-all does; never blocks.

        Return how many were dropped.
        """
        dropped = len(self._reports)
        self.dropped += dropped
        self._reports.clear()
        if self._accepting:
            self._reports.extend(reports)
            self._get_lot.unpark_all()
        self._put_lot.unpark_all()
        return dropped

    async def get(self) -> bytes:
        """Wait for the next report and take it."""
        await trio.lowlevel.checkpoint()
        while not self._reports:
            await self._get_lot.park()
        report = self._reports.popleft()
        if len(self._reports) <= self._capacity:
            self._put_lot.unpark_all()
        return report

    async def wait(self) -> None:
        """Wait until a report is there, without taking it."""
        while not self._reports:
            await self._get_lot.park()

    def take_newest(self) -> bytes | None:
        """Take the newest report and drop those before it, or return None if nothing waits."""
        if not self._reports:
            return None
        newest = self._reports.pop()
        self.dropped += len(self._reports)
        self._reports.clear()
        self._put_lot.unpark_all()
        return newest

    def stop_accepting(self) -> None:
        """From now on drop what comes, and let go of whoever waits for room: the device is gone."""
        self._accepting = False
        self.replace([])

    @property
    def accepting(self) -> bool:
        """Whether there is a device to take reports."""
        return self._accepting

    def start_accepting(self) -> None:
        """Take reports again."""
        self._accepting = True

    def statistics(self) -> dict[str, int]:
        """Return how many reports wait, and how many were dropped since the start."""
        return {"waiting": len(self._reports), "dropped": self.dropped}
