"""The request body as a handler sees it: bounded, counted and timed.

Reads the server's exchange directly, piece by piece, so that nothing is gathered that nobody asked for and
a slow handler slows its client down through TCP. Both ways of Quart work: `async for piece in request.body`
and `await request.get_data()` / `.form` / `.json`. Only the time spent waiting for the client counts
against it. What is wrong with a body is raised in the handler that reads it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator
from contextlib import aclosing, nullcontext
from typing import Any

import trio
from quart.utils import encode_headers
from quart.wrappers import Response
from quart.wrappers.base import ClientDisconnectedError
from quart_trio.wrappers.request import TrioBody, TrioRequest
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from api.server.exchange import Message
from api.server.limits import BUFFERED_BODY_BYTES, Limits
from api.server.statistics import Counters


class RequestCutShortError(ClientDisconnectedError):
    """The client closed the connection before the end of the body; nothing can be answered any more."""


class FrontBody(TrioBody):
    """A request's body.

    Raises, when read: RequestEntityTooLarge (413) once more has come than allowed, RequestTimeout (408) if
    it comes too slowly, RequestCutShortError if the client leaves before its end. A body can be iterated
    once; awaited, it is kept, and can be awaited again.
    """

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(expected_content_length, max_content_length)
        # What the base decided about the length is decided again in `connect`, by the limit of the route.
        self._must_raise = None
        self._receive: Callable[[], Awaitable[Message]] | None = None
        self._limit = max_content_length
        self._limits = Limits()
        self._counters = Counters()
        self._ended = False
        self._received_bytes = 0
        self._window_bytes = 0
        self._window_waited_s = 0.0

    def connect(self, receive: Callable[[], Awaitable[Message]], extension: dict[str, Any] | None) -> None:
        """Read from ASGI's *receive*; *extension* is what our server put into the scope, None without it."""
        self._receive = receive
        if extension is not None:
            self._limit = extension["body_limit"]
            self._limits = extension["limits"]
            self._counters = extension["counters"]

    def __aiter__(self) -> FrontBody:
        """Iterate over the pieces; a piece is never empty."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece."""
        while not self._ended:
            if self._must_raise is not None:
                raise self._must_raise
            message = await self._next_message()
            if message["type"] == "http.disconnect":
                raise self._fail(
                    RequestCutShortError("the client closed the connection before the end of the body")
                )
            piece: bytes = message.get("body", b"")
            self._received_bytes += len(piece)
            if self._limit is not None and self._received_bytes > self._limit:
                raise self._fail(
                    RequestEntityTooLarge(f"expected a body of at most {self._limit} bytes, got more")
                )
            self._ended = not message.get("more_body", False)
            if piece:
                return piece
        raise StopAsyncIteration

    def __await__(self) -> Generator[Any, None, bytes]:
        """Return the whole body, of at most BUFFERED_BODY_BYTES whatever the route's limit."""
        return self._gather().__await__()

    async def _gather(self) -> bytes:
        if self._data is None:
            gathered = bytearray()
            async for piece in self:
                gathered += piece
                if len(gathered) > BUFFERED_BODY_BYTES:
                    raise self._fail(
                        RequestEntityTooLarge(
                            f"expected at most {BUFFERED_BODY_BYTES} bytes in one piece, got more"
                        )
                    )
            self._data = bytes(gathered)
        return self._data

    async def _next_message(self) -> Message:
        if self._receive is None:
            raise RuntimeError("expected a connected body, got one of a request without a server")
        started = trio.current_time()
        with trio.move_on_after(self._limits.body_gap_s) as scope:
            message = await self._receive()
        if scope.cancelled_caught:
            self._counters.body_deadlines += 1
            raise self._fail(
                RequestTimeout(f"expected more of the body within {self._limits.body_gap_s:g} s, got none")
            )
        # The average is taken over windows, not from the beginning: an upload that was fast for a minute
        # must not have earned an hour of trickling.
        self._window_waited_s += trio.current_time() - started
        self._window_bytes += len(message.get("body", b""))
        if self._window_waited_s >= self._limits.body_window_s:
            rate = self._window_bytes / self._window_waited_s
            if rate < self._limits.body_min_bytes_per_s and message.get("more_body", False):
                self._counters.body_deadlines += 1
                raise self._fail(
                    RequestTimeout(
                        f"expected a body of {self._limits.body_min_bytes_per_s} B/s or more, got {rate:.0f}"
                    )
                )
            self._window_waited_s, self._window_bytes = 0.0, 0
        return message

    def _fail(self, error: Exception) -> Exception:
        """Remember *error*, so that whoever reads on gets it again, and return it."""
        self._must_raise = error
        return error

    def set_result(self, data: bytes) -> None:
        """Make *data* the whole body (Quart's `test_request_context`)."""
        self._data = data
        self._ended = True


class FrontRequest(TrioRequest):
    """A request whose body is ours, and whose answer its handler may send itself, piece by piece."""

    body: FrontBody
    body_class = FrontBody
    answer_begun = False
    """Whether the handler has begun to send the answer: then no other one can be sent."""
    _send: Callable[[Message], Awaitable[None]] | None = None

    def connect(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
        extension: dict[str, Any] | None,
    ) -> None:
        """Read from ASGI's *receive* and answer by *send*; *extension* as for `FrontBody.connect`."""
        self.body.connect(receive, extension)
        self._send = send

    async def send_answer(self, head: Response, pieces: AsyncIterable[bytes]) -> Response:
        """Send an answer with the status and headers of *head*, and return it.

        Raises what *pieces* does, and ClientDisconnectedError when the client has left; then the server cuts
        the connection, so that nobody takes half an answer for a whole one.
        """
        if self._send is None:
            raise RuntimeError("expected a connected request, got one without a server")
        self.answer_begun = True
        headers = encode_headers(head.headers)
        await self._send({"type": "http.response.start", "status": head.status_code, "headers": headers})
        # Closed here, since a client that leaves in the middle leaves a generator that is not at its end.
        async with aclosing(pieces) if isinstance(pieces, AsyncGenerator) else nullcontext():
            async for piece in pieces:
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        return head
