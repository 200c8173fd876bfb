from __future__ import annotations

import pytest
from quart import Response

from api.body_limits import DEFAULT_BODY_LIMIT_BYTES, BodyLimits
from api.routing import Access, Call, Route


async def handler(_call: Call) -> Response:
    return Response(b"")


LIMITS = BodyLimits(
    [
        Route("POST", "/api/exact", Access.USER, None, handler, body_limit_bytes=1),
        Route("PATCH", "/api/a.b/<id>", Access.USER, None, handler, body_limit_bytes=2),
        Route("POST", "/api/a.b/<id>/c/<other>", Access.USER, None, handler, body_limit_bytes=3),
        Route("POST", "/api/default", Access.USER, None, handler),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/api/exact", 1),
        ("PATCH", "/api/a.b/0123", 2),
        ("PATCH", "/api/a.b/<id>", 2),
        ("POST", "/api/a.b/x/c/y", 3),
        ("PUT", "/api/exact", DEFAULT_BODY_LIMIT_BYTES),
        ("POST", "/api/a.b/0123", DEFAULT_BODY_LIMIT_BYTES),
        ("PATCH", "/api/a.b", DEFAULT_BODY_LIMIT_BYTES),
        ("PATCH", "/api/a.b/0123/4", DEFAULT_BODY_LIMIT_BYTES),
        ("PATCH", "/api/a_b/0123", DEFAULT_BODY_LIMIT_BYTES),
        ("PATCH", "/x/api/a.b/0123", DEFAULT_BODY_LIMIT_BYTES),
        ("POST", "/api/default", DEFAULT_BODY_LIMIT_BYTES),
        ("POST", "/elsewhere", DEFAULT_BODY_LIMIT_BYTES),
    ],
)
def test_a_limit_is_that_of_the_route_for_the_method_parts_included(
    method: str, path: str, limit: int
) -> None:
    assert LIMITS.of(method, path) == limit
