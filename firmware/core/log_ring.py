"""The last log records of this process, kept in memory for machines without a journal.

Bounded in records and in characters; the oldest go first. Takes records from any thread, and never waits for
whoever reads them.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import trio

MAX_RECORDS: Final = 2000
"""Some hours of an appliance at work, and far more than anybody scrolls through."""

MAX_CHARACTERS: Final = 512 * 1024
"""What the ring may cost in memory when records are long (tracebacks): at most 2 MiB."""

MAX_MESSAGE_CHARACTERS: Final = 16 * 1024
"""One record must not push out all others; a traceback of the whole house is some 8 KiB."""

MESSAGE_FORMAT: Final = "%(name)-30.30s %(levelname)7s --- %(message)s"
"""How a record stands in a log that has its own times (contract subsystems.md 13)."""

_CUT: Final = " [cut]"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One record: `number` counts from 1 without gaps, `time_s` is the wall clock since 1970 UTC.

    `message` is the formatted text, with the traceback if there is one.
    """

    number: int
    time_s: float
    level: str
    logger: str
    message: str


def message_line(entry: LogEntry) -> str:
    """Return *entry* as `MESSAGE_FORMAT` has it."""
    return MESSAGE_FORMAT % {"name": entry.logger, "levelname": entry.level, "message": entry.message}


class LogRing(logging.Handler):
    """Keeps the last *max_records* records; add it to the root logger.

    Of a formatter only what it makes of the message is kept, so leave the default one.
    """

    def __init__(self, *, max_records: int = MAX_RECORDS, max_characters: int = MAX_CHARACTERS) -> None:
        super().__init__()
        self._max_records = max_records
        self._max_characters = max_characters
        self._entries: deque[LogEntry] = deque()
        self._characters = 0
        self._last_number = 0
        self._waiting: dict[trio.Event, trio.lowlevel.TrioToken] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep *record*; called with the handler's lock held, in whichever thread logs."""
        try:
            message = self.format(record)
        except Exception:  # noqa: BLE001 - the way of every logging.Handler: whoever logs goes on
            self.handleError(record)
            return
        if len(message) > MAX_MESSAGE_CHARACTERS:
            message = message[:MAX_MESSAGE_CHARACTERS] + _CUT
        self._last_number += 1
        self._entries.append(
            LogEntry(self._last_number, record.created, record.levelname, record.name, message)
        )
        self._characters += len(message)
        while len(self._entries) > self._max_records or self._characters > self._max_characters:
            self._characters -= len(self._entries.popleft().message)
        self._wake()

    def _wake(self) -> None:
        # Each waiting reader is woken once and asks for what is new by itself, so a storm of records costs no
        # more than that. Records may come from any thread, and after the end of Trio's run.
        while self._waiting:
            event, token = self._waiting.popitem()
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(event.set)

    def entries(self, *, since_s: float = 0.0) -> list[LogEntry]:
        """Return the records that are kept, not before the wall clock *since_s*, oldest first."""
        return self.snapshot(0, since_s)[0]

    def follow(self, *, since_s: float = 0.0) -> LogFollower:
        """Iterate over what is kept, not before the wall clock *since_s*, and then over each new record."""
        return LogFollower(self, since_s)

    def snapshot(self, after: int, since_s: float) -> tuple[list[LogEntry], int]:
        """Return what is kept above number *after*, and the number of the last record of all."""
        self.acquire()
        try:
            kept, last = list(self._entries), self._last_number
        finally:
            self.release()
        return [entry for entry in kept if entry.number > after and entry.time_s >= since_s], last

    async def wait_newer(self, after: int) -> None:
        """Wait until there was a record above number *after*; a checkpoint in any case."""
        event = trio.Event()
        token = trio.lowlevel.current_trio_token()
        self.acquire()
        try:
            if self._last_number > after:
                event.set()
            else:
                self._waiting[event] = token
        finally:
            self.release()
        try:
            await event.wait()
        finally:
            self._waiting.pop(event, None)

    def statistics(self) -> dict[str, int]:
        """Return how many records are kept, how many there were, and how many readers wait for more."""
        return {"kept": len(self._entries), "seen": self._last_number, "readers_waiting": len(self._waiting)}


class LogFollower:
    """An endless iterator over a ring; `LogRing.follow` makes it. It needs no closing.

    Whoever reads slower than is logged misses the oldest, which shows as a gap in the numbers.
    """

    def __init__(self, ring: LogRing, since_s: float) -> None:
        self._ring = ring
        self._since_s = since_s
        self._seen = 0
        # At most what the ring keeps.
        self._fresh: deque[LogEntry] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LogEntry:
        while not self._fresh:
            fresh, self._seen = self._ring.snapshot(self._seen, self._since_s)
            self._fresh.extend(fresh)
            # Only at first: a clock that is set back later must not hide what is new.
            self._since_s = 0.0
            if not fresh:
                await self._ring.wait_newer(self._seen)
        return self._fresh.popleft()
