"""The journal's JSON lines: bytes in, records out (systemd.io/JOURNAL_EXPORT_FORMATS, journalctl(1) -o json).

Does no I/O. A line that is not a record raises `BadReplyError`; a line above the bound is never kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from drivers.errors import BadReplyError

MAX_LINE_BYTES: Final = 1024 * 1024
"""A traceback of a deep recursion is some 100 KiB; JSON makes up to 5 bytes of one that is no text."""

FIELDS: Final = ("MESSAGE", "PRIORITY", "_SYSTEMD_UNIT", "UNIT")
"""What a record is made of; the time stamp comes in any case."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_PRIORITY: Final = 7
# Microseconds up to the year 9999, where datetime ends.
_LAST_TIME_US: Final = 253_402_300_800_000_000
_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One record.

    `time_us` is the wall clock in microseconds since 1970 UTC; `unit` is whom it is about, "" if nobody;
    `priority` is 0 (emergency) to 7 (debug), None if it has none. What is no UTF-8 is U+FFFD.
    """

    time_us: int
    unit: str
    priority: int | None
    message: str

    @property
    def time(self) -> datetime:
        """The wall clock as a time in UTC."""
        return _EPOCH + timedelta(microseconds=self.time_us)


def parse_record(line: bytes) -> JournalRecord:
    """Return the record of one line of JSON. Raises BadReplyError."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise _bad("a JSON object", line[:_SHOWN], str(exc)) from exc
    stamp = fields.get("__REALTIME_TIMESTAMP")
    if not (isinstance(stamp, str) and stamp.isascii() and stamp.isdigit() and int(stamp) < _LAST_TIME_US):
        raise _bad("microseconds", stamp, "__REALTIME_TIMESTAMP")
    # What systemd itself says of a service ("Started ...") stands under UNIT; its own unit is init.scope.
    unit = _text(fields.get("UNIT")) or _text(fields.get("_SYSTEMD_UNIT"))
    priority = _text(fields.get("PRIORITY"))
    is_priority = priority.isascii() and priority.isdigit() and int(priority) <= _LAST_PRIORITY
    return JournalRecord(
        time_us=int(stamp),
        unit=unit,
        priority=int(priority) if is_priority else None,
        message=_text(fields.get("MESSAGE")),
    )


def _text(value: object) -> str:
    """Return a field's text, "" if it has none.

    The value is a string, an array of numbers (its bytes, where they are not printable UTF-8), null (too
    long), or an array of any of these if the record has the field more than once: then the first counts.
    """
    match value:
        case str():
            return value
        case [int(), *_]:
            octets = [item for item in value if isinstance(item, int) and 0 <= item <= 255]
            return bytes(octets).decode("utf-8", errors="replace") if len(octets) == len(value) else ""
        case [str() | list() as first, *_]:
            return _text(first)
        case _:
            return ""


def _bad(expected: str, got: object, where: str) -> BadReplyError:
    return BadReplyError(
        f"expected {expected}, got {str(got)[:_SHOWN]!r} - at a line of the journal ({where})"
    )


class LineSplitter:
    """Cuts a stream of bytes into lines of at most *max_bytes*; a longer one is dropped and counted."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._is_dropping = False
        self.too_long = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the lines that they complete, without line ends and empty ones."""
        lines = []
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._append(end)
            if not self._is_dropping and self._rest:
                lines.append(bytes(self._rest))
            self._rest.clear()
            self._is_dropping = False
        self._append(rest)
        return lines

    def _append(self, part: bytes) -> None:
        if self._is_dropping:
            return
        if len(self._rest) + len(part) > self._max_bytes:
            self.too_long += 1
            self._is_dropping = True
            self._rest.clear()
        else:
            self._rest += part
