from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from drivers.system.journal import Journal, is_journal
from firmware.core.log_ring import LogRing
from firmware.subsystems.log.config import LogConfig
from firmware.subsystems.log.service import (
    LONGEST_SEEK_S,
    MOST_READERS,
    UNITS,
    LogReaderDisabledError,
    LogReaderIsBusyError,
    LogService,
)

LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (\S+)\] --- (.*)\r\n", re.DOTALL)
logger = logging.getLogger("firmware.a.module.with.a.long.name")


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time zone of an appliance far from UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def ring() -> Iterator[LogRing]:
    ring = LogRing()
    logging.getLogger().addHandler(ring)
    yield ring
    logging.getLogger().removeHandler(ring)


@pytest.fixture
def journal_of(tmp_path: Path) -> Callable[[str], Journal]:
    def make(script: str) -> Journal:
        path = tmp_path / "journalctl"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        os.mkfifo(f"{path}.fifo")
        return Journal(units=UNITS, journalctl=(str(path),))

    return make


async def collected(lines: AsyncGenerator[str], count: int = 1000) -> list[str]:
    found: list[str] = []
    async with aclosing(lines):
        async for line in lines:
            found.append(line)
            if len(found) == count:
                break
    return found


def service(ring: LogRing, journal: Journal | None = None, *, enabled: bool = True) -> LogService:
    return LogService(LogConfig(enabled=enabled), ring=ring, journal=journal)


def said(lines: list[str]) -> list[str]:
    return [match[2] if (match := LINE.fullmatch(line)) else f"no record: {line!r}" for line in lines]


# -- the ring ------------------------------------------------------------------------------------------


async def test_records_of_this_process_look_as_in_the_contract(ring: LogRing) -> None:
    logger.warning("it is %d", 7)
    (line,) = await collected(service(ring).lines(seek_s=0, follow=False))
    match = LINE.fullmatch(line)
    assert match is not None
    assert match[1] == "farhand.service"
    assert match[2] == "firmware.a.module.with.a.long.  WARNING --- it is 7".replace("  W", " W")


async def test_each_line_of_a_traceback_ends_as_lines_do(ring: LogRing) -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        logger.exception("it failed")
    (record,) = await collected(service(ring).lines(seek_s=0, follow=False))
    assert "\r\nTraceback" in record
    assert record.count("\n") == record.count("\r\n")


async def test_a_message_cannot_steer_a_terminal(ring: LogRing) -> None:
    logger.warning("a\x1b[2Jb\x00\x9b1mc\td\r\r\n  ")
    (line,) = await collected(service(ring).lines(seek_s=0, follow=False))
    assert line.endswith("--- a\ufffd[2Jb\ufffd\ufffd1mc\td\r\n")


async def test_seek_leaves_out_what_is_older(ring: LogRing) -> None:
    logger.handle(
        logging.makeLogRecord({"msg": "old", "levelno": 40, "created": time.time() - 1000, "name": "x"})
    )
    logger.warning("new")
    log = service(ring)
    assert len(await collected(log.lines(seek_s=500, follow=False))) == 1
    assert len(await collected(log.lines(seek_s=2000, follow=False))) == 2
    assert len(await collected(log.lines(seek_s=10**15, follow=False))) == 2
    assert len(await collected(log.lines(seek_s=0, follow=False))) == 2


async def test_following_goes_on_with_what_comes(ring: LogRing) -> None:
    logger.warning("first")
    log = service(ring)
    lines = log.lines(seek_s=0, follow=True)
    async with aclosing(lines):
        with trio.fail_after(30):
            assert "first" in await anext(lines)
            async with trio.open_nursery() as nursery:

                async def say() -> None:
                    await trio.lowlevel.checkpoint()
                    logger.warning("second")

                nursery.start_soon(say)
                assert "second" in await anext(lines)
        assert log.statistics()["readers"] == 1
    assert log.statistics()["readers"] == 0


async def test_the_task_keeps_the_records_while_it_runs() -> None:
    ring = LogRing()
    log = service(ring)
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        logger.warning("kept")
        nursery.cancel_scope.cancel()
    logger.warning("not kept")
    assert [entry.message for entry in ring.entries()] == ["kept"]


