"""The files of the audit trail: appended to, rotated, read and verified. All functions block.

`audit.jsonl` is written; `audit.1.jsonl` is the one before it, and so on; the oldest goes when there are too
many. The chain runs through all of them. Raises OSError; then what was to be written is not there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.core.files import make_directory, sync_directory
from firmware.subsystems.audit.chain import BrokenChainError, End, append, read_end, verified

logger = logging.getLogger(__name__)

DIRECTORY: Final = "audit"
"""Where they are below the state directory."""
CURRENT: Final = "audit.jsonl"
MODE: Final = 0o600
MAX_FILE_BYTES: Final = 4 << 20
MAX_FILES: Final = 8
# A line is far shorter: who did what, with arguments that are cut.
MAX_LINE_BYTES: Final = 64 << 10
_RECORD_TORN: Final = "torn"
_RECORD_BROKEN: Final = "broken"


def files_of(directory: Path) -> list[Path]:
    """Return the files that are there, the oldest first."""
    paths = [directory / f"audit.{number}.jsonl" for number in range(MAX_FILES - 1, 0, -1)]
    return [path for path in (*paths, directory / CURRENT) if path.exists()]


@dataclass(slots=True)
class Place:
    """Where a reading is, for whoever has to say so."""

    path: Path
    line: int = 0


def lines_of(paths: Sequence[Path], place: Place | None = None) -> Iterator[bytes]:
    """Yield the lines of all *paths*, keeping *place* up to date.

    All are opened first, so that a rotation meanwhile neither hides a line nor shows one twice.
    """
    with ExitStack() as stack:
        streams = [(path, stack.enter_context(path.open("rb"))) for path in paths]
        for path, stream in streams:
            number = 0
            while line := stream.readline(MAX_LINE_BYTES):
                number += 1
                if place is not None:
                    place.path, place.line = path, number
                yield line


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a verification: how many lines, the first number and where the chain ends."""

    lines: int
    first: int
    end: End
    has_expected: bool
    """Whether one of them has the hash that was asked for."""


def verify(paths: Sequence[Path], *, expected: str | None = None) -> Verdict:
    """Verify the chain through *paths*, the oldest first. Raises BrokenChainError naming file and line."""
    count, first, end, found = 0, 0, End(), expected is None
    place = Place(paths[0] if paths else Path(CURRENT))
    try:
        for end in verified(lines_of(paths, place)):
            count += 1
            first = first or end.number
            found = found or end.hash == expected
    except BrokenChainError as exc:
        raise BrokenChainError(f"{place.path}, line {place.line}: {exc}") from None
    return Verdict(count, first, end, found)


class TrailFiles:
    """The writer; the only one in this directory, whose lock the appliance holds."""

    def __init__(self, directory: Path, *, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._directory = directory
        self._path = directory / CURRENT
        self._max_file_bytes = max_file_bytes
        self._end: End | None = None
        self._is_too_long = False

    def append(self, records: Iterable[Mapping[str, object]]) -> list[bytes]:
        """Write *records* after what is there, all of them on the disk when this returns, as these lines."""
        notes = [] if self._end is not None else self._open()
        end = self._end
        assert end is not None, "opened above"
        lines = []
        for record in (*notes, *records):
            line, end = append(end, record)
            lines.append(line)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            before = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, b"".join(lines))
                os.fsync(descriptor)
                if not before:
                    # Its name may not be on the disk yet.
                    sync_directory(self._directory)
            except OSError:
                # No half a line may stay, or the next one would be part of it.
                os.ftruncate(descriptor, before)
                raise
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        self._end = end
        if size >= self._max_file_bytes:
            try:
                self._rotate()
            except OSError as exc:
                # What was to be written is. It is tried again each time, and said once.
                if not self._is_too_long:
                    logger.warning("the audit trail cannot begin a new file: %s - at %s", exc, self._path)
                self._is_too_long = True
            else:
                self._is_too_long = False
        return lines

    def _open(self) -> list[Mapping[str, object]]:
        """Find where the chain ends; return what there is to note about it."""
        make_directory(self._directory)
        notes: list[Mapping[str, object]] = []
        torn = _cut_torn_line(self._path)
        if torn:
            notes.append({"what": _RECORD_TORN, "bytes": torn})
        last = b""
        for path in reversed(files_of(self._directory)):
            last = _last_line(path)
            if last:
                break
        try:
            self._end = read_end(last)[0] if last else End()
        except BrokenChainError as exc:
            # Whatever it is, it stays there for whoever verifies; from here on there is a chain again.
            self._end = End()
            notes.append({"what": _RECORD_BROKEN, "why": str(exc)})
        return notes

    def _rotate(self) -> None:
        for number in range(MAX_FILES - 2, -1, -1):
            path = self._directory / f"audit.{number}.jsonl" if number else self._path
            if path.exists():
                path.rename(self._directory / f"audit.{number + 1}.jsonl")
        sync_directory(self._directory)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _cut_torn_line(path: Path) -> int:
    """Remove the part of a line that a power cut left at the end; return its length in bytes."""
    try:
        stream = path.open("r+b")
    except FileNotFoundError:
        return 0
    with stream:
        size = stream.seek(0, os.SEEK_END)
        start = max(0, size - MAX_LINE_BYTES)
        stream.seek(start)
        tail = stream.read()
        whole = tail.rfind(b"\n") + 1
        if whole == len(tail):
            return 0
        stream.truncate(start + whole)
        stream.flush()
        os.fsync(stream.fileno())
        return len(tail) - whole


def _last_line(path: Path) -> bytes:
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - MAX_LINE_BYTES))
        return b"".join(stream.readlines()[-1:])
