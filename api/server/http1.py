"""HTTP/1.1 on one connection: Hypercorn's protocol, with what it lets through or forgets put right.

Knows no socket: bytes come in through `received`, events go out through the connection's `send`. Speaks
nothing but HTTP/1.x and the WebSocket upgrade: HTTP/2 is refused with prior knowledge and ignored as an
upgrade, because its parser is where most of the known ways to kill the process are.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import cast

import h11
import trio
from hypercorn.events import Closed, RawData, Updated
from hypercorn.protocol.events import Body, EndBody, Request, Response
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.typing import TaskGroup as HypercornTaskGroup

from api.server.http_stream import HttpStream
from api.server.surroundings import Surroundings
from api.server.websocket import WebSocketStream

logger = logging.getLogger(__name__)

STREAM_ID = 1
_REASONS = {int(status): status.phrase.encode("ascii") for status in HTTPStatus}
_COALESCE_BYTES = 16 * 1024  # up to this, copying a body behind its head is cheaper than a second packet


class Http1Protocol(H11Protocol):
    """The server's side of HTTP/1.1 for one connection."""

    connection: h11.Connection | H11WSConnection
    stream: HttpStream | WebSocketStream | None

    def __init__(self, around: Surroundings) -> None:
        super().__init__(
            cast("AppWrapper", around.shared.app),
            around.shared.hypercorn,
            around.shared.worker,
            cast("HypercornTaskGroup", around.tasks),
            ConnectionState({}),
            around.is_tls,
            around.client,
            around.server,
            around.port.send,
        )
        self._around = around
        self._port = around.port
        self._shared = around.shared
        self._is_head = False
        self._ended = False
        self._held_head = b""
        # Set when the present request is over; the reader waits for it if it has too much of the next one.
        self._turn = trio.Event()

    # Input

    async def received(self, data: bytes) -> None:
        """Take bytes of the peer; returns when the application had room for what they mean."""
        self.connection.receive_data(data)
        await self._handle_events()

    async def resume(self) -> None:
        """Look at what had been put aside while the previous request was answered."""
        await self._handle_events()

    async def end_of_input(self) -> None:
        """Nothing more will come: end what is going on."""
        self._ended = True
        if self.stream is not None:
            await self._close_stream()
        self._turn.set()

    @property
    def unread_input(self) -> bool:
        """Whether the peer is (or may be) still sending something that nobody wants."""
        if isinstance(self.connection, H11WSConnection):
            return False
        return self.connection.their_state in {h11.SEND_BODY, h11.ERROR} or bool(
            self.connection.trailing_data[0]
        )

    async def go_away(self) -> None:
        """The server stops; end the connection in the way that suits what it is doing."""
        if self.stream is None:
            await self.send(Closed())
        else:
            await self.stream.go_away()

    async def _handle_events(self) -> None:
        body: list[bytes | bytearray] = []
        while not self._ended:
            try:
                event = self.connection.next_event()
            except h11.RemoteProtocolError as error:
                await self.refuse(error.error_status_hint, str(error))
                return
            if isinstance(event, h11.Data):
                # A chunked body may come in one-byte chunks; what was read at once is passed on at once.
                body.append(event.data)
                continue
            if body and self.stream is not None:
                await self.stream.handle(Body(stream_id=STREAM_ID, data=b"".join(body)))
                body.clear()
            if event is h11.PAUSED:
                await self._hold_pipelined()
                return
            if isinstance(event, h11.Request):
                await self.send(Updated(idle=False))
                await self._start(event)
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed) or self.stream is None:
                return
            elif isinstance(event, h11.EndOfMessage):
                await self.stream.handle(EndBody(stream_id=STREAM_ID))
            else:
                await self.stream.handle(cast("StreamEvent", event))

    async def _hold_pipelined(self) -> None:
        # The reader goes on reading behind a request that is being answered, since only so it sees that the
        # client has gone; what it reads is kept, within this bound.
        waiting = len(self.connection.trailing_data[0])
        if waiting <= self._shared.config.limits.pipelined_bytes:
            return
        if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._shared.counters.rejected_requests += 1
            self._port.abort()
        elif self.stream is not None:
            # A client that has its answer may send the next request, an image for instance, before the
            # application has ended; it has to wait for that, and so has the reader.
            self._turn = trio.Event()
            await self._port.hold(self._turn)

    # Requests

    async def _start(self, request: h11.Request) -> None:
        self._is_head = request.method == b"HEAD"
        refusal = _refusal(request, self._shared.config.limits.header_bytes)
        if refusal is not None:
            await self.refuse(*refusal)
            return
        self.keep_alive_requests += 1
        if _is_websocket_upgrade(request):
            self.stream = WebSocketStream(self._around, self.stream_send)
            self.connection = H11WSConnection(cast("h11.Connection", self.connection))
        else:
            self.stream = HttpStream(self._around, self.stream_send)
            if cast("h11.Connection", self.connection).they_are_waiting_for_100_continue:
                self.stream.before_body = self._send_continue
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode("ascii"),
                method=request.method.decode("ascii").upper(),
                raw_path=_origin_form(request.target),
                state=self.connection_state,
            )
        )

    async def _send_continue(self) -> None:
        """Invite the body, now that the application asks for it; before that it may still refuse."""
        if self.connection.they_are_waiting_for_100_continue:
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))

    async def refuse(self, status: int, reason: str) -> None:
        """Answer with an error if an answer can still be given, and close."""
        self._shared.counters.rejected_requests += 1
        logger.debug("%s from %s: %s", status, self._port.peer, reason)
        connection = self.connection
        # First, so that the application, if it is at work, does not answer in between.
        await self.end_of_input()
        if isinstance(connection, h11.Connection) and connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            body = f"{status}: {reason}\n".encode("ascii", "replace")
            headers = [
                (b"content-type", b"text/plain; charset=us-ascii"),
                (b"content-length", str(len(body)).encode("ascii")),
                (b"connection", b"close"),
                *self.config.response_headers("h11"),
            ]
            head = connection.send(
                h11.Response(status_code=status, headers=headers, reason=_REASONS.get(status, b""))
            )
            text = b"" if self._is_head else connection.send(h11.Data(data=body))
            connection.send(h11.EndOfMessage())
            await self.send(RawData(data=head + text))
        await self.send(Closed())

    # Answers

    async def stream_send(self, event: StreamEvent) -> None:
        """Send what a stream says; a short body travels in the same packet as its head."""
        if isinstance(event, Response) and event.status_code >= 200:
            await self._send_head(event)
            return
        head, self._held_head = self._held_head, b""
        if isinstance(event, Body):
            data = self.connection.send(h11.Data(data=event.data))
            if len(head) + len(data) <= _COALESCE_BYTES:
                head, data = b"", head + data
            if head:
                await self.send(RawData(data=head))
            await self.send(RawData(data=data))
            return
        if head:
            await self.send(RawData(data=head))
        await super().stream_send(event)

    async def _send_head(self, event: Response) -> None:
        """Send or hold the head of an answer.

        An answer of unknown length whose application says `Connection: close` is not chunked: it ends with
        the connection and its status line says HTTP/1.0, as MJPEG clients know it (contract http.md 6).
        """
        connection = self.connection
        headers = [*event.headers, *self.config.response_headers("h11")]
        lowered = {name.lower(): value.lower() for name, value in event.headers}
        length = lowered.get(b"content-length")
        until_close = False
        if isinstance(connection, h11.Connection):
            wants_close = lowered.get(b"connection") == b"close"
            until_close = wants_close and length is None and b"transfer-encoding" not in lowered
            if until_close:
                connection.their_http_version = b"1.0"
            must_close = (
                self.keep_alive_requests >= self.config.keep_alive_max_requests
                or self.context.terminated.is_set()
                or connection.their_state is h11.SEND_BODY
            )
        else:
            # An upgrade that is refused: what follows on this connection was meant to be WebSocket.
            wants_close, must_close = b"connection" in lowered, event.status_code >= 300
        if must_close and not wants_close:
            headers.append((b"connection", b"close"))
        reason = _REASONS.get(event.status_code, b"")
        data = connection.send(h11.Response(status_code=event.status_code, headers=headers, reason=reason))
        if until_close:
            data = data.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        if length not in {None, b"0"} and not self._is_head:
            self._held_head = data
        else:
            await self.send(RawData(data=data))

    async def _maybe_recycle(self) -> None:
        """The stream has ended: make the connection ready for the next request, or close it."""
        await self._close_stream()
        connection = self.connection
        if (
            isinstance(connection, h11.Connection)
            and connection.our_state is h11.DONE
            and connection.their_state is h11.DONE
            and not self._ended
            and not self.context.terminated.is_set()
        ):
            connection.start_next_cycle()
            self._is_head = False
            await self.send(Updated(idle=True))
            if connection.trailing_data[0]:
                self._port.resume()
        else:
            await self.send(Closed())
        self._turn.set()


