"""The description of the API: for programs as OpenAPI, for people as a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources

import msgspec
from quart import Response

from api.openapi.document import openapi_document
from api.openapi.page import STYLE_PATH, render_page
from api.routing import Access, Call, Route, bare, media


def openapi_routes(routes: Callable[[], Sequence[Route]], *, version: str) -> list[Route]:
    """List the routes that describe *routes*, which includes these."""

    def document() -> Mapping[str, object]:
        return openapi_document(routes(), version=version)

    async def description(_call: Call) -> Response:
        return Response(msgspec.json.encode(document()), content_type="application/json; charset=utf-8")

    async def page(_call: Call) -> Response:
        return Response(render_page(document()), content_type="text/html; charset=utf-8")

    async def style(_call: Call) -> Response:
        return Response(stylesheet, content_type="text/css; charset=utf-8")

    stylesheet = resources.files("api.openapi").joinpath(STYLE_PATH).read_bytes()
    html = media("text/html", "the page")
    return [
        Route(
            "GET",
            "/api/openapi.json",
            Access.USER,
            None,
            description,
            summary="this description, as OpenAPI 3.1",
            answers=(bare(dict[str, object]),),
        ),
        Route(
            "GET",
            "/api/docs",
            Access.PAGE,
            None,
            page,
            summary="this description, for people",
            answers=(html,),
        ),
        Route("GET", f"/api/{STYLE_PATH}", Access.PUBLIC, None, style, described=False),
    ]
