"""Challenges that prove themselves: asking for one costs no memory, so strangers cannot fill any.

Each is random, is good for one purpose and one time, and only for some minutes. Only those that were used are
remembered, until they are too old anyhow.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Final

LIFETIME_S: Final = 300
_NONCE_BYTES: Final = 16
_TIME_BYTES: Final = 8
_MAC_BYTES: Final = 16
LENGTH: Final = _NONCE_BYTES + _TIME_BYTES + _MAC_BYTES


class Challenges:
    """Draws and checks them. Times are whole seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._used: OrderedDict[bytes, int] = OrderedDict()

    def draw(self, purpose: str, now_s: int) -> bytes:
        """Return a new challenge for *purpose*."""
        head = secrets.token_bytes(_NONCE_BYTES) + (now_s + LIFETIME_S).to_bytes(_TIME_BYTES, "big")
        return head + self._mac(head, purpose)

    def is_good(self, challenge: bytes, purpose: str, now_s: int) -> bool:
        """Return whether *challenge* was drawn for *purpose*, is not too old, and was not used."""
        head, mac = challenge[:-_MAC_BYTES], challenge[-_MAC_BYTES:]
        if len(challenge) != LENGTH or not hmac.compare_digest(mac, self._mac(head, purpose)):
            return False
        return self._until(challenge) > now_s and challenge not in self._used

    def derive(self, challenge: bytes, label: str) -> bytes:
        """Return a secret that belongs to *challenge*, a different one for each *label*."""
        return hashlib.blake2b(
            challenge + label.encode(), key=self._key, digest_size=32, person=b"derived"
        ).digest()

    def use_up(self, challenge: bytes, now_s: int) -> None:
        """Have a good *challenge* be good no more."""
        self._used[challenge] = self._until(challenge)
        while self._used and next(iter(self._used.values())) <= now_s - LIFETIME_S:
            self._used.popitem(last=False)

    def _until(self, challenge: bytes) -> int:
        return int.from_bytes(challenge[_NONCE_BYTES : _NONCE_BYTES + _TIME_BYTES], "big")

    def _mac(self, head: bytes, purpose: str) -> bytes:
        return hashlib.blake2b(head + purpose.encode(), key=self._key, digest_size=_MAC_BYTES).digest()
