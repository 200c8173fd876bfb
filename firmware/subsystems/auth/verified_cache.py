"""A memory of credentials that were verified, so that a polling client does not pay for argon2 each time.

It holds no password and no plain hash of one: only a MAC under a key that is drawn when the appliance starts
and never leaves it. Only right credentials are remembered, for a bounded time, and none outlives a change of
the files they were verified against.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

# More accounts than a KVM has; beyond it the least recently used is verified anew.
CAPACITY: Final = 64
# Counted from the verification, never prolonged: one hash in five minutes costs a polling client nothing,
# and bounds how long a memory image of the process is worth something.
LIFETIME_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class _Remembered:
    mac: bytes = field(repr=False)
    expires_at: float


class VerifiedCache:
    """The last verified password of each user, as a MAC, for one generation of the files behind it."""

    def __init__(
        self, clock: Callable[[], float], *, capacity: int = CAPACITY, lifetime_s: float = LIFETIME_S
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._lifetime_s = lifetime_s
        self._key = secrets.token_bytes(32)
        self._by_user: OrderedDict[str, _Remembered] = OrderedDict()
        self._generation = 0
        self._hits = 0

    def contains(self, generation: int, user: str, password: str) -> bool:
        """Return whether this very password was verified for *user* in this *generation* and not long ago."""
        self._enter(generation)
        remembered = self._by_user.get(user) if generation == self._generation else None
        if remembered is not None and remembered.expires_at <= self._clock():
            del self._by_user[user]
            remembered = None
        if remembered is None or not hmac.compare_digest(remembered.mac, self._mac(user, password)):
            return False
        self._by_user.move_to_end(user)
        self._hits += 1
        return True

    def remember(self, generation: int, user: str, password: str) -> None:
        """Remember that *password* was verified against the files of *generation*; too late is not at all."""
        self._enter(generation)
        if generation != self._generation:
            return
        self._by_user[user] = _Remembered(self._mac(user, password), self._clock() + self._lifetime_s)
        self._by_user.move_to_end(user)
        while len(self._by_user) > self._capacity:
            self._by_user.popitem(last=False)

    def _enter(self, generation: int) -> None:
        """Forget everything when a newer generation of the files shows up."""
        if generation > self._generation:
            self._generation = generation
            self._by_user.clear()

    def _mac(self, user: str, password: str) -> bytes:
        # surrogatepass: whatever str arrives has a MAC. The length keeps the parts apart.
        name, secret = (text.encode("utf-8", "surrogatepass") for text in (user, password))
        return hashlib.blake2b(
            len(name).to_bytes(8, "big") + name + secret, key=self._key, digest_size=32
        ).digest()

    def statistics(self) -> dict[str, int]:
        """Return the number of remembered users and of the checks that they saved a hash since the start."""
        return {"remembered": len(self._by_user), "hits": self._hits}
