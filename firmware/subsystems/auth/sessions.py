"""Sessions: tokens that stand for a user until they expire, are logged out, or the appliance restarts.

Kept in memory only (contract gotchas.md 21) and under a keyed hash of the token, so that neither the time of
a look-up nor a dump of the table gives a token away. The clock is monotonic: setting the date ends nothing.
"""

from __future__ import annotations

import hashlib
import logging
import math
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

logger = logging.getLogger(__name__)

TOKEN_BYTES: Final = 32
# The contract names no bound. This many sessions weigh well under a megabyte; a script that logs in for every
# request loses its own least recently used ones, and cannot push out those of other users.
MAX_SESSIONS: Final = 1024
MAX_SESSIONS_PER_USER: Final = 512
# Whoever has a share link may open it again and again, and pushes out only its own sessions.
MAX_SESSIONS_PER_GRANT: Final = 16
_ID_BYTES: Final = 8


def effective_lifetime_s(requested_s: int, configured_s: int) -> int:
    """Return the lifetime that holds, in seconds; 0 is unlimited, for both arguments as for the result."""
    if requested_s < 0 or configured_s < 0:
        raise ValueError(f"expected lifetimes of 0 or more seconds, got {requested_s} and {configured_s}")
    if requested_s == 0:
        return configured_s
    return requested_s if configured_s == 0 else min(requested_s, configured_s)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What may be shown of a session; `id` names it and gives nobody its token."""

    id: str
    user: str
    age_s: float = 0.0
    """Since the login."""
    left_s: float | None = None
    """Until it expires, if nobody holds it; None = never."""
    grant: str | None = None
    """The id of the token or share link that it was opened with and ends with; None = the user logged in."""


@dataclass(slots=True)
class _Session:
    id: str
    user: str
    lifetime_s: int
    opened_at: float
    expires_at: float
    grant: str | None = None
    holders: int = 0
    origin: str | None = None

    def expired(self, now: float) -> bool:
        return self.holders == 0 and now >= self.expires_at


class SessionStore:
    """All sessions, the least recently used first."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        capacity: int = MAX_SESSIONS,
        capacity_per_user: int = MAX_SESSIONS_PER_USER,
        capacity_per_grant: int = MAX_SESSIONS_PER_GRANT,
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._capacity_per_user = capacity_per_user
        self._capacity_per_grant = capacity_per_grant
        self._key = secrets.token_bytes(32)
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._opened = 0
        self._crowded_out = 0

    def open(self, user: str, lifetime_s: int, grant: str | None = None) -> str:
        """Start a session of *lifetime_s* seconds (0 = unlimited) and return its token, 64 hex digits.

        *grant* is the id of the token or share link that it is opened with, if it is.
        """
        self._drop_expired()
        self._make_room(user, grant)
        token = secrets.token_hex(TOKEN_BYTES)
        self._sessions[self._digest(token)] = _Session(
            secrets.token_hex(_ID_BYTES), user, lifetime_s, self._clock(), self._expiry(lifetime_s), grant
        )
        self._opened += 1
        return token

    def user_of(self, token: str) -> str | None:
        """Return whose session *token* is, None if nobody's; a session found expired is removed."""
        digest = self._digest(token)
        session = self._sessions.get(digest)
        if session is None:
            return None
        if session.expired(self._clock()):
            self._end(digest)
            return None
        self._sessions.move_to_end(digest)
        return session.user

    def bind_origin(self, token: str, origin: str) -> None:
        """Note that the page which opened the session of *token* is of *origin*."""
        if (session := self._sessions.get(self._digest(token))) is not None:
            session.origin = origin

    def origin_of(self, token: str) -> str | None:
        """Return of what origin the page was that opened the session of *token*, None if nobody said."""
        session = self._sessions.get(self._digest(token))
        return None if session is None else session.origin

    def info_of(self, token: str) -> SessionInfo | None:
        """Return what may be shown of the session of *token*, None if it is nobody's."""
        if self.user_of(token) is None:
            return None
        return self._info(self._sessions[self._digest(token)])

    def infos(self) -> list[SessionInfo]:
        """Return what may be shown of all sessions, the least recently used first."""
        self._drop_expired()
        return [self._info(session) for session in self._sessions.values()]

    def close(self, session_id: str) -> SessionInfo | None:
        """End the session of that id and return it; None if there is none."""
        for digest, session in self._sessions.items():
            if session.id == session_id:
                return self._info(self._end(digest))
        return None

    def close_all_of(self, user: str) -> int:
        """End every session of *user*, held ones included, and return how many there were."""
        return self.close_where(lambda session: session.user == user)

    def close_where(self, doomed: Callable[[SessionInfo], bool]) -> int:
        """End every session that is *doomed*, held ones included, and return how many there were."""
        ending = [digest for digest, session in self._sessions.items() if doomed(self._info(session))]
        for digest in ending:
            self._end(digest)
        return len(ending)

    @contextmanager
    def hold(self, token: str) -> Iterator[None]:
        """Keep the session of *token* from expiring; when the last holder leaves, its full lifetime restarts.

        A token that is nobody's (any more) is not revived, and a session that ends meanwhile stays ended.
        """
        session = self._sessions.get(self._digest(token))
        if session is None or session.expired(self._clock()):
            yield
            return
        session.holders += 1
        try:
            yield
        finally:
            session.holders -= 1
            if session.holders == 0:
                session.expires_at = self._expiry(session.lifetime_s)

    def statistics(self) -> dict[str, int]:
        """Return how many sessions there are, are held open, were opened, and had to make room for others."""
        return {
            "sessions": len(self._sessions),
            "held": sum(session.holders > 0 for session in self._sessions.values()),
            "opened": self._opened,
            "crowded_out": self._crowded_out,
        }

    def _expiry(self, lifetime_s: int) -> float:
        return self._clock() + lifetime_s if lifetime_s else math.inf

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()

    def _drop_expired(self) -> None:
        now = self._clock()
        for digest in [digest for digest, session in self._sessions.items() if session.expired(now)]:
            self._end(digest)

    def _info(self, session: _Session) -> SessionInfo:
        now = self._clock()
        left_s = None if session.expires_at == math.inf else max(0.0, session.expires_at - now)
        return SessionInfo(session.id, session.user, now - session.opened_at, left_s, session.grant)

    def _end(self, digest: bytes) -> _Session:
        return self._sessions.pop(digest)

    def _make_room(self, user: str, grant: str | None) -> None:
        of_user = [digest for digest, session in self._sessions.items() if session.user == user]
        of_grants = [digest for digest in of_user if self._sessions[digest].grant is not None]
        of_grant = [digest for digest in of_grants if self._sessions[digest].grant == grant]
        if len(of_grant) >= self._capacity_per_grant:
            candidates = of_grant
        elif len(of_user) >= self._capacity_per_user:
            # Somebody's guests leave before they do themselves.
            candidates = of_grants or of_user
        elif len(self._sessions) >= self._capacity:
            candidates = list(self._sessions)
        else:
            return
        # A held session has somebody sitting in front of it: it goes only if all are held.
        victim = next((digest for digest in candidates if not self._sessions[digest].holders), candidates[0])
        ended = self._end(victim)
        self._crowded_out += 1
        logger.warning(
            "Ended the least recently used session of %s: there is room for %d, %d of one user",
            ended.user,
            self._capacity,
            self._capacity_per_user,
        )
