"""One HTTP request and its answer, between the protocol and the application.

Hypercorn's stream with its own way of talking to the application: the inbox is bounded and is abandoned
when the application ends, an oversize body is refused before it is read, and a complete answer does not
cancel the one who gave it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import time
from typing import Any, cast
from urllib.parse import unquote

from hypercorn.protocol.events import Body, EndBody, Event, Request, Response, StreamClosed
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.typing import AppWrapper, ASGISendEvent, HTTPScope
from hypercorn.typing import TaskGroup as HypercornTaskGroup

from api.server.exchange import EXTENSION, ClientGoneError, Exchange, Message
from api.server.mailbox import Mailbox
from api.server.surroundings import Surroundings

STREAM_ID = 1


class HttpStream(HTTPStream):
    """A request, its answer, and the exchange through which the application takes part."""

    def __init__(self, around: Surroundings, send: Callable[[Event], Awaitable[None]]) -> None:
        super().__init__(
            cast("AppWrapper", around.shared.app),
            around.shared.hypercorn,
            around.shared.worker,
            cast("HypercornTaskGroup", around.tasks),
            around.is_tls,
            around.client,
            around.server,
            send,
            STREAM_ID,
        )
        self._port = around.port
        self._shared = around.shared
        self._tasks = around.tasks
        self._unbounded = False
        self.before_body: Callable[[], Awaitable[None]] | None = None
        self.exchange: Exchange | None = None

    async def handle(self, event: Event) -> None:
        """Take what the protocol has to say."""
        if self.closed:
            return
        if isinstance(event, Request):
            await self._open(event)
        elif isinstance(event, Body):
            await self._deliver(event.data, more=True)
        elif isinstance(event, EndBody):
            if self.exchange is not None:
                self.exchange.input_complete = True
            await self._deliver(b"", more=False)
        elif isinstance(event, StreamClosed):
            self.closed = True
            if self.state is not ASGIHTTPState.CLOSED:
                await self._shared.access_log.access(self.scope, None, time() - self.start_time)
            if self.exchange is not None:
                self.exchange.disconnect(self._shared.config.limits.disconnect_grace_s)

    async def _deliver(self, body: bytes, *, more: bool) -> None:
        if self.exchange is not None:
            message: Message = {"type": "http.request", "body": body, "more_body": more}
            await self._port.deliver(self.exchange, message, len(body))

    async def _open(self, request: Request) -> None:
        self.start_time = time()
        path, _, query_string = request.raw_path.partition(b"?")
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": request.http_version,
            "asgi": {"spec_version": "2.4", "version": "3.0"},
            "method": request.method,
            "scheme": self.scheme,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query_string,
            "root_path": "",
            "headers": request.headers,
            "client": self.client,
            "server": self.server,
            "state": request.state.copy(),
            "extensions": {},
        }
        self.scope = cast("HTTPScope", scope)
        config = self._shared.config
        limit = config.body_limit_of(scope)
        length = next((int(value) for name, value in request.headers if name == b"content-length"), 0)
        if limit is not None and length > limit:
            await self._refuse_body(length, limit)
            return
        scope["extensions"][EXTENSION] = {
            "body_limit": limit,
            "limits": config.limits,
            "counters": self._shared.counters,
            "vouch": self._port.vouch,
        }
        mailbox = Mailbox[Message](config.limits.body_chunks, config.limits.body_chunks_bytes)
        self.exchange = Exchange(mailbox, {"type": "http.disconnect"}, is_websocket=False)
        if self.before_body is not None:
            self.exchange.before_first_receive(self.before_body)
        self._shared.counters.requests += 1
        self._tasks.start(self._shared.app, scope, self.exchange, self.app_send)

    async def _refuse_body(self, length: int, limit: int) -> None:
        """Answer 413 for a body that says itself that it is too long, before any of it is read."""
        self._shared.counters.rejected_requests += 1
        text = f"413: expected a body of at most {limit} bytes, got {length}\n".encode("ascii")
        headers = [
            (b"content-type", b"text/plain; charset=us-ascii"),
            (b"content-length", str(len(text)).encode("ascii")),
            (b"connection", b"close"),
        ]
        await self.send(Response(stream_id=STREAM_ID, headers=headers, status_code=413))
        if self.scope["method"] != "HEAD":
            await self.send(Body(stream_id=STREAM_ID, data=text))
        await self.send(EndBody(stream_id=STREAM_ID))
        self.state = ASGIHTTPState.CLOSED
        await self._shared.access_log.access(
            self.scope, {"status": 413, "headers": headers}, time() - self.start_time
        )
        await self.send(StreamClosed(stream_id=STREAM_ID))

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """ASGI's send, and None when the application has ended.

        Raises ClientGoneError (an OSError, as ASGI asks) when the client left before the answer was complete.
        """
        if message is None or self.exchange is None:
            await super().app_send(message)
            return
        if self.closed:
            if self.exchange.response_complete:
                return
            raise ClientGoneError("the client has closed the connection")
        if message["type"] == "http.response.start":
            self._unbounded = not any(name.lower() == b"content-length" for name, _ in message["headers"])
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            # Before it is sent: the disconnect that follows a complete answer is no reason to cancel anybody.
            self.exchange.response_complete = True
        await super().app_send(message)

    async def go_away(self) -> None:
        """End an endless answer (a stream has no length); any other may be finished in the server's grace."""
        if self._unbounded and self.exchange is not None:
            self.exchange.scope.cancel()
