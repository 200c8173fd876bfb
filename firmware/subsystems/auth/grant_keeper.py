"""The grants of a running appliance: looks them up, makes and revokes them, remembers when they were used.

It says nothing of who may: that is the authentication service's business. It never logs a secret.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Final

import trio

from firmware.core.errors import OperationError, SetupError
from firmware.core.files import Observed, observe
from firmware.subsystems.auth.grant_files import BusyError, LastUse, change, read_book, read_uses, write_uses
from firmware.subsystems.auth.grants import Grant, GrantBook, GrantKind, make_grant
from firmware.subsystems.auth.rights import Capability

logger = logging.getLogger(__name__)

BUSY_TRIES: Final = 20
BUSY_PAUSE_S: Final = 0.1


class GrantsUnavailableError(OperationError):
    """Tokens and share links cannot be kept: the file is damaged, busy or cannot be written."""

    status = 503


class GrantKeeper:
    """The grants of the file at *path*; None if there can be none. *wall_clock* is Unix time in seconds."""

    def __init__(self, path: Path | None, wall_clock: Callable[[], float]) -> None:
        self._path = path
        self._wall_clock = wall_clock
        self._book = GrantBook()
        self._seen: Observed | None = None
        self._uses: dict[str, LastUse] = {}
        self._uses_written: dict[str, LastUse] = {}
        self._left_behind: set[str] = set()
        # One reading or change at a time, so that none is undone by an older one that took longer.
        self._turn = trio.Lock()

    async def look(self) -> bool:
        """Look whether somebody else changed the file, and return whether that is so."""
        if self._path is None:
            await trio.lowlevel.checkpoint()
            return False
        async with self._turn:
            first = self._seen is None
            seen = await trio.to_thread.run_sync(observe, self._path, self._seen, abandon_on_cancel=True)
            if first:
                self._uses = await trio.to_thread.run_sync(read_uses, self._path, abandon_on_cancel=True)
                self._uses_written = dict(self._uses)
            if not first and seen.same_as(self._seen or Observed()):
                self._seen = seen
                return False
            self._seen = seen
            try:
                book = read_book(seen)
            except ValueError as exc:
                logger.warning("No token or share link is good: %s - at %s", exc, self._path)
                book = GrantBook()
            before, self._book = self._book, book
        return not first and _tell_changes(before, book, self._wall_clock())

    def find(self, kind: GrantKind, secret: str) -> Grant | None:
        """Return the live grant of *secret*, None if there is none."""
        return self._book.find(kind, secret, self._wall_clock())

    def get(self, grant_id: str) -> Grant | None:
        """Return the live grant of that id, None if there is none."""
        return self._book.get(grant_id, self._wall_clock())

    def live(self, kind: GrantKind | None = None) -> list[Grant]:
        """Return the grants that have not ended, the oldest first; None = those of both kinds."""
        live = self._book.live(self._wall_clock())
        return [grant for grant in live if kind in (None, grant.kind)]

    def now(self) -> float:
        """Return the time that ends are compared with, in Unix seconds."""
        return self._wall_clock()

    def left_s(self, grant: Grant) -> int | None:
        """Return in how many seconds *grant* ends, at least 1 as long as it lives; None = never."""
        return None if grant.ends_at is None else max(1, int(grant.ends_at - self._wall_clock()))

    def last_use(self, grant_id: str) -> LastUse | None:
        """Return when and from where the grant of that id was used last, None if never."""
        return self._uses.get(grant_id)

    def used(self, grant: Grant, client: str) -> None:
        """Remember that *grant* was just used from the address *client*."""
        self._uses[grant.id] = LastUse(int(self._wall_clock()), client)

    async def make(
        self,
        kind: GrantKind,
        user: str,
        label: str,
        capabilities: Iterable[Capability],
        lifetime_s: int | None,
    ) -> tuple[Grant, str]:
        """Make a grant; return it and its secret, which nobody can be told again.

        Raises GrantExistsError, TooManyGrantsError and GrantsUnavailableError.
        """
        now = self._wall_clock()
        grant, secret = make_grant(kind, user, label, capabilities, lifetime_s=lifetime_s, now=now)
        await self._change(lambda book: book.with_grant(grant, now))
        logger.info("User %s made the %s, id %s", user, grant.how, grant.id)
        return grant, secret

    async def revoke(self, grants: Collection[Grant]) -> None:
        """Remove *grants*. Raises GrantsUnavailableError."""
        ids = {grant.id for grant in grants}
        await self._change(lambda book: book.without(lambda grant: grant.id in ids))
        for grant in grants:
            logger.info("Of user %s the %s is revoked, id %s", grant.user, grant.how, grant.id)

    async def revoke_all_but(self, users: Collection[str]) -> None:
        """Remove the grants of users who are gone, so that no later user of that name has them.

        If there are no *users* at all something is wrong with their file, and nothing is removed: nobody can
        do anything anyhow. What fails is in the log, and is tried again when others are gone.
        """
        orphans = [grant for grant in self.live() if grant.user not in users] if users else []
        ids = {grant.id for grant in orphans}
        if not ids - self._left_behind:
            return
        try:
            await self.revoke(orphans)
        except GrantsUnavailableError as exc:
            self._left_behind = ids
            logger.warning("Cannot revoke what removed users had: %s", exc)

    async def write_uses(self) -> None:
        """Write the last uses down, if there were any since the last time."""
        live = {grant.id for grant in self.live()}
        self._uses = {grant_id: use for grant_id, use in self._uses.items() if grant_id in live}
        uses = dict(self._uses)
        if self._path is None or uses == self._uses_written:
            return
        try:
            await trio.to_thread.run_sync(write_uses, self._path, uses, abandon_on_cancel=True)
        except OSError as exc:
            logger.warning("Cannot write down when tokens were used: %s", exc.strerror or exc)
            return
        self._uses_written = uses

    async def _change(self, edit: Callable[[GrantBook], GrantBook]) -> None:
        if self._path is None:
            raise GrantsUnavailableError("expected a place for tokens and share links, got none")
        async with self._turn:
            for tries_left in reversed(range(BUSY_TRIES)):
                try:
                    # Not abandoned: who is told of a failure may rely on it that nothing has changed.
                    self._book = await trio.to_thread.run_sync(partial(change, self._path, edit))
                except BusyError as exc:
                    if not tries_left:
                        raise GrantsUnavailableError(str(exc)) from None
                    await trio.sleep(BUSY_PAUSE_S)  # `farhand token` takes a moment
                except SetupError as exc:
                    raise GrantsUnavailableError(str(exc)) from None
                else:
                    return


def _tell_changes(before: GrantBook, after: GrantBook, now: float) -> bool:
    """Have the log say what somebody else changed, and return whether there was anything."""
    changes = [
        ("is revoked", [grant for grant in before.live(now) if after.get(grant.id, now) != grant]),
        ("is made", [grant for grant in after.live(now) if before.get(grant.id, now) != grant]),
    ]
    for what, grants in changes:
        for grant in grants:
            logger.info("From outside: of user %s the %s %s, id %s", grant.user, grant.how, what, grant.id)
    return any(grants for _, grants in changes)
