"""The log as text (contract http.md 4.1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from quart import Response

from api.params import Param
from api.routing import Access, Call, Route, media
from firmware.core.validators import valid_bool, valid_log_seek
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.log.service import LogReaderDisabledError, LogReaderIsBusyError, LogService

SEEK = Param("seek", valid_log_seek, 0, "seconds to go back; 0: to the beginning of this boot")
FOLLOW = Param("follow", valid_bool, False, "go on with new records until the client leaves")
# A whole boot may be hundreds of thousands of lines: without following they are sent in pieces of about this.
PIECE_CHARS = 16 * 1024


def log_routes(log: LogService) -> list[Route]:
    """List the route of the log."""

    async def read(call: Call) -> Response:
        follow = call[FOLLOW]
        lines = log.lines(seek_s=call[SEEK], follow=follow)
        answer = Response(_single(lines) if follow else _gathered(lines), content_type="text/plain")
        # It lasts as long as the client wants: Quart's own deadline for answers does not apply.
        answer.timeout = None
        return answer

    return [
        Route(
            "GET",
            "/api/log",
            Access.USER,
            Capability.ADMIN,
            read,
            (SEEK, FOLLOW),
            summary="the log of this boot, line by line",
            answers=(media("text/plain", "[time unit] --- message, lines end with CRLF"),),
            errors=(LogReaderDisabledError, LogReaderIsBusyError),
        )
    ]


async def _single(lines: AsyncGenerator[str]) -> AsyncGenerator[bytes]:
    """Yield each line as it comes, so that nothing new waits in a buffer (gotcha 31)."""
    async with aclosing(lines):
        async for line in lines:
            yield line.encode()


async def _gathered(lines: AsyncGenerator[str]) -> AsyncGenerator[bytes]:
    piece: list[str] = []
    chars = 0
    async with aclosing(lines):
        async for line in lines:
            piece.append(line)
            chars += len(line)
            if chars >= PIECE_CHARS:
                yield "".join(piece).encode()
                piece, chars = [], 0
    if piece:
        yield "".join(piece).encode()
