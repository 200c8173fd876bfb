"""One TCP connection: it reads, writes and closes with a deadline on everything that waits for the peer.

Replaces Hypercorn's Trio worker. Bytes go to the HTTP/1.1 protocol, which starts the application's tasks
in this connection's nursery. The socket is owned here: `run` closes it whatever happens, and nothing that
happens in one connection may be noticed in another.
"""

from __future__ import annotations

import logging
import math
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio
from hypercorn.events import Closed, Event, RawData, Updated

from api.server.exchange import AppTasks, Exchange, Message
from api.server.http1 import Http1Protocol
from api.server.surroundings import Shared, Surroundings

if TYPE_CHECKING:
    Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]

logger = logging.getLogger(__name__)

RECEIVE_BYTES = 64 * 1024
"""One read, as a rule."""

RECEIVE_MOST_BYTES = 256 * 1024
"""One read of a peer that fills each: an image that comes in costs half the processor time so. Also the
largest piece of a body or message that is passed on at once."""

# tcp(7): the first byte of struct tcp_info is the state; in these the peer has closed or reset its side.
_PEER_CLOSED_STATES = frozenset({7, 8, 9, 11})  # CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING

# tcpi_last_ack_recv of struct tcp_info (linux/tcp.h).
_LAST_ACK_MS = struct.Struct("=56xI")
_CLOSELY_S = 1

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class PeerLeftError(Exception):
    """The peer closed its side while what it had sent was still waiting for room."""


