"""State of updates: the slots, what runs, what was given up, and an installation under way.

Field names are the JSON keys of `GET /api/update`, which is ours. Sizes are bytes, times ISO 8601 (UTC).
"""

from __future__ import annotations

import enum

import msgspec


class SlotCondition(enum.StrEnum):
    """How a slot is."""

    CONFIRMED = "confirmed"
    """It runs and has shown that it works."""
    PROBATION = "probation"
    """It runs and has not shown that yet; if it does not, the machine goes back to the other one."""
    WAITING = "waiting"
    """It was installed and is started next."""
    STANDBY = "standby"
    """It can be gone back to."""
    GIVEN_UP = "given_up"
    """It is not started any more: it did not work, or its installation was cut off."""
    EMPTY = "empty"
    """Nothing was installed into it yet."""


class SlotState(msgspec.Struct, frozen=True, kw_only=True):
    """One slot; *version* is None where it is not known."""

    name: str
    condition: SlotCondition
    running: bool
    version: str | None = None
    installed_at: str | None = None


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """The last version that did not work, and why."""

    slot: str
    version: str
    reason: str
    noticed: str = ""


class InstallPhase(enum.StrEnum):
    """How far an installation is."""

    RECEIVING = "receiving"
    INSTALLING = "installing"
    DONE = "done"
    FAILED = "failed"


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """The installation under way, or the last one since the start; *error* is there where it failed."""

    phase: InstallPhase
    source: str
    """`upload`, `elsewhere` (begun by somebody on the machine), or a URL without credentials and query."""
    size: int = 0
    received: int = 0
    percent: int = 0
    """Of the installation itself, which begins when everything was received."""
    message: str = ""
    """What RAUC is doing, in its words."""
    error: str | None = None


class UpdateState(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `GET /api/update`; where *supported* is false, *reason* says why."""

    supported: bool = False
    reason: str = "not known yet"
    version: str = ""
    """Of what runs."""
    board: str | None = None
    """What a bundle has to be made for."""
    running: str | None = None
    """The name of the slot that runs."""
    next: str | None = None
    """The name of the slot that the next start takes."""
    restart_needed: bool = False
    """Whether something was installed that takes a restart to run."""
    slots: tuple[SlotState, ...] = ()
    given_up: GivenUp | None = None
    installation: Installation | None = None
