"""What is open on somebody's behalf, and ends when its grounds do: requests, streams and sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from firmware.subsystems.auth.rights import Capability


@dataclass(frozen=True, slots=True)
class Claim:
    """The grounds: a user who may do *capabilities*, logged in with *token* unless a password was sent.

    *grant* is the id of the token or share link by which somebody acts for the user, if so.
    """

    user: str
    capabilities: frozenset[Capability]
    token: str | None = field(default=None, repr=False)
    grant: str | None = None


class Leases:
    """Everything that is open. *holds* tells whether a claim is still good."""

    def __init__(self, holds: Callable[[Claim], bool]) -> None:
        self._holds = holds
        self._open: dict[trio.CancelScope, Claim] = {}
        self._revoked = 0

    @contextmanager
    def held(self, claim: Claim) -> Iterator[trio.CancelScope]:
        """Cancel what runs inside as soon as *claim* is no longer good."""
        with trio.CancelScope() as scope:
            self._open[scope] = claim
            try:
                self._consider(scope, claim)
                yield scope
            finally:
                del self._open[scope]

    def reconsider(self) -> None:
        """End whatever is no longer good."""
        for scope, claim in list(self._open.items()):
            self._consider(scope, claim)

    def statistics(self) -> dict[str, int]:
        """Return how much is open, and how much was ended before its time."""
        return {"leases": len(self._open), "revoked": self._revoked}

    def _consider(self, scope: trio.CancelScope, claim: Claim) -> None:
        if not scope.cancel_called and not self._holds(claim):
            self._revoked += 1
            scope.cancel()
