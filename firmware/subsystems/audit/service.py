"""The audit service: takes what happened, writes it down soon, and reads it back.

Whoever tells it never waits for the disk, and nothing fails because the trail cannot be written; that is said
in the log and retried. A flood of records is counted instead of written, so that it cannot push what was
before it out of the last file.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import trio

from firmware.core.draining import Allowance, DrainingCounts
from firmware.core.json_documents import read_json
from firmware.subsystems.audit.trail_files import TrailFiles, files_of, lines_of

logger = logging.getLogger(__name__)

# Of one user at one address, and of all together; what is beyond is counted and told once in a while.
OF_ONE: Final = Allowance(120, 1.0)
OF_ALL: Final = Allowance(1000, 2.0)
# Whoever has no account may cause records as well: far fewer.
REFUSED_OF_ONE: Final = Allowance(10, 60.0)
REFUSED_OF_ALL: Final = Allowance(200, 20.0)
REMEMBERED: Final = 1024
TOLD_EVERY_S: Final = 60.0
RETRY_S: Final = 5.0
WAITING_MAX: Final = 10_000
# Who is counted apart; the rest are one.
COUNTED_MAX: Final = 256
STOP_S: Final = 2.0
EXPORT_WAIT_S: Final = 5.0
FOLLOWER_LINES: Final = 1000
_LINES_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: the user (empty if nobody logged in), how that is known, and the address."""

    user: str = ""
    how: str = ""
    client: str = ""


NOBODY: Final = Actor()
"""The appliance itself."""
OTHERS: Final = Actor("(others)")
"""All whom there is no room to count apart."""


