"""Who calls: a user, or somebody who acts for one with less than the user may do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A user; with *grant* (its id) only what that token or share link of theirs allows."""

    user: str
    grant: str | None = None
    how: str = ""
    """What the audit trail and the log call the grant; empty without one."""