def _refusal(request: h11.Request, header_bytes: int) -> tuple[int, str] | None:
    """Say why a request, though well-formed, is not served: (status, reason)."""
    # h11 stops only a header that is not yet complete; one that came in one piece is measured here.
    if (
        len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers)
        > header_bytes
    ):
        return 431, f"expected a header of at most {header_bytes} bytes, got more"
    if not request.http_version.startswith(b"1."):
        return 505, "expected HTTP/1.0 or HTTP/1.1"
    names = [name for name, _ in request.headers]
    if b"content-length" in names and b"transfer-encoding" in names:
        return 400, "expected either Content-Length or Transfer-Encoding, got both"
    if not _origin_form(request.target).startswith(b"/"):
        return 400, "expected a path that starts with /"
    return None


def _origin_form(target: bytes) -> bytes:
    """Return the path and query of a request target that may be in absolute form (RFC 9112 3.2.2)."""
    for scheme in (b"http://", b"https://"):
        if target[: len(scheme)].lower() == scheme:
            authority, slash, rest = target[len(scheme) :].partition(b"/")
            del authority
            return b"/" + rest if slash else b"/"
    return target


def _is_websocket_upgrade(request: h11.Request) -> bool:
    headers = dict(request.headers)
    connection = {token.strip() for token in headers.get(b"connection", b"").lower().split(b",")}
    return (
        request.method == b"GET"
        and b"upgrade" in connection
        and headers.get(b"upgrade", b"").strip().lower() == b"websocket"
    )
