"""What is told is written soon, floods are counted, and a disk that fails loses nothing that can be kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from firmware.subsystems.audit import service as module
from firmware.subsystems.audit.service import OF_ONE, REFUSED_OF_ALL, Actor, AuditService
from firmware.subsystems.audit.trail_files import TrailFiles, files_of, lines_of, verify

ALICE = Actor("alice", "token", "192.0.2.1")


def trail(directory: Path) -> list[dict[str, Any]]:
    """Return the records, once the chain is verified."""
    verify(files_of(directory))
    return [json.loads(line) for line in lines_of(files_of(directory))]


def whats(directory: Path) -> list[str]:
    return [record["what"] for record in trail(directory)]


@asynccontextmanager
async def running(service: AuditService) -> AsyncIterator[AuditService]:
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        yield service
        nursery.cancel_scope.cancel()


async def test_a_record_says_who_what_when_and_from_where(tmp_path: Path) -> None:
    service = AuditService(tmp_path, version="1.2", wall_clock=lambda: 1_800_000_000.5)
    async with running(service):
        service.note("POST /api/atx/click", ALICE, status=200)
        await service.settled()
        started, click = trail(tmp_path)
        assert (started["what"], started["version"]) == ("started", "1.2")
        assert {name: click[name] for name in ("n", "at", "what", "who", "how", "from", "status")} == {
            "n": 2,
            "at": "2027-01-15T08:00:00.500+00:00",
            "what": "POST /api/atx/click",
            "who": "alice",
            "how": "token",
            "from": "192.0.2.1",
            "status": 200,
        }
    assert whats(tmp_path) == ["started", "POST /api/atx/click", "stopped"]


async def test_what_was_told_last_is_written_at_the_end(tmp_path: Path) -> None:
    service = AuditService(tmp_path, version="1")
    async with running(service):
        service.note("last", ALICE)
        service.count_input(ALICE, "send_key", 3)
    assert whats(tmp_path) == ["started", "last", "input", "stopped"]
    assert trail(tmp_path)[2]["send_key"] == 3


async def test_a_flood_is_counted_and_leaves_room_for_others(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    service = AuditService(tmp_path, version="1")
    async with running(service):
        for _ in range(OF_ONE.at_once + 500):
            service.note("flood", ALICE)
        service.note("power", Actor("bob", "token", "192.0.2.2"))
        await trio.sleep(70)
        await service.settled()
        assert whats(tmp_path).count("flood") == OF_ONE.at_once
        assert whats(tmp_path).count("power") == 1
        (more,) = (record for record in trail(tmp_path) if record["what"] == "more")
        assert (more["who"], more["counts"]) == ("alice", {"flood": 500})


async def test_strangers_cannot_push_out_what_was_there(tmp_path: Path, autojump_clock: MockClock) -> None:
    service = AuditService(tmp_path, version="1")
    async with running(service):
        service.note("precious", ALICE)
        for number in range(5000):
            service.note_refused("login refused", Actor(client=f"10.0.{number // 250}.{number % 250}"))
        service.note("still heard", ALICE)
        await trio.sleep(70)
        await service.settled()
        assert whats(tmp_path).count("login refused") == REFUSED_OF_ALL.at_once
        assert {"precious", "still heard"} <= set(whats(tmp_path))
        counted = (record for record in trail(tmp_path) if record["what"] == "more")
        assert sum(record["counts"]["login refused"] for record in counted) == 5000 - REFUSED_OF_ALL.at_once
        assert len(trail(tmp_path)) < 1000


class FullDisk(TrailFiles):
    """Files on a disk that is full at first."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.failures_left = 3

    def append(self, records: Iterable[Mapping[str, object]]) -> list[bytes]:
        if self.failures_left:
            self.failures_left -= 1
            raise OSError(28, "No space left on device")
        return super().append(records)


async def test_a_full_disk_loses_nothing_that_can_be_kept(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 4)
    service = AuditService(tmp_path, version="1", files=FullDisk(tmp_path))
    async with running(service):
        for number in range(6):
            service.note(f"act {number}", ALICE)
        assert service.statistics() == {"written": 0, "waiting": 4, "lost": 3, "failing": 0}
        await service.settled()
        await trio.sleep(61)
        await service.settled()
        assert service.statistics()["lost"] == 0
        assert service.statistics()["failing"] == 0
        assert whats(tmp_path) == ["started", "act 0", "act 1", "act 2", "lost"]
        assert trail(tmp_path)[-1]["records"] == 3


async def test_the_trail_is_read_from_a_number_on(tmp_path: Path) -> None:
    files = TrailFiles(tmp_path, max_file_bytes=2000)
    service = AuditService(tmp_path, version="1", files=files)
    async with running(service):
        for number in range(30):
            service.note(f"act {number}", ALICE)
            await service.settled()
        assert len(files_of(tmp_path)) > 2
        everything = b"".join([piece async for piece in service.lines()])
        assert everything.count(b"\n") == 31
        some = b"".join([piece async for piece in service.lines(after=20)])
        assert [json.loads(line)["n"] for line in some.splitlines()] == list(range(21, 32))
        assert everything.endswith(some)
