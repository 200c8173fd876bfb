"""Limits on guessing: how many wrong credentials an account and a network get, and how long they wait then.

Pure: times go in (seconds, monotonic), decisions come out. It knows neither passwords nor which accounts
exist, so a name that is nobody's is limited like any other and its limit tells nothing.

Three counts, each of which drains with time:

- of a *pair* of account and network: somebody who tries passwords of one account;
- of a *network*: somebody who tries many accounts. It drains faster than one pair can fill it, so a forgotten
  script with an old password does not shut out its neighbours behind the same address;
- of an *account*: many networks that try the same account. It refuses nobody by itself, or strangers could
  lock out the owner; while it is full, each network has a smaller allowance at this account.
"""

from __future__ import annotations

import math
from typing import Final

from firmware.core.draining import Allowance, DrainingCounts

PAIR: Final = Allowance(10, 60.0)
PAIR_UNDER_ATTACK: Final = Allowance(3, 600.0)
NETWORK: Final = Allowance(30, 10.0)
ACCOUNT: Final = Allowance(30, 20.0)
# Some hundred bytes each. Whoever pushes out somebody else's count pays a whole attempt for each place, which
# is more than what is gained by it.
CAPACITY: Final = 8192


class GuessingLimits:
    """The counts of all accounts and networks."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._pairs = DrainingCounts[tuple[str, str]](PAIR, capacity)
        self._pairs_under_attack = DrainingCounts[tuple[str, str]](PAIR_UNDER_ATTACK, capacity)
        self._networks = DrainingCounts[str](NETWORK, capacity)
        self._accounts = DrainingCounts[str](ACCOUNT, capacity)
        self._limited = 0

    def wait_s(self, account: str, network: str, now_s: float) -> int:
        """Return after how many whole seconds *network* may try *account* again; 0 = now."""
        pair = (account, network)
        wait_s = max(self._pairs.wait_s(pair, now_s), self._networks.wait_s(network, now_s))
        if self._accounts.wait_s(account, now_s) > 0:
            wait_s = max(wait_s, self._pairs_under_attack.wait_s(pair, now_s))
        # A nanosecond off, so that what drains exactly at a full second is not kept for another one.
        return math.ceil(wait_s - 1e-9)

    def begin(self, account: str, network: str, now_s: float) -> None:
        """Count an attempt as a wrong one, which holds if it is never finished."""
        self._pairs.add((account, network), now_s)
        self._pairs_under_attack.add((account, network), now_s)
        self._networks.add(network, now_s)
        self._accounts.add(account, now_s)

    def succeeded(self, account: str, network: str, now_s: float) -> None:
        """Take back the attempt begun; who knows the password need not guess, so the pair starts afresh.

        Not so the network and the account: one's own password would buy guesses at those of others.
        """
        self._pairs.forget((account, network))
        self._pairs_under_attack.forget((account, network))
        self._networks.take_back(network, now_s)
        self._accounts.take_back(account, now_s)

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
