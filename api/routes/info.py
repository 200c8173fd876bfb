"""General information (contract http.md 4.1)."""

from __future__ import annotations

from functools import partial

from quart import Response

from api.params import Param
from api.routing import Access, Call, Route, envelope
from firmware.core.validators import valid_bool, valid_info_fields
from firmware.subsystems.info.render import render
from firmware.subsystems.info.service import InfoService

LEGACY = Param("legacy", valid_bool, True, "the old grouping, with hw")
# Which names are allowed depends on `legacy`, so one of the two is read, never both.
FIELDS = Param[list[str]]("fields", partial(valid_info_fields, legacy=False), [], "categories; empty = all")
LEGACY_FIELDS = Param[list[str]]("fields", partial(valid_info_fields, legacy=True), [], "the same, with hw")


def info_routes(info: InfoService) -> list[Route]:
    """List the routes of information."""

    async def show(call: Call) -> Response:
        legacy = call[LEGACY]
        fields = call[LEGACY_FIELDS if legacy else FIELDS]
        return envelope(render(await info.fresh_state(), legacy=legacy, fields=fields))

    return [Route("GET", "/api/info", Access.USER, show, (LEGACY, FIELDS, LEGACY_FIELDS))]