class AuditService:
    """The trail in *directory*. *clock* is monotonic, *wall_clock* Unix time, both in seconds."""

    def __init__(
        self,
        directory: Path,
        *,
        version: str,
        files: TrailFiles | None = None,
        clock: Callable[[], float] = trio.current_time,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._version = version
        self._files = files or TrailFiles(directory)
        self._clock = clock
        self._wall_clock = wall_clock
        self._waiting: deque[Mapping[str, object]] = deque()
        self._news = trio.Event()
        self._settled = trio.Event()
        self._settled.set()
        self._budgets = _Budgets(OF_ONE, OF_ALL)
        self._refused_budgets = _Budgets(REFUSED_OF_ONE, REFUSED_OF_ALL)
        self._counts: dict[tuple[str, Actor], dict[str, int]] = {}
        self._started = False
        self._written = 0
        self._lost = 0
        self._failing = False
        self._follower: trio.MemorySendChannel[bytes] | None = None
        self.first_number = 1
        """The number of the first line that this process wrote; known once `settled` has returned."""
        self.last_number = 0
        """The number of the last one."""

    # -- telling ----------------------------------------------------------------------------------------

    def note(self, what: str, actor: Actor = NOBODY, **detail: object) -> None:
        """Write down that *actor* did *what*; or count it, if there is too much of it."""
        if self._budgets.take(actor, self._clock()):
            self._add(what, actor, detail)
        else:
            self._count("more", actor, what)

    def note_refused(self, what: str, actor: Actor, **detail: object) -> None:
        """Write down that somebody without valid credentials tried *what*; of these fewer are written."""
        if self._refused_budgets.take(actor, self._clock()):
            self._add(what, actor, detail)
        else:
            self._count("more", actor, what)

    def count_input(self, actor: Actor, kind: str, amount: int = 1) -> None:
        """Count input that *actor* sent; how much, never what."""
        self._count("input", actor, kind, amount)

    def _count(self, what: str, actor: Actor, kind: str, amount: int = 1) -> None:
        key = (what, actor)
        if key not in self._counts and len(self._counts) >= COUNTED_MAX:
            key = (what, OTHERS)
        counts = self._counts.setdefault(key, {})
        counts[kind] = counts.get(kind, 0) + amount

    def _add(self, what: str, actor: Actor, detail: Mapping[str, object]) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._lost += 1
            return
        at = datetime.fromtimestamp(self._wall_clock(), UTC).isoformat(timespec="milliseconds")
        who = {"who": actor.user, "how": actor.how, "from": actor.client}
        shown = {name: value for name, value in who.items() if value}
        self._waiting.append({"at": at, "what": what, **shown, **detail})
        self._news.set()
        if self._settled.is_set():
            self._settled = trio.Event()

    # -- writing ----------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what is told until cancelled, and then the rest of it."""
        if not self._started:
            self._started = True
            self._add("started", NOBODY, {"version": self._version})
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._tell_counts)
                while True:
                    await self._news.wait()
                    self._news = trio.Event()
                    await self._write()
        finally:
            self._add_counts()
            self._add("stopped", NOBODY, {})
            with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_S):
                await self._write()

    async def settled(self) -> None:
        """Wait until everything that was told is on the disk."""
        await self._settled.wait()

    async def _tell_counts(self) -> None:
        while True:
            await trio.sleep(TOLD_EVERY_S)
            self._add_counts()

    def _add_counts(self) -> None:
        counts, self._counts = self._counts, {}
        for (what, actor), kinds in counts.items():
            self._add(what, actor, dict(sorted(kinds.items())) if what == "input" else {"counts": kinds})
        if self._lost and len(self._waiting) < WAITING_MAX:
            lost, self._lost = self._lost, 0
            self._add("lost", NOBODY, {"records": lost})

    async def _write(self) -> None:
        while self._waiting:
            batch = list(self._waiting)
            try:
                lines = await trio.to_thread.run_sync(self._files.append, batch)
            except OSError as exc:
                if not self._failing:
                    logger.warning("cannot write the audit trail: %s - at %s", exc.strerror, self._directory)
                self._failing = True
                await trio.sleep(RETRY_S)
                continue
            self._failing = False
            self._tell_follower(lines)
            self._written += len(batch)
            for _ in batch:
                self._waiting.popleft()
        self._settled.set()

    def _tell_follower(self, lines: list[bytes]) -> None:
        if not self._written:
            self.first_number = read_json(lines[0], _Number).n
        self.last_number = read_json(lines[-1], _Number).n
        if self._follower is None:
            return
        # Whoever is behind finds the rest in the files.
        with suppress(trio.WouldBlock, trio.BrokenResourceError):
            for line in lines:
                self._follower.send_nowait(line)

    # -- reading ----------------------------------------------------------------------------------------

    async def lines(self, *, after: int = 0) -> AsyncGenerator[bytes]:
        """Yield the trail in pieces of whole lines, from the one after number *after* on."""
        with trio.move_on_after(EXPORT_WAIT_S):
            await self.settled()
        with closing(_lines_after(self._directory, after)) as lines:
            while piece := await trio.to_thread.run_sync(_next_piece, lines):
                yield piece

    @contextmanager
    def followed(self) -> Iterator[trio.MemoryReceiveChannel[bytes]]:
        """Give the lines that are written from now on, to one follower at a time.

        At most `FOLLOWER_LINES` wait; those that there is no room for are left out, and stand in the files.
        """
        self._follower, receive = trio.open_memory_channel[bytes](FOLLOWER_LINES)
        try:
            with receive:
                yield receive
        finally:
            self._follower.close()
            self._follower = None

    def statistics(self) -> dict[str, int]:
        """Return how many records were written, wait, and were lost, and whether writing fails now."""
        return {
            "written": self._written,
            "waiting": len(self._waiting),
            "lost": self._lost,
            "failing": int(self._failing),
        }


class _Budgets:
    """How many records one actor, and all of them together, may cause."""

    def __init__(self, of_one: Allowance, of_all: Allowance) -> None:
        self._ones = DrainingCounts[tuple[str, str]](of_one, REMEMBERED)
        self._all = DrainingCounts[None](of_all, 1)

    def take(self, actor: Actor, now_s: float) -> bool:
        key = (actor.user, actor.client)
        if self._ones.wait_s(key, now_s) > 0 or self._all.wait_s(None, now_s) > 0:
            return False
        self._ones.add(key, now_s)
        self._all.add(None, now_s)
        return True


class _Number(msgspec.Struct, frozen=True):
    n: int


def _lines_after(directory: Path, after: int) -> Generator[bytes]:
    for line in lines_of(files_of(directory)):
        if after > 0:
            try:
                if read_json(line, _Number).n <= after:
                    continue
            except ValueError:
                pass  # whoever verifies shall see it
        yield line


def _next_piece(lines: Iterator[bytes]) -> bytes:
    return b"".join(itertools.islice(lines, _LINES_AT_ONCE))
