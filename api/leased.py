"""Answers that last: they end when the login or the rights end on which they were begun."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, override

from quart import Response
from quart.wrappers.response import IterableBody

from firmware.subsystems.auth.leases import Claim
from firmware.subsystems.auth.service import AuthService


def leased(answer: Response, auth: AuthService, claim: Claim) -> Response:
    """Have *answer*, if it is sent piece by piece, end when *claim* does, and return it."""
    if isinstance(answer.response, IterableBody):
        answer.response = IterableBody(_LeasedPieces(answer.response.iter, auth, claim))
    return answer


class _LeasedPieces(AsyncIterator[Any]):
    """The pieces as long as the claim holds.

    Not a generator: a cancel scope must not stay open from one piece to the next.
    """

    def __init__(self, pieces: AsyncIterator[Any], auth: AuthService, claim: Claim) -> None:
        self._pieces = pieces
        self._auth = auth
        self._claim = claim

    @override
    async def __anext__(self) -> Any:
        if self._auth.holds(self._claim):
            with self._auth.lease(self._claim):
                return await anext(self._pieces)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Let go of what the pieces are made of."""
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()
