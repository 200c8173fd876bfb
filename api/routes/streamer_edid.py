"""The EDID of the capture: the monitor that the target sees. Ours; the contract has no such thing."""

from __future__ import annotations

from typing import Final

import msgspec
from quart import Response

from api.params import Param
from api.routing import Access, Answer, Body, Call, Route, envelope
from firmware.state.edid import StreamerEdid
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.streamer.edid import (
    EdidNotKeptError,
    EdidNotSupportedError,
    EdidRefusedError,
    EdidService,
    edid_of,
)

BODY_LIMIT_BYTES: Final = 256 * 1024
"""The longest EDID, 256 blocks, as hexadecimal digits with white space."""


def _valid_edid(raw: object, _name: str) -> bytes:
    return edid_of(str(raw).encode())


DATA: Final = Param[bytes](
    "data",
    _valid_edid,
    b"",
    "hexadecimal digits; empty: the configured one again. Absent: the body says it",
    schema={"type": "string", "pattern": r"^[0-9A-Fa-f\s]*$"},
)


class EdidAnswer(msgspec.Struct, frozen=True):
    """Null if the capture has none."""

    edid: StreamerEdid | None


def streamer_edid_routes(edid: EdidService) -> list[Route]:
    """List the routes that show and change the EDID."""

    async def state(_call: Call) -> Response:
        return envelope(EdidAnswer(edid.state))

    async def change(call: Call) -> Response:
        await edid.change(call[DATA] if call.has(DATA) else edid_of(await call.request.body))
        return envelope(EdidAnswer(edid.state))

    path = "/api/streamer/edid"
    return [
        Route(
            "GET",
            path,
            Access.USER,
            Capability.VIEW,
            state,
            summary="the monitor that the target sees",
            answers=(Answer(EdidAnswer),),
        ),
        Route(
            "POST",
            path,
            Access.USER,
            Capability.ADMIN,
            change,
            (DATA,),
            summary="show the target another monitor, and keep that over restarts",
            body=Body(
                "application/octet-stream",
                required=False,
                description="without data: the EDID, binary or as hexadecimal digits; empty resets it",
            ),
            body_limit_bytes=BODY_LIMIT_BYTES,
            answers=(Answer(EdidAnswer),),
            errors=(EdidNotSupportedError, EdidRefusedError, EdidNotKeptError),
        ),
    ]
