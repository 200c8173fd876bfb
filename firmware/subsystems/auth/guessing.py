"""Limits on guessing: how many wrong credentials an account and a network get, and how long they wait then.

Pure: times go in (seconds, monotonic), decisions come out. It knows neither passwords nor which accounts
exist, so a name that is nobody's is limited like any other and its limit tells nothing.

Three counts, each of which drains with time:

- of a *pair* of account and network: somebody who tries passwords of one account;
- of a *network*: somebody who tries many accounts. It drains faster than one pair can fill it, so a forgotten
  script with an old password does not shut out its neighbours behind the same address;
- of an *account*: many networks that try the same account. It refuses nobody by itself, or strangers could
  lock out the owner; while it is full, each network has a smaller allowance at this account.

A pair that had the right password within a day is limited by its own count alone: what others do behind the
same address, or to the same account from elsewhere, is not its fault.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from firmware.core.draining import Allowance, DrainingCounts

PAIR: Final = Allowance(10, 60.0)
PAIR_UNDER_ATTACK: Final = Allowance(3, 600.0)
NETWORK: Final = Allowance(30, 10.0)
ACCOUNT: Final = Allowance(30, 20.0)
# Some hundred bytes each. Whoever pushes out somebody else's count pays a whole attempt for each place, which
# is more than what is gained by it.
CAPACITY: Final = 8192
KNOWN_S: Final = 86_400.0
"""How long a network is known as one that the account is used from."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was begun, and what it added to the counts."""

    account: str
    network: str
    of_network: float
    of_account: float


class GuessingLimits:
    """The counts of all accounts and networks."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._pairs = DrainingCounts[tuple[str, str]](PAIR, capacity)
        self._pairs_under_attack = DrainingCounts[tuple[str, str]](PAIR_UNDER_ATTACK, capacity)
        self._networks = DrainingCounts[str](NETWORK, capacity)
        self._accounts = DrainingCounts[str](ACCOUNT, capacity)
        self._known_until: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._capacity = capacity
        self._limited = 0

    def wait_s(self, account: str, network: str, now_s: float) -> int:
        """Return after how many whole seconds *network* may try *account* again; 0 = now."""
        pair = (account, network)
        wait_s = self._pairs.wait_s(pair, now_s)
        if self._known_until.get(pair, now_s) <= now_s:
            wait_s = max(wait_s, self._networks.wait_s(network, now_s))
            if self._accounts.wait_s(account, now_s) > 0:
                wait_s = max(wait_s, self._pairs_under_attack.wait_s(pair, now_s))
        # A nanosecond off, so that what drains exactly at a full second is not kept for another one.
        return math.ceil(wait_s - 1e-9)

    def begin(self, account: str, network: str, now_s: float) -> Attempt:
        """Count an attempt as a wrong one, which holds if it is never finished."""
        self._pairs.add((account, network), now_s)
        self._pairs_under_attack.add((account, network), now_s)
        return Attempt(
            account, network, self._networks.add(network, now_s), self._accounts.add(account, now_s)
        )

    def succeeded(self, attempt: Attempt, now_s: float) -> None:
        """Take back the attempt begun; who knows the password need not guess, so the pair starts afresh.

        Not so the network and the account: one's own password would buy guesses at those of others.
        """
        pair = (attempt.account, attempt.network)
        self._pairs.forget(pair)
        self._pairs_under_attack.forget(pair)
        self._known_until[pair] = now_s + KNOWN_S
        self._known_until.move_to_end(pair)
        if len(self._known_until) > self._capacity:
            self._known_until.popitem(last=False)
        self._networks.take_back(attempt.network, attempt.of_network, now_s)
        self._accounts.take_back(attempt.account, attempt.of_account, now_s)

    def refused(self) -> None:
        """Count that somebody was told to wait, for the statistics."""
        self._limited += 1

    def statistics(self) -> dict[str, int]:
        """Return how often somebody was told to wait, and how much is remembered."""
        return {
            "limited": self._limited,
            "limited_networks": len(self._networks),
            "limited_pairs": len(self._pairs),
        }
