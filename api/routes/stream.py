"""The streamer's own routes, `/streamer/*` (contract http.md 6)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import trio
from quart import Response

from api.mjpeg import CONTENT_TYPE, PartInfo, PartWriter
from api.params import Param
from api.routes.streamer import NEVER_CACHE, snapshot_headers
from api.routing import Access, Answer, Call, Route, envelope, html_page, media
from firmware.core.errors import UnavailableError
from firmware.state.streamer import RunningState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.streamer.clients import ClientOptions, MjpegClient
from firmware.subsystems.streamer.frames import JpegFrame
from firmware.subsystems.streamer.service import StreamerService

# A picture that does not change is repeated, so that clients can tell a still screen from a dead stream.
REPEAT_S = 1.0
# A burst has ended when no new frame came for this long; browsers built on WebKit show the last frame of a
# burst only once another part begins.
BURST_PAUSE_S = 0.1
COOKIE_LIFETIME_S = 30


def _marker(raw: object, _name: str) -> str:
    return quote(str(raw)[:128], safe="") or "0"


def _flag(raw: object, _name: str) -> bool:
    text = str(raw).strip().lower()
    return text.startswith("1") or text in ("true", "yes")


def _text(raw: object, _name: str) -> str:
    return str(raw)


_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}

KEY = Param("key", _marker, "0", "marks the client's own entry in clients_stat", schema=_TEXT)
EXTRA_HEADERS = Param(
    "extra_headers", _flag, False, "describe each frame by X-UStreamer-* headers", schema=_FLAG
)
ADVANCE_HEADERS = Param(
    "advance_headers",
    _flag,
    False,
    "send the next part's headers behind each picture, for Blink",
    schema=_FLAG,
)
DUAL_FINAL_FRAMES = Param(
    "dual_final_frames", _flag, False, "repeat the last frame of a burst, for WebKit", schema=_FLAG
)
ZERO_DATA = Param("zero_data", _flag, False, "send headers without pictures", schema=_FLAG)
ACTION = Param("action", _text, "", "MJPG-Streamer compatibility: stream or snapshot", schema=_TEXT)
STREAMER_DOWN = Answer(
    None, 502, "text/html", enveloped=False, description="nobody has a session with video open"
)
STREAM_PARAMS = (KEY, EXTRA_HEADERS, ADVANCE_HEADERS, DUAL_FINAL_FRAMES, ZERO_DATA)


def streamer_down() -> Response:
    """Return what the reference's proxy answers when the streamer is stopped."""
    return html_page(502, "502 Bad Gateway", "The streamer is stopped: nobody has a session with video open.")


def stream_routes(streamer: StreamerService) -> list[Route]:
    """List the routes that give pictures."""

    async def index(call: Call) -> Response:
        action = call[ACTION]
        if action == "stream":
            return await stream(call)
        if action == "snapshot":
            return await snapshot(call)
        return html_page(200, "Streamer", "See /streamer/stream, /streamer/snapshot and /streamer/state.")

    async def state(_call: Call) -> Response:
        running = streamer.state.value.streamer
        return streamer_down() if running is None else envelope(running)

    async def snapshot(_call: Call) -> Response:
        try:
            frame = await streamer.take_snapshot(allow_offline=True)
        except UnavailableError:
            if streamer.frames.value is None:
                return streamer_down()
            raise
        return Response(frame.data, content_type="image/jpeg", headers=snapshot_headers(frame))

    async def stream(call: Call) -> Response:
        if streamer.frames.value is None:
            return streamer_down()
        options = ClientOptions(
            key=call[KEY],
            extra_headers=call[EXTRA_HEADERS],
            advance_headers=call[ADVANCE_HEADERS],
            dual_final_frames=call[DUAL_FINAL_FRAMES],
            zero_data=call[ZERO_DATA],
        )
        client = streamer.clients.new(options)
        answer = Response(_parts(streamer, client), content_type=CONTENT_TYPE, headers=NEVER_CACHE)
        answer.headers["Set-Cookie"] = (
            f"stream_client={options.key}/{client.id}; path=/; max-age={COOKIE_LIFETIME_S}"
        )
        answer.headers["Connection"] = "close"
        # A stream lasts as long as its client: Quart's own deadline for answers does not apply.
        answer.timeout = None
        return answer

    async def options_of_route(_call: Call) -> Response:
        return Response(b"", 200)

    jpeg = media("image/jpeg", "the frame, described by X-UStreamer-* headers")
    mjpeg = media(CONTENT_TYPE, "one part for each frame, until the client goes")
    page = media("text/html", "a page that names the others")
    proxied = Access.PROXIED
    routes = [
        Route(
            "GET",
            "/streamer",
            proxied,
            Capability.VIEW,
            index,
            (ACTION, *STREAM_PARAMS),
            summary="the streamer's page; with `action` one of the others",
            answers=(page, jpeg, mjpeg, STREAMER_DOWN),
        ),
        Route(
            "GET",
            "/streamer/state",
            proxied,
            Capability.VIEW,
            state,
            summary="what the running streamer does",
            answers=(Answer(RunningState), STREAMER_DOWN),
        ),
        Route(
            "GET",
            "/streamer/snapshot",
            proxied,
            Capability.VIEW,
            snapshot,
            summary="one picture, of a missing signal too",
            answers=(jpeg, STREAMER_DOWN),
            errors=(UnavailableError,),
        ),
        Route(
            "GET",
            "/streamer/stream",
            proxied,
            Capability.VIEW,
            stream,
            STREAM_PARAMS,
            summary="MJPEG",
            answers=(mjpeg, STREAMER_DOWN),
        ),
    ]
    empty = Answer(None, media_type="", enveloped=False)
    return [
        *routes,
        *(
            Route(method, route.path, proxied, route.needs, options_of_route, answers=(empty,))
            for method in ("HEAD", "OPTIONS")
            for route in routes
        ),
    ]


async def _parts(streamer: StreamerService, client: MjpegClient) -> AsyncIterator[bytes]:
    """Yield the parts of one client's stream: always the newest frame, never a queue."""
    options = client.options
    writer = PartWriter(
        extra_headers=options.extra_headers,
        advance_headers=options.advance_headers,
        zero_data=options.zero_data,
    )
    with streamer.clients.joined(client):
        seen, last_number, repeats_due = 0, None, False
        while True:
            pause_s = BURST_PAUSE_S if repeats_due else REPEAT_S
            with trio.move_on_after(pause_s):
                await streamer.frames.wait_newer(seen)
            # Both at once: a frame that came with the end of the pause is not sent twice.
            seen, frame = streamer.frames.version, streamer.frames.value
            if frame is None:
                return
            is_new = frame.number != last_number
            repeats_due = options.dual_final_frames and is_new
            if is_new and last_number is not None:
                client.dropped += frame.number - last_number - 1
                # Not of the first one, which may be old: that is nobody's delay.
                streamer.jpeg_latency.sent(frame.times, time.monotonic())
            last_number = frame.number
            for piece in writer.part(
                frame.data, time.time(), _part_info(streamer.as_grabbed_last(frame), client)
            ):
                yield piece
            client.sent()


def _part_info(frame: JpegFrame, client: MjpegClient) -> PartInfo:
    now = time.monotonic()
    return PartInfo(
        online=frame.online,
        width=frame.width,
        height=frame.height,
        dropped=client.dropped,
        client_fps=client.fps,
        grab_begin=frame.times.grab_begin,
        grab_end=frame.times.grab_end,
        encode_begin=frame.times.encode_begin,
        encode_end=frame.times.encode_end,
        expose_begin=now,
        send=now,
    )
