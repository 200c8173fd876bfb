"""Sockets and streams that last, and what waits for their end: they end when their grounds do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream


@asynccontextmanager
async def socket_that_ends(
    live: Any, given: dict[str, str], path: str = "/api/ws"
) -> AsyncIterator[WebSocketConnection]:
    """Open a socket that the server will close; the library leaves such a one's stream open."""
    host, port = live.url.removeprefix("http://").rstrip("/").split(":")
    sent = [(name.encode(), value.encode()) for name, value in given.items()]
    async with await trio.open_tcp_stream(host, int(port)) as stream, trio.open_nursery() as nursery:
        yield await wrap_client_stream(nursery, stream, host, path, extra_headers=sent)
        nursery.cancel_scope.cancel()


async def closed(socket: WebSocketConnection) -> None:
    """Read until the server closes the socket."""
    with suppress(ConnectionClosed):
        while True:
            await socket.get_message()


@asynccontextmanager
async def all_open(live: Any, client: httpx.AsyncClient) -> AsyncIterator[list[Callable[[], Any]]]:
    """Open everything that lasts with the credentials of *client*; give what waits for the end of each."""
    sent = dict(client.headers)
    given = {
        name: value for name, value in sent.items() if name.startswith("x-kvmd-") or name == "authorization"
    }
    if token := client.cookies.get("auth_token"):
        given = {"Cookie": f"auth_token={token}"}

    async with (
        socket_that_ends(live, given) as control,
        socket_that_ends(live, given, "/api/media/ws") as media,
    ):
        with trio.fail_after(30):
            while (await client.get("/streamer/snapshot")).status_code != 200:
                await trio.sleep(0.05)
        async with (
            client.stream("GET", "/streamer/stream") as mjpeg,
            client.stream("GET", "/redfish/v1/EventService/SSE") as events,
        ):
            assert (mjpeg.status_code, events.status_code) == (200, 200)
            yield [
                lambda: closed(control),
                lambda: closed(media),
                lambda: read(mjpeg),
                lambda: read(events),
            ]


async def read(answer: httpx.Response) -> None:
    """Read an answer until the server ends it or cuts the connection."""
    with suppress(httpx.RemoteProtocolError, httpx.ReadError):
        async for _ in answer.aiter_raw():
            pass


async def ended(waits: list[Callable[[], Any]]) -> None:
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for wait in waits:
                nursery.start_soon(wait)
