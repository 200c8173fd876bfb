"""Grants: API tokens and share links, by which somebody acts for a user with less than the user may do.

Pure: bytes, times and wishes in, values out. A secret is shown once, when it is made; what is kept is its
SHA-256. A slow hash as for passwords would gain nothing, since a secret is 256 random bits that nobody
guesses, and would cost every request of a program that has no session.

Times are Unix seconds, because a grant outlives the process; so its end is as right as the clock is.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Self

import msgspec

from firmware.core.errors import OperationError
from firmware.core.json_documents import read_json
from firmware.subsystems.auth.rights import Capability

SECRET_BYTES: Final = 32
ID_BYTES: Final = 8
MAX_OF_USER: Final = 32
"""Live ones of one kind."""
MAX_OF_ALL: Final = 1024
SHARE_DEFAULT_S: Final = 3600
SHARE_MAX_S: Final = 7 * 86_400
TOKEN_MAX_S: Final = 10 * 365 * 86_400
"""The longest end that a token may have, if it has one."""


class GrantKind(enum.StrEnum):
    """What it is used as."""

    TOKEN = "token"  # noqa: S105 (a name)
    """Of a program: sent with every request."""
    SHARE = "share"
    """Of a person: opened in a browser."""


# A scanner for leaked secrets finds fht_ and fhs_ followed by 64 hexadecimal digits.
PREFIXES: Final[Mapping[GrantKind, str]] = MappingProxyType(
    {GrantKind.TOKEN: "fht_", GrantKind.SHARE: "fhs_"}
)
_NO_DIGEST: Final = "0" * 64


class UnknownGrantError(OperationError):
    """There is no token or share link of that id (any more)."""


class GrantExistsError(OperationError):
    """The user has a token of that name already."""


class TooManyGrantsError(OperationError):
    """The user has as many tokens or share links as one may have."""


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One token or share link, as it is kept."""

    id: str
    """Names it and gives nobody its secret."""
    kind: GrantKind
    user: str
    label: str
    """A token's name; what a share link is for, possibly empty."""
    digest: str
    """SHA-256 of the secret, in hexadecimal."""
    capabilities: frozenset[Capability]
    made_at: int
    ends_at: int | None
    """None = never; a share link always has an end."""

    @property
    def how(self) -> str:
        """What the audit trail and the log call it."""
        if self.kind is GrantKind.TOKEN:
            return f"api token {self.label}"
        return f"share link {self.label or self.id} of {self.user}"

    def lives(self, now: float) -> bool:
        """Return whether it has not ended by the time *now*."""
        return self.ends_at is None or now < self.ends_at


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grants: tuple[Grant, ...] = ()


def is_token(text: str) -> bool:
    """Return whether *text* is meant as a token: it begins as one, which no password may."""
    return text.startswith(PREFIXES[GrantKind.TOKEN])


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def make_grant(
    kind: GrantKind,
    user: str,
    label: str,
    capabilities: Iterable[Capability],
    *,
    lifetime_s: int | None,
    now: float,
) -> tuple[Grant, str]:
    """Return a new grant that ends *lifetime_s* after *now* (None = never), and its secret."""
    secret = PREFIXES[kind] + secrets.token_hex(SECRET_BYTES)
    made_at = int(now)
    grant = Grant(
        id=secrets.token_hex(ID_BYTES),
        kind=kind,
        user=user,
        label=label,
        digest=digest_of(secret),
        capabilities=frozenset(capabilities),
        made_at=made_at,
        ends_at=None if lifetime_s is None else made_at + lifetime_s,
    )
    return grant, secret


class GrantBook:
    """All grants, the oldest first. A value: a change makes another book."""

    def __init__(self, grants: Iterable[Grant] = ()) -> None:
        self._by_id = {grant.id: grant for grant in grants}
        self._by_digest = {grant.digest: grant for grant in self._by_id.values()}

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `dump` wrote. Raises ValueError, quoting nothing of it."""
        try:
            return cls(read_json(data, _File).grants)
        except ValueError:
            raise ValueError("expected a file of tokens and share links, got something else") from None

    def dump(self) -> bytes:
        """Return the book as a file."""
        document = msgspec.json.encode(_File(tuple(self._by_id.values())), order="deterministic")
        return msgspec.json.format(document, indent=1) + b"\n"

    def find(self, kind: GrantKind, secret: str, now: float) -> Grant | None:
        """Return the live grant of *secret*, None if there is none.

        The time it takes tells nothing of what is kept: what is looked up is a digest, which whoever sends
        the secret cannot steer, and what is found is compared in constant time.
        """
        digest = digest_of(secret)
        found = self._by_digest.get(digest)
        same = hmac.compare_digest(_NO_DIGEST if found is None else found.digest, digest)
        return found if found is not None and same and found.kind is kind and found.lives(now) else None

    def get(self, grant_id: str, now: float) -> Grant | None:
        """Return the live grant of that id, None if there is none."""
        found = self._by_id.get(grant_id)
        return found if found is not None and found.lives(now) else None

    def live(self, now: float) -> list[Grant]:
        """Return the grants that have not ended."""
        return [grant for grant in self._by_id.values() if grant.lives(now)]

    def with_grant(self, grant: Grant, now: float) -> Self:
        """Return a book that has *grant* too, and not what has ended.

        Raises GrantExistsError and TooManyGrantsError.
        """
        live = self.live(now)
        own = [other for other in live if (other.kind, other.user) == (grant.kind, grant.user)]
        if grant.kind is GrantKind.TOKEN and any(other.label == grant.label for other in own):
            raise GrantExistsError(
                f"expected a name that no token of {grant.user} has yet, got {grant.label!r} - at name"
            )
        if len(own) >= MAX_OF_USER:
            raise TooManyGrantsError(
                f"expected fewer than {MAX_OF_USER} of {grant.user}, got {len(own)}; revoke one first"
            )
        if len(live) >= MAX_OF_ALL:
            raise TooManyGrantsError(
                f"expected fewer than {MAX_OF_ALL} tokens and share links of all users, got {len(live)}"
            )
        return type(self)((*live, grant))

    def without(self, doomed: Callable[[Grant], bool]) -> Self:
        """Return a book without those that are *doomed*."""
        return type(self)(grant for grant in self._by_id.values() if not doomed(grant))
