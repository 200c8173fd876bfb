"""State of the sessions; the shape of the `clients` event (contract websocket.md 1.4)."""

from __future__ import annotations

import msgspec


class ClientsState(msgspec.Struct, frozen=True):
    """How many open sessions want video."""

    count: int = 0
