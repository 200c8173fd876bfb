"""Verifies passwords: one hash at a time, the same work for every user and for nobody, and none twice.

It decides about the password proper; codes, tokens and what is told of the outcome are the service's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from firmware.subsystems.auth.attempts import Attempts
from firmware.subsystems.auth.hashing import Hasher, StoredHash, decoy, verify_at_constant_cost
from firmware.subsystems.auth.material import Material
from firmware.subsystems.auth.verified_cache import VerifiedCache

# One hash at a time: each takes 19 MiB and a whole core of a board that also encodes video. Who polls is
# served from the memory of verified credentials and does not queue here.
HASHES_AT_ONCE: Final = 1


class PasswordVerifier:
    """The queue for the hashes, and the memory of what was right. *clock* is monotonic and in seconds."""

    def __init__(self, hasher: Hasher, attempts: Attempts, clock: Callable[[], float]) -> None:
        self._hasher = hasher
        self._attempts = attempts
        self._verified = VerifiedCache(clock)
        self._decoy = decoy()
        # The queue is not bounded here: there is one waiter for each request at most, and the server bounds
        # those. The gate is apart from the limiter, since an abandoned thread must still count as running.
        self._gate = trio.CapacityLimiter(HASHES_AT_ONCE)
        self._threads = trio.CapacityLimiter(HASHES_AT_ONCE)
        self._verifications = 0

    async def verify(
        self, material: Material, user: str, account: StoredHash | None, password: str, client: str
    ) -> bool:
        """Return whether *password* is that of *account*, which is *user*'s; None is nobody's.

        Raises TooManyAttemptsError if the network of *client* has no attempt left when its turn comes.
        """
        if self._is_known(material, user, account, password):
            return True
        async with self._gate:
            # Whoever was ahead in the queue may have used up what was left, so a burst of guesses gets no
            # more of them verified than a row of them does.
            self._attempts.require_patience(material.accounts.accounts, user, client)
            # Or may have brought the same credentials.
            if self._is_known(material, user, account, password):
                return True
            rehearsed = tuple(material.accounts.cost_classes().values()) or (self._decoy,)
            self._verifications += 1
            # Before the outcome: who leaves in the meantime has had the work done all the same.
            attempt = self._attempts.begin(user, client)
            accepted = await trio.to_thread.run_sync(
                verify_at_constant_cost,
                self._hasher,
                rehearsed,
                account,
                password,
                # It changes nothing but its own memory, so it may be left behind.
                abandon_on_cancel=True,
                limiter=self._threads,
            )
            if accepted:
                self._attempts.succeeded(attempt)
                self._verified.remember(material.generation, user, password)
        return accepted

    def statistics(self) -> dict[str, int]:
        """Return counters since the start, and the present numbers of waiters and remembered credentials."""
        return {
            "verifications": self._verifications,
            "verifications_waiting": self._gate.statistics().tasks_waiting,
            **{f"cache_{name}": value for name, value in self._verified.statistics().items()},
        }

    def _is_known(self, material: Material, user: str, account: StoredHash | None, password: str) -> bool:
        return account is not None and self._verified.contains(material.generation, user, password)
