"""The audit trail, to take away."""

from __future__ import annotations

from functools import partial

from quart import Response

from api.params import Param
from api.routing import Access, Call, Route, media
from firmware.core.validators import valid_int
from firmware.subsystems.audit.service import AuditService
from firmware.subsystems.auth.rights import Capability

AFTER = Param(
    "after",
    partial(valid_int, minimum=0),
    0,
    "only what comes after the record of this number",
    schema={"type": "integer", "minimum": 0, "default": 0},
)


def audit_routes(audit: AuditService) -> list[Route]:
    """List the route of the audit trail."""

    async def read(call: Call) -> Response:
        answer = Response(audit.lines(after=call[AFTER]), content_type="application/x-ndjson")
        answer.timeout = None  # as long as the client takes
        return answer

    return [
        Route(
            "GET",
            "/api/audit",
            Access.USER,
            Capability.ADMIN,
            read,
            (AFTER,),
            summary="who did what, when and from where, as lines of JSON chained by their hashes",
            answers=(media("application/x-ndjson", "`farhand audit verify` reads it"),),
        )
    ]
