"""The appliance's log as text: out of the system's journal, or of this process's ring where there is none.

Only reads. It keeps nothing but the ring, which is bounded: whoever reads slowly holds up the journal's
reader, or misses the ring's oldest records. No message can forge a line of its own or move a cursor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import ClassVar, Final

import trio

from drivers.errors import DriverError
from drivers.system.journal import Journal
from firmware.core.errors import OperationError
from firmware.core.log_ring import LogEntry, LogRing, message_line
from firmware.subsystems.log.config import LogConfig

logger = logging.getLogger(__name__)

OWN_UNIT: Final = "farhand.service"
UNITS: Final = (OWN_UNIT, "farhand-*.service", "kvmd.service", "kvmd-*.service")
"""Ours, and those of the reference that may run beside us."""

MOST_READERS: Final = 8
"""Each reader of the journal is a process of some MiB; more at once than this is a client gone wild."""

LONGEST_SEEK_S: Final = 10 * 366 * 24 * 3600
"""Only this boot is read; beyond some years journalctl does not understand the number."""

_US_PER_S: Final = 1_000_000

# Line ends and tabs stay; everything else that steers a terminal is replaced.
_CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160)), "�")
_PRINTABLE: Final = _CONTROLS | {ord("\t"): "\t", ord("\n"): "\n"}


class LogReaderDisabledError(OperationError):
    """The configuration forbids reading the log."""


class LogReaderIsBusyError(OperationError):
    """Too many are reading it."""

    status: ClassVar[int] = 409


class LogService:
    """Handle of the log."""

    def __init__(self, config: LogConfig, *, ring: LogRing, journal: Journal | None) -> None:
        """Read from *journal*, None where this process does not write into one, or from *ring*."""
        self._enabled = config.enabled
        self._ring = ring
        self._journal = journal
        self._readers = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep this process's records in the ring until cancelled."""
        root = logging.getLogger()
        # Does nothing where whoever started us has added it already, for the sake of the first records.
        root.addHandler(self._ring)
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            root.removeHandler(self._ring)

    def lines(self, *, seek_s: int, follow: bool) -> AsyncGenerator[str]:
        """Return the lines of the last *seek_s* seconds, 0 for all of this boot, oldest first.

        Each record ends with CRLF. With *follow* new ones go on coming until the generator is closed. Raises
        LogReaderDisabledError and LogReaderIsBusyError at once.
        """
        self._require_enabled()
        if self._readers >= MOST_READERS:
            raise LogReaderIsBusyError(f"expected at most {MOST_READERS} readers at once, got one more")
        return self._read(min(seek_s, LONGEST_SEEK_S), follow=follow)

    def recent(self) -> list[LogEntry]:
        """Return this process's last records, the oldest first. Raises LogReaderDisabledError."""
        self._require_enabled()
        return self._ring.entries()

    def _require_enabled(self) -> None:
        if not self._enabled:
            raise LogReaderDisabledError("expected kvmd/log_reader/enabled to be true, got false")

    async def _read(self, seek_s: int, *, follow: bool) -> AsyncGenerator[str]:
        self._readers += 1
        since_s = time.time() - seek_s if seek_s else 0.0
        try:
            if self._journal is not None:
                try:
                    async with self._journal.read(since_s=seek_s, follow=follow) as records:
                        async for record in records:
                            yield _line(record.time.astimezone(), record.unit or OWN_UNIT, record.message)
                            since_s = record.time_us / _US_PER_S
                except DriverError as exc:
                    # Who asks for the log has trouble already: what we remember is better than nothing.
                    logger.warning("the journal cannot be read: %s", exc)
                else:
                    return
            if follow:
                async for entry in self._ring.follow(since_s=since_s):
                    yield _entry_line(entry)
            else:
                for entry in self._ring.entries(since_s=since_s):
                    yield _entry_line(entry)
        finally:
            self._readers -= 1

    def statistics(self) -> dict[str, int]:
        """Return the ring's counts, and how many are reading."""
        return {"readers": self._readers, **self._ring.statistics()}


def _entry_line(entry: LogEntry) -> str:
    return _line(datetime.fromtimestamp(entry.time_s).astimezone(), OWN_UNIT, message_line(entry))


def _line(local_time: datetime, unit: str, message: str) -> str:
    """Return one record as the contract has it (subsystems.md 13), with all its line ends as CRLF."""
    text = message.rstrip().replace("\r\n", "\n").translate(_PRINTABLE).replace("\n", "\r\n")
    return f"[{local_time:%Y-%m-%d %H:%M:%S} {unit}] --- {text}\r\n"
