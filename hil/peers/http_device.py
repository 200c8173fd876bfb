"""A device with a web server, on the loopback, over TCP or TLS: what it answers is its subclasses' part.

It can be pulled from the network, hang, say garbage instead of HTTP, or break off in an answer.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import h11
import trio


@dataclass(frozen=True)
class Request:
    """What somebody asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the device says."""

    status: int
    body: bytes
    media_type: str = "text/html"


class WebDevice:
    """A device behind a web server; made to listen by `web_device`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.fault: Literal["", "hang", "garbage", "cut", "flood", "error"] = ""
        self.port = 0
        self.scheme = "http"
        self._tls: ssl.SSLContext | None = None
        self._plugged = trio.CancelScope()
        self._nursery: trio.Nursery | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        raise NotImplementedError

    async def plug(self) -> None:
        """Listen, at the port that it had before if it had one."""
        assert self._nursery is not None
        listeners = await trio.open_tcp_listeners(self.port, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        self._plugged = trio.CancelScope()
        self._nursery.start_soon(self._serve, listeners, self._plugged)

    def pull(self) -> None:
        """Close all connections and listen no more."""
        self._plugged.cancel()

    async def _serve(self, listeners: list[trio.SocketListener], plugged: trio.CancelScope) -> None:
        with plugged:
            await trio.serve_listeners(self._connection, listeners)

    async def _connection(self, raw: trio.SocketStream) -> None:
        stream: trio.abc.Stream = raw
        if self._tls is not None:
            stream = trio.SSLStream(raw, self._tls, server_side=True, https_compatible=True)
        try:
            async with stream:
                await self._talk(stream)
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            return

    async def _talk(self, stream: trio.abc.Stream) -> None:
        http = h11.Connection(h11.SERVER)
        while (request := await self._request(http, stream)) is not None:
            self.requests.append(request)
            if self.fault:
                await self._misbehave(stream)
                return
            answer = self.answer(request)
            length = str(len(answer.body))
            headers = [("Content-Type", answer.media_type), ("Content-Length", length)]
            for event in (
                h11.Response(status_code=answer.status, headers=headers),
                h11.Data(data=answer.body),
                h11.EndOfMessage(),
            ):
                await stream.send_all(http.send(event) or b"")
            if http.our_state is h11.MUST_CLOSE:
                return
            http.start_next_cycle()

    async def _misbehave(self, stream: trio.abc.Stream) -> None:
        match self.fault:
            case "hang":
                await trio.sleep_forever()
            case "garbage":
                await stream.send_all(b"\x00\xffnot HTTP at all\r\n\r\n")
            case "cut":
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{")
            case "error":
                await stream.send_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
            case "flood":
                await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    await stream.send_all(bytes(65536))

    @staticmethod
    async def _request(http: h11.Connection, stream: trio.abc.Stream) -> Request | None:
        head: h11.Request | None = None
        body = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some(65536)))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                headers = {name.decode(): value.decode() for name, value in head.headers}
                return Request(head.method.decode(), head.target.decode(), headers, body)
            else:
                return None


@asynccontextmanager
async def web_device[D: WebDevice](device: D, tls: ssl.SSLContext | None = None) -> AsyncIterator[D]:
    """Have *device* on the network while the body runs."""
    async with trio.open_nursery() as nursery:
        device._nursery = nursery
        device._tls = tls
        device.scheme = "http" if tls is None else "https"
        await device.plug()
        yield device
        nursery.cancel_scope.cancel()
