"""Attempts to get in: counted, limited, told to the log and to the audit trail, whatever was presented."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from firmware.core.errors import TooManyAttemptsError
from firmware.subsystems.auth.events import AuthEvent, AuthEventKind, Witness
from firmware.subsystems.auth.guessing import Attempt, GuessingLimits
from firmware.subsystems.auth.networks import network_of

logger = logging.getLogger(__name__)


class Attempts:
    """Who tried, how often, and who has to wait. *clock* is monotonic and in seconds."""

    def __init__(self, witness: Witness, clock: Callable[[], float]) -> None:
        self._witness = witness
        self._clock = clock
        self._guessing = GuessingLimits()
        self._accepted = 0
        self._refused = 0

    def require_patience(self, users: Collection[str], user: str, client: str) -> None:
        """Raise TooManyAttemptsError if the network of *client* has no attempt at *user* left for now.

        *users* are those that there are: of others no name is told.
        """
        network = network_of(client)
        wait_s = self._guessing.wait_s(user, network, self._clock())
        if wait_s > 0:
            self._guessing.refused()
            self._witness(AuthEvent(AuthEventKind.LIMITED, _known(users, user), client))
            raise TooManyAttemptsError(
                f"expected fewer wrong passwords from {network}, got too many; try again in {wait_s} s",
                wait_s,
            )

    def begin(self, user: str, client: str) -> Attempt:
        """Count a wrong attempt of *client* at *user*, which holds if it does not succeed."""
        return self._guessing.begin(user, network_of(client), self._clock())

    def succeeded(self, attempt: Attempt) -> None:
        """Take back the attempt begun."""
        self._guessing.succeeded(attempt, self._clock())

    def accepted(self) -> None:
        """Tell that credentials were right."""
        self._accepted += 1

    def refused(self, users: Collection[str], user: str, client: str) -> None:
        """Tell that credentials were wrong."""
        self._refused += 1
        name = _known(users, user)
        logger.warning("Refused the credentials of %s", name or "an unknown user")
        self._witness(AuthEvent(AuthEventKind.REFUSED, name, client))

    def statistics(self) -> dict[str, int]:
        """Return counters since the start."""
        return {"accepted": self._accepted, "refused": self._refused, **self._guessing.statistics()}


def _known(users: Collection[str], user: str) -> str:
    """Return *user* if somebody has that name, else nothing: it may be a password in the wrong field."""
    return user if user in users else ""
