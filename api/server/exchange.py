"""One request or WebSocket session as the application sees it, and the task it runs in.

The connection puts messages in, the application takes them out with the ASGI `receive`. When the client
leaves, an exchange sees to it that the application ends: at once if it has nothing left to read, otherwise
after a grace in which it may read what had arrived. What the application raises ends here.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import trio
from hypercorn.typing import ASGISendEvent

from api.server.mailbox import Mailbox
from api.server.statistics import Counters

logger = logging.getLogger(__name__)

Message = dict[str, Any]
"""An ASGI scope or event."""
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application; loosely typed, since frameworks differ in how they type its events."""
StreamSend = Callable[[ASGISendEvent | None], Awaitable[None]]

EXTENSION = "farhand.front"
"""Key in `scope["extensions"]` under which the application's side finds the server's limits for it."""


def vouch_for(scope: Mapping[str, Any]) -> None:
    """Tell the server that the client of the request or WebSocket *scope* has shown valid credentials.

    Its connection is then not among those that make room for others.
    """
    vouch = ((scope.get("extensions") or {}).get(EXTENSION) or {}).get("vouch")
    if vouch is not None:
        vouch()


class Line(Protocol):
    """The way to a client, as far as its machine's kernel tells."""

    def watch_line(self, *, closely: bool) -> None:
        """Have the client's machine acknowledge something once a second, or as seldom as else."""
        ...

    def line_silence_s(self) -> float:
        """How long ago the client's machine acknowledged anything; once a second if it is watched closely."""
        ...


class UnknownLine:
    """The way to a client of another server than ours, of which nothing is known."""

    def watch_line(self, *, closely: bool) -> None:
        """Do nothing."""

    def line_silence_s(self) -> float:
        """Return 0."""
        return 0.0


def line_to_client(scope: Mapping[str, Any]) -> Line:
    """Return the way to the client of the WebSocket *scope*."""
    line: Line | None = ((scope.get("extensions") or {}).get(EXTENSION) or {}).get("line")
    return UnknownLine() if line is None else line


class ClientGoneError(ConnectionResetError):
    """The client has left and the answer cannot be completed; an OSError, as ASGI asks of `send`."""


class Exchange:
    """The application's inbox for one request or WebSocket, and the scope its task runs in."""

    def __init__(self, mailbox: Mailbox[Message], disconnect: Message, *, is_websocket: bool) -> None:
        self._mailbox = mailbox
        self._disconnect = disconnect
        self._is_websocket = is_websocket
        self._disconnected = False
        self._before_first_receive: Callable[[], Awaitable[None]] | None = None
        self.scope = trio.CancelScope()
        self.input_complete = False
        self.response_complete = False

    def before_first_receive(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do *action* when the application first asks for the body (the 100 Continue)."""
        self._before_first_receive = action

    def put_nowait(self, message: Message, size: int) -> bool:
        """Give the application a message if there is room for it."""
        return self._mailbox.put_nowait(message, size)

    async def put(self, message: Message, size: int) -> None:
        """Give the application a message of *size* bytes, waiting for room."""
        await self._mailbox.put(message, size)

    async def receive(self) -> Message:
        """ASGI's receive: the next message; after the last one, `disconnect`, as often as asked."""
        if self._before_first_receive is not None:
            action, self._before_first_receive = self._before_first_receive, None
            await action()
        try:
            return await self._mailbox.get()
        except trio.EndOfChannel:
            return dict(self._disconnect)

    def disconnect(self, grace_s: float, code: int | None = None) -> None:
        """Tell the application that the client has left (or the answer is complete); end it within *grace_s*.

        *code* is the WebSocket's close code.
        """
        if self._disconnected:
            return
        self._disconnected = True
        if code is not None:
            self._disconnect["code"] = code
        # Whoever still has something to read, or stands in the middle of a body, hears of the end by reading,
        # so that it can tell "cut short" from "cancelled". All others have nothing to learn.
        if self._is_websocket:
            unread = len(self._mailbox) > 0
        else:
            unread = self._mailbox.queued_bytes > 0 or not self.input_complete
        reading = self._mailbox.reader_waiting
        self._mailbox.close_writer()
        if self.response_complete:
            return
        if reading or unread:
            self.end_within(grace_s)
        else:
            self.scope.cancel()

    def end_within(self, seconds: float) -> None:
        """Cancel the application's task after *seconds*, unless it ends before or was to end sooner."""
        self.scope.deadline = min(self.scope.deadline, trio.current_time() + seconds)

    def finished(self) -> None:
        """Nobody will read any more; a connection that waits for room goes on."""
        self._mailbox.close_reader()


class AppTasks:
    """Starts the application in the connection's nursery, where Hypercorn has its TaskGroup."""

    def __init__(self, nursery: trio.Nursery, counters: Counters, is_gone: Callable[[], bool]) -> None:
        self._nursery = nursery
        self._counters = counters
        self._is_gone = is_gone

    def start(self, app: AsgiApp, scope: Message, exchange: Exchange, send: StreamSend) -> None:
        """Run *app* for *exchange*; *send* is the stream's and is called with None when the app has ended."""
        self._nursery.start_soon(self._run, app, scope, exchange, send)

    def spawn(self, func: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run *func* in the connection's nursery; it ends with the connection."""
        self._nursery.start_soon(func, *args)

    async def _run(self, app: AsgiApp, scope: Message, exchange: Exchange, send: StreamSend) -> None:
        async def checked_send(message: Message) -> None:
            await send(cast("ASGISendEvent", message))
            if self._is_gone() and not exchange.response_complete:
                raise ClientGoneError("the client has closed the connection")

        try:
            with exchange.scope:
                await app(scope, exchange.receive, checked_send)
        except* ClientGoneError:
            logger.debug("%s ended with its client", scope.get("raw_path"))
        except* Exception as group:
            # Quart turns what its handlers raise into a 500, so this is a bug in the application's own frame.
            self._counters.application_errors += 1
            logger.exception("error in the application at %r", scope.get("raw_path"), exc_info=group)
        finally:
            exchange.finished()
        await send(None)
