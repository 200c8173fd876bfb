"""One WebSocket between the protocol and the application.

Hypercorn's stream with a bounded inbox, messages that may be empty, no compression (it costs 2.3 ms per
video frame in the event loop and every browser offers it), a heartbeat that checks its PONGs and a closing
handshake with a deadline. Never drops a message: a full inbox stops the reading.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable
from time import time
from typing import Any, cast
from urllib.parse import unquote

import trio
from hypercorn.protocol.events import Body, Data, Event, Request, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, Handshake, WSStream
from hypercorn.typing import AppWrapper, ASGISendEvent, WebsocketAcceptEvent, WebsocketScope
from hypercorn.typing import TaskGroup as HypercornTaskGroup
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from api.server.exchange import EXTENSION, ClientGoneError, Exchange, Message
from api.server.mailbox import Mailbox
from api.server.surroundings import Surroundings

logger = logging.getLogger(__name__)

STREAM_ID = 1


class WebSocketStream(WSStream):
    """A WebSocket from its upgrade request to its end."""

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
        self._parts: list[str] | list[bytes] = []
        self._parts_bytes = 0
        self._mid_frame = False
        self._bytes_in = 0
        self._counted = False
        self._peer_done = False
        self._heartbeat_scope = trio.CancelScope()
        self._pong_awaited = b""
        self._ponged = trio.Event()
        self.exchange: Exchange | None = None

    # From the peer

    async def handle(self, event: Event) -> None:
        """Take what the protocol has to say."""
        if self.closed:
            return
        if isinstance(event, Request):
            await self._open(event)
        elif isinstance(event, (Body, Data)):
            await self._received(event.data)
        elif isinstance(event, StreamClosed):
            self.closed = True
            self._heartbeat_scope.cancel()
            if self._counted:
                self._shared.counters.open_websockets -= 1
            self._disconnect(CloseReason.ABNORMAL_CLOSURE)

    async def _open(self, request: Request) -> None:
        self.start_time = time()
        path, _, query_string = request.raw_path.partition(b"?")
        scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"spec_version": "2.4", "version": "3.0"},
            "scheme": self.scheme,
            "http_version": request.http_version,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query_string,
            "root_path": "",
            "headers": request.headers,
            "client": self.client,
            "server": self.server,
            "state": request.state.copy(),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self.scope = cast("WebsocketScope", scope)
        self._limits = self._shared.config.websocket_limits(scope["path"])
        try:
            self.handshake = Handshake(request.headers, request.http_version)
            valid = self.handshake.is_valid()
        except UnicodeDecodeError:  # Hypercorn takes the tokens of some fields for ASCII without looking
            valid = False
        if not valid:
            await self._refuse(400)
            return
        scope["subprotocols"] = self.handshake.subprotocols or []
        scope["extensions"][EXTENSION] = {
            "limits": self._shared.config.limits,
            "counters": self._shared.counters,
            "vouch": self._port.vouch,
            "line": self._port,
        }
        mailbox = Mailbox[Message](self._limits.inbox_messages, self._limits.inbox_bytes)
        self.exchange = Exchange(mailbox, {"type": "websocket.disconnect", "code": 1006}, is_websocket=True)
        self.exchange.put_nowait({"type": "websocket.connect"}, 0)
        self._shared.counters.websockets += 1
        self._tasks.start(self._shared.app, scope, self.exchange, self.app_send)

    async def _refuse(self, status: int) -> None:
        self._shared.counters.rejected_requests += 1
        self.state = ASGIWebsocketState.HTTPCLOSED
        await self._send_error_response(status)
        self._disconnect(CloseReason.PROTOCOL_ERROR)
        await self.send(StreamClosed(stream_id=STREAM_ID))

    async def _received(self, data: bytes) -> None:
        self._bytes_in += len(data)
        if self.state is ASGIWebsocketState.HANDSHAKE:
            # RFC 6455 4.1: a client must not speak before its upgrade has been answered.
            await self._refuse(400)
        elif self.state in {ASGIWebsocketState.CONNECTED, ASGIWebsocketState.CLOSED} and not self._peer_done:
            self.connection.receive_data(data)
            await self._handle_events()

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                await self._message(event)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, Pong):
                if event.payload == self._pong_awaited:
                    self._ponged.set()
            elif isinstance(event, CloseConnection):
                await self._peer_closes(event)
                return

    async def _message(self, event: TextMessage | BytesMessage) -> None:
        self._mid_frame = not event.frame_finished
        if self.state is not ASGIWebsocketState.CONNECTED:
            return  # we have said goodbye; what was on its way is read and thrown away
        if isinstance(event, TextMessage):
            size = len(event.data) if event.data.isascii() else len(event.data.encode("utf-8"))
            cast("list[str]", self._parts).append(event.data)
        else:
            size = len(event.data)
            cast("list[bytes]", self._parts).append(bytes(event.data))
        self._parts_bytes += size
        if self._parts_bytes > self._limits.message_bytes:
            self._parts = []
            self._disconnect(CloseReason.MESSAGE_TOO_BIG)
            await self._close(CloseReason.MESSAGE_TOO_BIG, "the message is too long")
            return
        if event.message_finished:
            parts, size = self._parts, self._parts_bytes
            self._parts, self._parts_bytes = [], 0
            message: Message = {"type": "websocket.receive", "bytes": None, "text": None}
            if isinstance(event, TextMessage):
                message["text"] = "".join(cast("list[str]", parts))
            else:
                message["bytes"] = b"".join(cast("list[bytes]", parts))
            if self.exchange is not None:
                self._shared.counters.websocket_messages += 1
                await self._port.deliver(self.exchange, message, size)

    async def _peer_closes(self, event: CloseConnection) -> None:
        """The peer sent Close, answered ours, or broke the protocol (then wsproto's event is its verdict)."""
        self._peer_done = True
        state = self.connection.state
        code = int(event.code)
        if state is ConnectionState.REMOTE_CLOSING:
            self.state = ASGIWebsocketState.CLOSED
            # Our answer may stand behind a frame that the peer does not read.
            self._port.close_within(self._limits.close_s)
            self._disconnect(code)
            await self._send_wsproto_event(event.response())
        elif state is ConnectionState.OPEN:
            # The peer may still be sending; what comes is thrown away until it closes or the time is over.
            self._disconnect(code)
            await self._close(code, event.reason or "")
            return
        await self.send(StreamClosed(stream_id=STREAM_ID))

    # To the peer

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """ASGI's send, and None when the application has ended.

        Raises ClientGoneError (an OSError, as ASGI asks) once the peer or the server has closed the socket.
        """
        if message is None:
            await self._app_ended()
            return
        if self.closed or self.state in {ASGIWebsocketState.CLOSED, ASGIWebsocketState.HTTPCLOSED}:
            if message["type"] == "websocket.close":
                return
            raise ClientGoneError("the WebSocket has been closed")
        if message["type"] == "websocket.close" and self.state is ASGIWebsocketState.CONNECTED:
            # The application goes on: it hears of the end when the peer has answered.
            await self._close(
                int(message.get("code") or CloseReason.NORMAL_CLOSURE), message.get("reason") or ""
            )
        else:
            await super().app_send(message)

    async def _app_ended(self) -> None:
        if self.closed:
            return
        if self.state is ASGIWebsocketState.HANDSHAKE:
            await self._send_error_response(500)
        elif self.state is ASGIWebsocketState.CONNECTED:
            await self._close(CloseReason.INTERNAL_ERROR, "")
        if self.state is not ASGIWebsocketState.CLOSED:
            await self.send(StreamClosed(stream_id=STREAM_ID))

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        self.handshake.extensions = None  # the client may offer permessage-deflate; we never take it
        try:
            await super()._accept(message)
        except Exception:
            # A bug of the application, such as a sub-protocol that was not offered: still time for a 500.
            self.state = ASGIWebsocketState.HANDSHAKE
            raise
        self._counted = True
        self._shared.counters.open_websockets += 1
        self._tasks.spawn(self._heartbeat)

    async def _close(self, code: int, reason: str) -> None:
        """Start the closing handshake; the connection ends when the peer answers or is too slow."""
        self.state = ASGIWebsocketState.CLOSED
        self._heartbeat_scope.cancel()
        self._port.close_within(self._limits.close_s)
        await self._send_wsproto_event(CloseConnection(code=code, reason=reason))

    def _disconnect(self, code: int) -> None:
        if self.exchange is not None:
            self.exchange.disconnect(self._shared.config.limits.disconnect_grace_s, int(code))

    async def go_away(self) -> None:
        """The server stops: say so and end the application's part."""
        if self.state is ASGIWebsocketState.CONNECTED:
            self.state = ASGIWebsocketState.CLOSED  # before its part ends, so that it says nothing more
            self._disconnect(CloseReason.GOING_AWAY)
            await self._close(CloseReason.GOING_AWAY, "going away")

    # Heartbeat

    async def _heartbeat(self) -> None:
        """Send a PING every interval; no PONG in half of it cuts the connection."""
        interval_s = self._limits.ping_interval_s
        with self._heartbeat_scope:
            next_ping = trio.current_time()
            for number in itertools.count(1):
                next_ping = max(next_ping + interval_s, trio.current_time())
                await trio.sleep_until(next_ping)
                self._pong_awaited = number.to_bytes(4)
                self._ponged = trio.Event()
                blocked, received = self._port.times_blocked, self._bytes_in
                await self._send_wsproto_event(Ping(payload=self._pong_awaited))
                while not await self._pong_came(interval_s / 2):
                    # A PONG cannot be seen while our own application lets nothing be read, nor can it be sent
                    # in the middle of a long frame that is still coming.
                    excused = self._port.blocked or self._port.times_blocked != blocked
                    if not (excused or (self._mid_frame and self._bytes_in != received)):
                        self._shared.counters.heartbeats_lost += 1
                        logger.info(
                            "%s did not answer a PING in %g s; connection cut",
                            self._port.peer,
                            interval_s / 2,
                        )
                        self._port.abort()
                        return
                    blocked, received = self._port.times_blocked, self._bytes_in

    async def _pong_came(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await self._ponged.wait()
        return self._ponged.is_set()