async def test_it_can_be_disabled_and_readers_are_bounded(ring: LogRing) -> None:
    with pytest.raises(LogReaderDisabledError):
        service(ring, enabled=False).lines(seek_s=0, follow=False)
    log = service(ring)
    logger.warning("a record")
    readers = [log.lines(seek_s=0, follow=True) for _ in range(MOST_READERS)]
    for reader in readers:
        await anext(reader)
    with pytest.raises(LogReaderIsBusyError) as refusal:
        log.lines(seek_s=0, follow=True)
    assert refusal.value.status == 409
    await readers.pop().aclose()
    await collected(log.lines(seek_s=0, follow=False))
    for reader in readers:
        await reader.aclose()


# -- the journal ---------------------------------------------------------------------------------------

RECORD = (
    '{"__REALTIME_TIMESTAMP":"1749595088000000","_SYSTEMD_UNIT":"kvmd-janus.service","MESSAGE":"hello \\n"}'
)
NOBODYS = '{"__REALTIME_TIMESTAMP":"1749595089000000","MESSAGE":"two\\nlines"}'


async def test_records_of_the_journal(
    tokyo: None, ring: LogRing, journal_of: Callable[[str], Journal], tmp_path: Path
) -> None:
    journal = journal_of(
        f"echo \"$*\" > '{tmp_path}/asked'; printf '%s\\n' '{RECORD}'; printf '%s\\n' '{NOBODYS}'"
    )
    logger.warning("in the ring, and not wanted")
    lines = await collected(service(ring, journal).lines(seek_s=10**12, follow=False))
    assert lines == [
        "[2025-06-11 07:38:08 kvmd-janus.service] --- hello\r\n",
        "[2025-06-11 07:38:09 farhand.service] --- two\r\nlines\r\n",
    ]
    asked = (tmp_path / "asked").read_text()
    assert f"--since=-{LONGEST_SEEK_S}s" in asked
    assert "--unit=farhand.service --unit=farhand-*.service" in asked


async def test_who_leaves_ends_the_reader_of_the_journal(
    ring: LogRing, journal_of: Callable[[str], Journal], tmp_path: Path
) -> None:
    journal = journal_of(f"echo $$ > '{tmp_path}/pid'; printf '%s\\n' '{RECORD}'; read _ < \"$0.fifo\"")
    lines = service(ring, journal).lines(seek_s=0, follow=True)
    assert "hello" in await anext(lines)
    with trio.move_on_after(0.05) as scope:
        await anext(lines)
    assert scope.cancelled_caught
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    "script", ["echo 'insufficient permissions'; exit 1", f"printf '%s\\n' '{RECORD}'; exit 3"]
)
async def test_a_journal_that_cannot_be_read_gives_way_to_the_ring(
    ring: LogRing, journal_of: Callable[[str], Journal], script: str
) -> None:
    logger.warning("remembered")
    lines = said(await collected(service(ring, journal_of(script)).lines(seek_s=0, follow=False)))
    assert any("--- remembered" in line for line in lines)
    assert any("the journal cannot be read: " in line for line in lines)


async def test_a_machine_without_journalctl_has_the_ring(ring: LogRing) -> None:
    logger.warning("remembered")
    journal = Journal(units=UNITS, journalctl=("/nowhere/journalctl",))
    lines = await collected(service(ring, journal).lines(seek_s=0, follow=True), 1)
    assert "remembered" in lines[0]


def test_only_a_stream_into_the_journal_is_one(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        named = f"{status.st_dev}:{status.st_ino}"
        assert is_journal(stream.fileno(), {"JOURNAL_STREAM": named})
        # A child whose output was led elsewhere, and what is no name of a stream.
        for text in (f"{status.st_dev}:{status.st_ino + 1}", "", ":", "8", f"{named}:1", "a:b"):
            assert not is_journal(stream.fileno(), {"JOURNAL_STREAM": text})
    assert not is_journal(-1, {"JOURNAL_STREAM": named})
    assert not is_journal(2, {})