class Connection:
    """A connection from its accepted socket to its end."""

    def __init__(self, transport: trio.SocketStream, tls: ssl.SSLContext | None, shared: Shared) -> None:
        self._transport = transport
        self._stream: Stream = transport
        self._tls = tls
        self._shared = shared
        self._limits = shared.config.limits
        self._counters = shared.counters
        self._protocol: Http1Protocol | None = None
        self._send_lock = trio.Lock()
        self._broken = False
        self._closing = False
        self._output_ended = False
        self._resume = False
        self._idle = False
        self._in_header = False
        self._read_scope: trio.CancelScope | None = None
        self._read_deadline = math.inf
        self._receive_bytes = RECEIVE_BYTES
        self._send_scope: trio.CancelScope | None = None
        self._close_deadline = math.inf
        self.peer = "?"
        self.blocked = False
        """Whether the reader waits for the application to make room: then a silent peer is not to blame."""
        self.times_blocked = 0
        self.vouched_for = False
        """Whether somebody showed valid credentials on it."""

    # The life of the connection

    async def run(self) -> None:
        """Serve the connection until either side closes it."""
        try:
            peer, here = self._prepare_socket()
            if self._tls is not None and not await self._handshake(self._tls):
                return
            async with trio.open_nursery() as nursery:
                tasks = AppTasks(nursery, self._counters, lambda: self._broken)
                is_tls = self._tls is not None
                self._protocol = Http1Protocol(Surroundings(self, self._shared, tasks, is_tls, peer, here))
                try:
                    await self._read(self._protocol)
                    await self._end(self._protocol)
                except BaseException:
                    # Before the nursery waits for the application, which may be inside a shielded write.
                    self.abort()
                    raise
        except OSError as exc:
            # The peer was gone before the socket could be looked at or set up.
            logger.debug("connection from %s failed: %s", self.peer, exc)
        finally:
            self.abort()

    def abort(self) -> None:
        """Close the socket at once and without a word; whoever waits on it gets an error. Idempotent."""
        if not self._broken:
            self._broken = True
            # A reset: what a peer does not take must not stay in the kernel's memory for minutes.
            try:
                self._transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            except OSError:
                logger.debug("connection from %s was already closed", self.peer)
            self._transport.socket.close()

    def vouch(self) -> None:
        """The application says that whoever is at the other end has shown valid credentials."""
        self.vouched_for = True

    async def go_away(self) -> None:
        """The server stops: close if idle, tell a WebSocket, end a stream, let short answers finish."""
        if self._protocol is None:
            self.abort()
        else:
            await self._protocol.go_away()

    def _prepare_socket(self) -> tuple[tuple[str, int], tuple[str, int]]:
        sock = self._transport.socket
        peer, here = sock.getpeername()[:2], sock.getsockname()[:2]
        peer = (str(peer[0]).removeprefix("::ffff:"), peer[1])  # an IPv4 client of an IPv6 socket
        self.peer = f"{peer[0]}:{peer[1]}"
        idle_s = self._limits.keepalive_idle_s
        for level, option, value in (
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle_s // 3)),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._limits.send_s * 1000)),
        ):
            sock.setsockopt(level, option, value)
        return (peer[0], int(peer[1])), (str(here[0]).removeprefix("::ffff:"), int(here[1]))

    async def _handshake(self, context: ssl.SSLContext) -> bool:
        stream = trio.SSLStream(self._transport, context, server_side=True, https_compatible=True)
        try:
            with trio.fail_after(self._limits.tls_handshake_s):
                await stream.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as exc:
            self._counters.tls_failed += 1
            logger.debug("TLS handshake with %s failed: %r", self.peer, exc.__cause__ or exc)
            await self._close_stream()  # in order, so that the alert which says why arrives
            return False
        self._stream = stream
        return True

    # Reading

    async def _read(self, protocol: Http1Protocol) -> None:
        """Pass on what arrives until the connection is to be closed."""
        self._set_idle(idle=True)
        try:
            while not self._closing:
                if self._resume:
                    self._resume = False
                    await protocol.resume()
                    continue
                data = await self._receive()
                if data is None:
                    await self._on_read_scope_end(protocol)
                    continue
                if not data:
                    return
                if self._idle and not self._in_header:
                    self._in_header = True
                    self._set_read_deadline(trio.current_time() + self._limits.header_s)
                await protocol.received(data)
        except (PeerLeftError, trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            logger.debug("connection from %s ended: %r", self.peer, exc)

    async def _receive(self) -> bytes | None:
        """Return what arrived, b"" at the end, None if woken or too late."""
        with trio.CancelScope(deadline=self._read_deadline) as scope:
            self._read_scope = scope
            try:
                data = bytes(await self._stream.receive_some(self._receive_bytes))
            finally:
                self._read_scope = None
            if len(data) == self._receive_bytes:
                self._receive_bytes = min(2 * self._receive_bytes, RECEIVE_MOST_BYTES)
            elif len(data) < RECEIVE_BYTES:
                self._receive_bytes = RECEIVE_BYTES
            return data
        return None

    async def _on_read_scope_end(self, protocol: Http1Protocol) -> None:
        if self._closing or self._resume:
            return  # woken on purpose
        if self._in_header:
            self._counters.header_deadlines += 1
            await protocol.refuse(408, "the request's header did not come in time")
        elif self._idle:
            self._counters.idle_deadlines += 1
        self._closing = True

    def _set_idle(self, *, idle: bool) -> None:
        self._idle = idle
        self._in_header = False
        self._set_read_deadline(trio.current_time() + self._limits.keep_alive_s if idle else math.inf)

    def _set_read_deadline(self, deadline: float) -> None:
        self._read_deadline = deadline
        if self._read_scope is not None:
            self._read_scope.deadline = deadline

    def _wake_reader(self) -> None:
        if self._read_scope is not None:
            self._read_scope.cancel()

    def resume(self) -> None:
        """Make the reader look at input that the protocol had put aside (a pipelined request)."""
        self._resume = True
        self._wake_reader()

    def close_within(self, seconds: float) -> None:
        """Close unless the peer does so within *seconds*; a write under way gets no longer either."""
        self._close_deadline = min(self._close_deadline, trio.current_time() + seconds)
        self._set_read_deadline(min(self._read_deadline, self._close_deadline))
        if self._send_scope is not None:
            self._send_scope.deadline = min(self._send_scope.deadline, self._close_deadline)

    async def deliver(self, exchange: Exchange, message: Message, size: int) -> None:
        """Give the application a message; wait for room only as long as the peer is there.

        While it waits nothing is read, which is what slows the peer down. But then its FIN cannot be read
        either, so the kernel is asked for the connection's state now and then.
        """
        if exchange.put_nowait(message, size):
            return  # without a checkpoint: after a few more there is no room, and reading is one anyway
        self.blocked = True
        self.times_blocked += 1
        try:
            await self._while_peer_is_there(lambda: exchange.put(message, size))
        finally:
            self.blocked = False

    async def hold(self, until: trio.Event) -> None:
        """Read nothing until the event, as long as the peer is there; see `deliver`."""
        await self._while_peer_is_there(until.wait)

    async def _while_peer_is_there(self, wait: Callable[[], Awaitable[None]]) -> None:
        closed_since: float | None = None
        while True:
            with trio.move_on_after(self._limits.hangup_poll_s) as scope:
                await wait()
            if not scope.cancelled_caught:
                return
            if self._peer_closed():
                closed_since = trio.current_time() if closed_since is None else closed_since
                if trio.current_time() - closed_since >= self._limits.disconnect_grace_s:
                    raise PeerLeftError("the peer closed while what it had sent waited for room")

    def _peer_closed(self) -> bool:
        if self._broken:
            return True
        return self._transport.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _PEER_CLOSED_STATES

    def watch_line(self, *, closely: bool) -> None:
        """Have the kernel ask the peer's machine once a second whether it is there, or as seldom as else."""
        if self._broken:
            return
        idle_s = self._limits.keepalive_idle_s
        # So many probes that it is not they who end the connection.
        interval_s, probes = (_CLOSELY_S, 2 * idle_s) if closely else (max(1, idle_s // 3), 3)
        for option, value in (
            (socket.TCP_KEEPINTVL, interval_s),
            (socket.TCP_KEEPCNT, probes),
            (socket.TCP_KEEPIDLE, _CLOSELY_S if closely else idle_s),  # the last, since it starts the timer
        ):
            self._transport.setsockopt(socket.IPPROTO_TCP, option, value)

    def line_silence_s(self) -> float:
        """How long ago the peer's machine acknowledged anything."""
        if self._broken:
            return 0.0
        info = self._transport.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_ACK_MS.size)
        (milliseconds,) = _LAST_ACK_MS.unpack(info)
        return float(milliseconds) / 1000

    # Writing

    async def send(self, event: Event) -> None:
        """Do what the protocol asks (Hypercorn's events). Never raises for the peer's sake."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated):
            self._set_idle(idle=event.idle)
        elif isinstance(event, Closed):
            self._closing = True
            self._wake_reader()

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        async with self._send_lock:
            if self._broken or self._output_ended:
                return
            # Shielded, because a handler that is cancelled in the middle of a frame would leave half of it on
            # the wire, and no Close could follow. The shield has a deadline, and `abort` ends it at once.
            deadline = min(trio.current_time() + self._limits.send_s, self._close_deadline)
            with trio.CancelScope(shield=True, deadline=deadline) as scope:
                self._send_scope = scope
                try:
                    await self._stream.send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
                    logger.debug("connection to %s broke: %r", self.peer, exc)
                    self.abort()
                finally:
                    self._send_scope = None
            if scope.cancelled_caught:
                self._counters.send_deadlines += 1
                logger.info("%s did not take what it was sent in time; connection cut", self.peer)
                self.abort()

    # Closing

    async def _end(self, protocol: Http1Protocol) -> None:
        """Tell the application, read what is still coming so that our last answer is not reset, close."""
        unread = protocol.unread_input
        await protocol.end_of_input()
        self._output_ended = True  # what the application still sends is dropped
        if self._send_lock.locked() and not self._closing:
            self.abort()  # the peer has left in the middle of what it was being sent
        written = False
        with trio.move_on_after(self._limits.close_s):
            async with self._send_lock:  # until the write under way is done
                written = True
        if written and not self._broken:
            if unread and self._closing:
                await self._linger()
            await self._close_stream()
        self.abort()

    async def _close_stream(self) -> None:
        with trio.move_on_after(self._limits.close_s):
            await self._stream.aclose()
            self._broken = True

    async def _linger(self) -> None:
        left = self._limits.linger_bytes
        try:
            with trio.move_on_after(self._limits.linger_s):
                if isinstance(self._stream, trio.SocketStream):
                    await self._stream.send_eof()
                while left > 0:
                    data = await self._stream.receive_some(RECEIVE_BYTES)
                    if not data:
                        return
                    left -= len(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            logger.debug("connection from %s ended: %r", self.peer, exc)
