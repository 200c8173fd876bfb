"""The base class of the application: Quart-Trio on our server, with its rules for clients that leave.

Quart-Trio runs a second task for every request, which reads the body into an unbounded queue and cancels the
handler when the server says "disconnect", even in the middle of the server's own work. Here a handler reads
its input directly, and it is the server that ends it when the client has gone. A client that leaves is not
an error and leaves no traceback; anything else in an exception group is reported, never dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast, override

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.ctx import AppContext
from quart.routing import QuartRule
from quart.typing import ResponseReturnValue, ResponseTypes
from quart.utils import encode_headers
from quart.wrappers import Request, Response, Websocket
from quart.wrappers.base import ClientDisconnectedError
from quart.wrappers.response import DataBody
from quart_trio import QuartTrio
from quart_trio.wrappers.websocket import TrioBuffer, TrioWebsocket
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from api.server.body import FrontRequest
from api.server.exchange import EXTENSION, Message

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def is_disconnect(error: BaseException) -> bool:
    """Whether *error* means nothing but that the client has gone (alone, or every leaf of a group)."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_disconnect(leaf) for leaf in error.exceptions)
    return isinstance(error, ClientDisconnectedError)


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _to_client(send: ASGISendCallable) -> Send:
    """Turn the server's "client gone" (an OSError) into Quart's exception for it."""

    async def convert(message: Message) -> None:
        try:
            await send(cast("Any", message))
        except OSError:
            raise ClientDisconnectedError from None

    return convert


class FrontBuffer(TrioBuffer):
    """The inbox of a WebSocket as its handler sees it: the server's own, bounded there."""

    def __init__(self) -> None:
        super().__init__()
        self._receive: Receive | None = None
        self._gone = False

    def connect(self, receive: Receive) -> None:
        """Read from ASGI's *receive*."""
        self._receive = receive

    async def get(self) -> bytes | str:
        """Return the next message, empty ones included; ClientDisconnectedError once there is no more."""
        if self._receive is None:
            raise RuntimeError("expected a connected WebSocket, got one without a server")
        while not self._gone:
            event = await self._receive()
            if event["type"] == "websocket.receive":
                data: bytes | None = event.get("bytes")
                return data if data is not None else cast("str", event["text"])
            self._gone = event["type"] == "websocket.disconnect"
        raise ClientDisconnectedError


class FrontWebsocket(TrioWebsocket):
    """A WebSocket whose inbox is the server's."""

    buffer: FrontBuffer
    buffer_class = FrontBuffer


class FrontHTTPConnection(ASGIHTTPConnection):
    """One request: calls the application in the server's task and sends what it answers."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Run the request to its end, or to the client's."""
        to_client = _to_client(send)
        request = cast("FrontRequest", self._create_request_from_scope(cast("ASGISendCallable", to_client)))
        extensions: dict[str, Any] = self.scope.get("extensions") or {}
        request.connect(cast("Receive", receive), to_client, extensions.get(EXTENSION))
        request.body_timeout = None  # the body has deadlines of its own
        try:
            response = await self.app.handle_request(request)
            if request.answer_begun:
                return  # the handler has sent it; if not to its end, the server cuts the connection
            timeout_s = response.timeout if isinstance(response, Response) else None
            # No default: the server has a deadline for every write, and a stream may last for days.
            seconds = timeout_s if isinstance(timeout_s, int | float) else float("inf")
            with trio.move_on_after(seconds):
                await self._answer(to_client, response)
        except ClientDisconnectedError:
            return
        except BaseExceptionGroup as group:
            if not is_disconnect(group):
                raise

    async def _answer(self, send: Send, response: ResponseTypes) -> None:
        headers = encode_headers(response.headers)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        last: Message = {"type": "http.response.body", "body": b"", "more_body": False}
        if isinstance(response, WerkzeugResponse):
            for item in response.response:
                await send({**last, "body": _bytes(item), "more_body": True})
        else:
            async with response.response as body:
                # A body in one piece is the last piece too. For HEAD an endless stream must not be started.
                if isinstance(body, DataBody):
                    last["body"] = body.data[body.begin : body.end]
                elif self.scope["method"] != "HEAD":
                    async for item in body:
                        await send({**last, "body": _bytes(item), "more_body": True})
        await send(last)


