"""The journal of this boot, read by journalctl(1) (contract subsystems.md 13).

Only reads. What cannot be read as a record is skipped and counted. There is no queue: whoever reads slowly
holds up journalctl, which waits in its pipe.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

import trio

from drivers.errors import (
    BadReplyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    NotSupportedError,
    os_errors,
)
from drivers.system.journal_lines import FIELDS, JournalRecord, LineSplitter, parse_record

logger = logging.getLogger(__name__)

JOURNALCTL: Final = ("journalctl",)

READ_DEADLINE_S: Final = 30.0
"""The next records of a journal of some hundred MiB on an SD card come within seconds; beyond this it
hangs."""

END_DEADLINE_S: Final = 5.0
"""Between the end of its output and of the process there is nothing to do; beyond this it hangs."""

_RECEIVE_BYTES: Final = 64 * 1024
# Its last complaint is kept, for the message of a failure.
_MAX_COMPLAINT_BYTES: Final = 1024
_NO_RECORDS: Final = ("No data available", "No such boot ID")


def is_journal(stream: int, environment: Mapping[str, str]) -> bool:
    """Return whether a file descriptor leads into the journal (JOURNAL_STREAM in systemd.exec(5))."""
    device, colon, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream)
        # The variable is passed on to children, whose streams may lead elsewhere.
        return bool(colon) and (status.st_dev, status.st_ino) == (int(device), int(inode))
    except (OSError, ValueError):
        return False


class Journal:
    """Reads records of *units*: names ("farhand.service") and patterns ("kvmd-*.service").

    A pattern stands for the units that have a record when reading starts (journalctl(1) --unit). *journalctl*
    is the command without arguments.
    """

    def __init__(self, *, units: Sequence[str], journalctl: Sequence[str] = JOURNALCTL) -> None:
        self._units = tuple(units)
        self._journalctl = tuple(journalctl)

    @asynccontextmanager
    async def read(self, *, since_s: int = 0, follow: bool = False) -> AsyncGenerator[JournalReader]:
        """Open the records of the last *since_s* seconds, 0 for all of this boot, oldest first.

        With *follow* the records go on as they are written, without it they end. Leaving the context ends the
        process. Raises NotSupportedError if this machine has no journalctl, DriverError if it cannot start.
        """
        argv = self._command(since_s=since_s, follow=follow)
        try:
            with os_errors(argv[0]):
                process = await _start(argv)
        except DeviceGoneError as exc:
            raise NotSupportedError(
                f"expected {argv[0]} to read the journal with, got nothing of that name "
                "- without systemd there is no journal"
            ) from exc
        try:
            yield JournalReader(process, argv[0], follow=follow)
        finally:
            await _end(process)

    def _command(self, *, since_s: int, follow: bool) -> list[str]:
        return [
            *self._journalctl,
            "--boot",
            "--quiet",
            "--no-pager",
            "--output=json",
            # Without it a text of more than 4096 bytes comes as null.
            "--all",
            "--output-fields=" + ",".join(FIELDS),
            *(f"--unit={unit}" for unit in self._units),
            *([f"--since=-{since_s}s"] if since_s else []),
            *(["--follow", "--no-tail"] if follow else []),
        ]


class JournalReader:
    """An open journal: an async iterator of its records. `Journal.read` makes it.

    Iterating raises DriverError: not allowed to read it, journalctl failed, ended although it was to follow,
    or hangs.
    """

    def __init__(self, process: trio.Process, name: str, *, follow: bool) -> None:
        self._process = process
        self._name = name
        self._follow = follow
        self._splitter = LineSplitter()
        self._records: list[JournalRecord] = []
        self._complaint = ""
        self._count = 0
        self._invalid = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JournalRecord:
        while not self._records:
            data = await self._receive()
            if not data:
                await self._check_end()
                raise StopAsyncIteration
            # At most one chunk's worth of records: some tens of KiB, or one long line.
            for line in self._splitter.feed(data):
                self._take(line)
            self._records.reverse()
        self._count += 1
        return self._records.pop()

    def statistics(self) -> dict[str, int]:
        """Return how many records were read, and how many lines were skipped as invalid or as too long."""
        return {
            "records": self._count,
            "lines_invalid": self._invalid,
            "lines_too_long": self._splitter.too_long,
        }

    def _take(self, line: bytes) -> None:
        if not line.startswith(b"{"):
            # Its complaints come the same way, so that no second pipe has to be watched and can fill up.
            self._complaint = line[-_MAX_COMPLAINT_BYTES:].decode("utf-8", errors="replace").strip()
            return
        try:
            self._records.append(parse_record(line))
        except BadReplyError as exc:
            self._invalid += 1
            if self._invalid == 1:
                # Once for each reading: a damaged journal file has many.
                logger.warning("a line of the journal is skipped: %s", exc)

    async def _receive(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        if self._follow:
            # Without a deadline: it waits for somebody to write a record.
            return bytes(await stdout.receive_some(_RECEIVE_BYTES))
        try:
            with trio.fail_after(READ_DEADLINE_S):
                return bytes(await stdout.receive_some(_RECEIVE_BYTES))
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"expected {self._name} to read the journal on within {READ_DEADLINE_S} s, got nothing"
            ) from None

    async def _check_end(self) -> None:
        try:
            with trio.fail_after(END_DEADLINE_S):
                status = await self._process.wait()
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"expected {self._name} to end with its output, it went on for {END_DEADLINE_S} s"
            ) from None
        if "insufficient permissions" in self._complaint:
            raise DriverError(
                f"not allowed to read the journal: {self._complaint} "
                "- add this service's user to the group systemd-journal"
            )
        if self._follow:
            raise DeviceGoneError(f"{self._name} ended while it was to follow: {self._complaint or status}")
        # No unit of this boot fits a pattern, or nothing was logged in this boot: there are no records.
        if status and not any(text in self._complaint for text in _NO_RECORDS):
            raise DriverError(
                f"{self._name} ended with status {status}: {self._complaint or 'without a word'}"
            )


async def _start(argv: Sequence[str]) -> trio.Process:
    return await trio.lowlevel.open_process(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Its complaints are looked at above, in English.
        env={**os.environ, "LC_ALL": "C"},
    )


async def _end(process: trio.Process) -> None:
    # It only reads and has nothing to tidy up, and a polite signal would keep a cancelled caller waiting.
    process.kill()
    # Shielded, so that none is left as a zombie; a killed process that is only reading ends at once.
    with trio.move_on_after(END_DEADLINE_S, shield=True):
        await process.wait()
    assert process.stdout is not None
    await process.stdout.aclose()
