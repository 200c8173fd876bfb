"""Users who have no account here: somebody else vouches for them, and says in which roles.

Kept in memory as long as they have a session. Their names cannot be those of accounts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from firmware.core.errors import ForbiddenError

PREFIX: Final = "oidc:"
"""Begins their names; no account can have a colon in its name."""


class NameTakenError(ForbiddenError):
    """Another user of the provider, who has a session, has the same name."""


@dataclass(frozen=True, slots=True)
class _External:
    subject: str
    roles: tuple[str, ...]


class ExternalUsers:
    """All of them that have a session."""

    def __init__(self) -> None:
        self._known: dict[str, _External] = {}

    def admit(self, name: str, subject: str, roles: Iterable[str]) -> str:
        """Take somebody in, who has *roles* from now on, and return what the user is called here.

        *subject* is what never changes about them. Raises NameTakenError.
        """
        user = f"{PREFIX}{name}"
        known = self._known.get(user)
        if known is not None and known.subject != subject:
            # Or the one would have the other's rights.
            raise NameTakenError(
                f"expected a name of one user, got {name}, as another one is called who is in"
            )
        self._known[user] = _External(subject, tuple(roles))
        return user

    def roles_of(self, user: str) -> tuple[str, ...] | None:
        """Return the roles of *user*; None if that is none of them."""
        known = self._known.get(user)
        return None if known is None else known.roles

    def users(self) -> frozenset[str]:
        """Return what they are called."""
        return frozenset(self._known)

    def keep(self, users: Collection[str]) -> None:
        """Forget all who are not among *users*."""
        self._known = {user: known for user, known in self._known.items() if user in users}