def _bytes(item: str | bytes) -> bytes:
    return item.encode() if isinstance(item, str) else item


class FrontWebsocketConnection(ASGIWebsocketConnection):
    """One WebSocket: calls the application in the server's task."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Run the WebSocket to its end, or to the client's."""
        to_client = cast("ASGISendCallable", _to_client(send))
        websocket = self._create_websocket_from_scope(to_client)
        cast("FrontWebsocket", websocket).buffer.connect(cast("Receive", receive))
        try:
            await self.handle_websocket(websocket, to_client)
        except ClientDisconnectedError:
            return


def _never_built(*_arguments: object, **_values: object) -> tuple[str, str]:
    raise NotImplementedError("routes are matched and never built")


class MatchedRule(QuartRule):
    """A rule that no URL is built from.

    To compile what would build them is by far the most of what a route costs at the start.
    """

    @override
    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return _never_built


class FrontApp(QuartTrio):
    """Quart-Trio for our server; the application derives from it."""

    url_rule_class = MatchedRule  # type: ignore[assignment]  # narrowed, as by Quart itself
    asgi_http_class = FrontHTTPConnection  # type: ignore[assignment]  # instead of quart_trio's two tasks
    asgi_websocket_class = FrontWebsocketConnection  # type: ignore[assignment]  # likewise
    request_class = FrontRequest
    websocket_class = FrontWebsocket

    async def handle_request(self, request: Request) -> ResponseTypes:
        """Run one request; what its handler raised becomes an answer, unless the client has gone."""
        async with self.request_context(request) as ctx:
            try:
                return await self.full_dispatch_request(ctx)
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  # answered or raised again
                return await self.handle_exception(ctx, self._reportable(ctx, error))
            finally:
                if request.scope.get("_quart._preserve_context", False):
                    self._preserved_context = ctx.copy()

    async def handle_websocket(self, websocket: Websocket) -> ResponseTypes | None:
        """Run one WebSocket; as `handle_request`."""
        async with self.websocket_context(websocket) as ctx:
            try:
                return await self.full_dispatch_websocket(ctx)
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  # answered or raised again
                return await self.handle_websocket_exception(ctx, self._reportable(ctx, error))
            finally:
                if websocket.scope.get("_quart._preserve_context", False):
                    self._preserved_context = ctx.copy()

    def _reportable(self, ctx: AppContext, error: BaseException) -> Exception:
        """Return what `handle_exception` is to report; raise what is not an error of the application."""
        if is_disconnect(error):
            raise ClientDisconnectedError from error
        if isinstance(error, Exception):
            return error
        # A group with Cancelled in it: the cancellation must pass, the errors must not be lost with it. That
        # the client has gone as well is no news to whoever cancels.
        assert isinstance(error, BaseExceptionGroup)
        passing, errors = error.split(lambda each: not isinstance(each, (Exception, BaseExceptionGroup)))
        if errors is not None and not is_disconnect(errors):
            self.log_exception(ctx, (type(errors), errors, errors.__traceback__))  # type: ignore[arg-type] # typed for Exception
        assert passing is not None
        raise passing

    async def handle_user_exception(
        self, ctx: AppContext, error: Exception | BaseExceptionGroup[Any]
    ) -> HTTPException | ResponseReturnValue:
        """Answer with the error handler of *error*; of a group, with that of its first leaf that has one.

        The other leaves of a group are logged with their tracebacks, since only one can be answered.
        """
        if not isinstance(error, BaseExceptionGroup):
            return await super().handle_user_exception(ctx, error)
        leaves = [leaf for leaf in _leaves(error) if not is_disconnect(leaf)]
        if not leaves or not all(isinstance(leaf, Exception) for leaf in leaves):
            raise error
        answer: HTTPException | ResponseReturnValue | None = None
        unanswered: list[BaseException] = []
        for leaf in leaves:
            try:
                result = await super().handle_user_exception(ctx, cast("Exception", leaf))
            except Exception:  # noqa: BLE001  # raised again below, or logged
                unanswered.append(leaf)
            else:
                answer = result if answer is None else answer
        if answer is None:
            raise error
        for leaf in unanswered:
            self.log_exception(ctx, (type(leaf), leaf, leaf.__traceback__))  # type: ignore[arg-type] # likewise
        return answer
