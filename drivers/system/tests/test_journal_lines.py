"""The journal's lines; data/journal.jsonl was written by journalctl 252 from made-up records (without
ids)."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BadReplyError
from drivers.system.journal_lines import JournalRecord, LineSplitter, parse_record

_GOLDEN = Path(__file__).with_name("data") / "journal.jsonl"


def test_what_journalctl_writes() -> None:
    start_us = 1749595087_000000
    farhand = "farhand.service"
    assert [parse_record(line) for line in _GOLDEN.read_bytes().splitlines()] == [
        # Said by systemd of the service, its own unit being init.scope.
        JournalRecord(start_us, farhand, 6, "Starting"),
        JournalRecord(
            start_us + 1_000000, farhand, 6, "firmware.main                    INFO --- plain text"
        ),
        JournalRecord(start_us + 2_000000, farhand, 4, "two\nlines \N{EURO SIGN}"),
        # Bytes that are no text.
        JournalRecord(start_us + 3_000000, "kvmd-vnc.service", 3, "\ufffd\ufffd bytes \x01"),
        # More than the 4096 bytes at which journalctl gives up unless told otherwise.
        JournalRecord(start_us + 4_000000, farhand, 7, "x" * 5000),
        # A field that the record has twice, as text and as bytes.
        JournalRecord(start_us + 5_000000, farhand, 6, "first"),
        JournalRecord(start_us + 6_000000, farhand, 6, "\ufffdfirst"),
        # No message at all, and an empty one.
        JournalRecord(start_us + 8_000000, farhand, 6, ""),
        JournalRecord(start_us + 9_000000, farhand, 6, ""),
    ]


def test_the_time_is_in_utc() -> None:
    record = JournalRecord(1749595087_000001, "", None, "")
    assert record.time == datetime(2025, 6, 10, 22, 38, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize("priority", ['"8"', '"-1"', '"high"', '""', "null", "7", '["x", "1"]', "{}", "true"])
def test_a_priority_that_is_none(priority: str) -> None:
    line = f'{{"__REALTIME_TIMESTAMP": "1", "PRIORITY": {priority}, "MESSAGE": "m"}}'
    assert parse_record(line.encode()) == JournalRecord(1, "", None, "m")


@pytest.mark.parametrize(
    "message", ["null", "5", "[]", "[null]", "[256]", "[1, -1]", '[1, "a"]', "{}", "[[[1000]]]"]
)
def test_a_message_that_is_none(message: str) -> None:
    assert parse_record(f'{{"__REALTIME_TIMESTAMP": "1", "MESSAGE": {message}}}'.encode()).message == ""


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"-- No entries --",
        b"[]",
        b'{"MESSAGE": "no time"}',
        b'{"__REALTIME_TIMESTAMP": 5}',
        b'{"__REALTIME_TIMESTAMP": "-5"}',
        b'{"__REALTIME_TIMESTAMP": "253402300800000000"}',
        b'{"__REALTIME_TIMESTAMP": "\xc2\xb2"}',
        b'{"__REALTIME_TIMESTAMP": "1", "MESSAGE": "\xff"}',
        b'{"__REALTIME_TIMESTAMP": "1"',
        b"[" * 100_000,
    ],
)
def test_what_is_no_record(line: bytes) -> None:
    with pytest.raises(BadReplyError, match="at a line of the journal"):
        parse_record(line)


@given(st.binary())
def test_any_bytes_are_a_record_or_a_bad_reply(line: bytes) -> None:
    with suppress(BadReplyError):
        parse_record(line)


@given(st.text(), st.integers(0, 7))
def test_texts_come_back(message: str, priority: int) -> None:
    data = message.encode("utf-8", errors="replace")
    fields = {"__REALTIME_TIMESTAMP": "7", "MESSAGE": list(data) or None, "PRIORITY": str(priority)}
    assert parse_record(json.dumps(fields).encode()) == JournalRecord(7, "", priority, data.decode())


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b""))), st.data())
def test_lines_come_whole_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    got = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += splitter.feed(stream[:size])
        stream = stream[size:]
    assert got == [line for line in lines if line]
    assert splitter.too_long == 0


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_a_line_above_the_bound_is_dropped_and_the_next_one_kept(size: int) -> None:
    stream = b"exactly10!\n12345678901\nafter\n" + b"y" * 95 + b"\nend\n"
    splitter = LineSplitter(max_bytes=10)
    got = [line for at in range(0, len(stream), size) for line in splitter.feed(stream[at : at + size])]
    assert got == [b"exactly10!", b"after", b"end"]
    assert splitter.too_long == 2
