"""Which connections may be open: how many in all and of one address, and who goes when all places are taken.

Strangers from many addresses could take every place and keep the owner out, so places are theirs only while
nobody else wants one: a newcomer gets that of a connection on which nobody has shown valid credentials.
"""

from __future__ import annotations

import logging
import math
from collections import Counter as Tally
from collections.abc import Iterator

import trio

from api.server.connection import Connection
from api.server.limits import Limits
from api.server.statistics import Counters

logger = logging.getLogger(__name__)

BETWEEN_LINES_S = 60.0


class Capacity:
    """The open connections, oldest first, each with the address it is counted under.

    That address is a network of one customer, or None for those which are not counted so (loopback).
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._open: dict[Connection, str | None] = {}
        self._per_address = Tally[str]()
        self._said: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over a copy."""
        return iter(tuple(self._open))

    def admits(self, address: str | None) -> bool:
        """Whether a connection from *address* may be opened; a stranger's may be closed for it."""
        limits = self._limits
        allowed = limits.connections + (limits.loopback_reserve if address is None else 0)
        if address is not None and self._per_address[address] >= limits.connections_per_address:
            self._counters.refused_per_address += 1
            self._say("connection refused: %s has %d open", address, limits.connections_per_address)
            return False
        if len(self._open) < allowed:
            return True
        if (stranger := self._dispensable()) is not None:
            self._counters.displaced += 1
            self._say("all %d connections are open: that of %s made room", allowed, stranger.peer)
            self.remove(stranger)
            stranger.abort()
            return True
        self._counters.refused_total += 1
        self._say("connection refused: %d are open", allowed)
        return False

    def add(self, connection: Connection, address: str | None) -> None:
        """Count one."""
        self._counters.accepted += 1
        self._open[connection] = address
        if address is not None:
            self._per_address[address] += 1

    def remove(self, connection: Connection) -> None:
        """Count one no more; nothing happens if it was not counted."""
        if connection not in self._open:
            return
        address = self._open.pop(connection)
        if address is not None:
            self._per_address[address] -= 1
            if not self._per_address[address]:
                del self._per_address[address]

    def _dispensable(self) -> Connection | None:
        """Return the oldest stranger of the address that has most of them, None if there are no strangers.

        So whoever has few connections keeps them while somebody else has many.
        """
        strangers = [
            (connection, address)
            for connection, address in self._open.items()
            if address is not None and not connection.vouched_for
        ]
        if not strangers:
            return None
        most = Tally(address for _, address in strangers).most_common(1)[0][0]
        return next(connection for connection, address in strangers if address == most)

    def _say(self, message: str, *arguments: object) -> None:
        # A flood must not become a flood of log lines: of each kind one a minute is enough.
        now = trio.current_time()
        worth_it = now - self._said.get(message, -math.inf) >= BETWEEN_LINES_S
        logger.log(logging.WARNING if worth_it else logging.DEBUG, message, *arguments)
        if worth_it:
            self._said[message] = now
