"""What the authentication service tells of: logins, refusals, changes of its files. Never a secret."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class AuthEventKind(enum.StrEnum):
    """What happened."""

    LOGIN = "login"
    REFUSED = "login refused"
    LIMITED = "login limited"
    RECOVERED = "recovery code used"
    CHANGED = "accounts or rights changed"
    GRANTS_CHANGED = "tokens or share links changed"
    """From outside, as by `farhand token`; what callers change is known as what they do."""


@dataclass(frozen=True, slots=True)
class AuthEvent:
    """One of them. *user* is empty where nobody has that name: it may be a password in the wrong field."""

    kind: AuthEventKind
    user: str = ""
    client: str = ""
    how: str = ""
    """How the user is known, if not by a password."""


type Witness = Callable[[AuthEvent], None]


def nobody_listens(_event: AuthEvent) -> None:
    """Take an event and do nothing."""
