"""Which formats the media socket offers (contract http.md 5)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from quart import Response

from api.routing import Access, Answer, Call, Route, envelope
from api.ws.media import MediaSockets
from firmware.subsystems.auth.rights import Capability


class MediaFormats(msgspec.Struct, frozen=True):
    """Formats by kind and name, with what their decoders have to know."""

    video: Mapping[str, Mapping[str, object]]


class MediaAnswer(msgspec.Struct, frozen=True):
    """The answer of `GET /api/media`."""

    media: MediaFormats


def media_routes(sockets: MediaSockets) -> list[Route]:
    """List the routes beside the media socket."""

    async def state(_call: Call) -> Response:
        return envelope(MediaAnswer(MediaFormats(sockets.offer())))

    return [
        Route(
            "GET",
            "/api/media",
            Access.PROXIED,
            Capability.VIEW,
            state,
            summary="the formats that the media socket offers",
            answers=(Answer(MediaAnswer),),
        )
    ]
