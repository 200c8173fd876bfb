"""The audit trail to a syslog server, as it is written: RFC 5424 messages over UDP, TCP or TLS.

What a server has on another machine, nobody with root on this one can write anew. Lines come from memory
while the server keeps up, and from the files where it was away. What is lost on the way, over UDP or in a
connection that breaks, is not told by syslog; the numbers and the chain of hashes in the lines tell.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Final

import msgspec
import trio

from drivers.errors import DriverError
from firmware.core.json_documents import read_json
from firmware.subsystems.audit.config import SyslogServer
from firmware.subsystems.audit.service import AuditService

logger = logging.getLogger(__name__)

PRIORITY: Final = 13 * 8 + 6
"""Facility 13, "log audit", severity 6, "informational" (RFC 5424, 6.2.1)."""
CONNECT_S: Final = 15.0
SEND_S: Final = 30.0
LONGEST_DATAGRAM_BYTES: Final = 2048
"""What every receiver over UDP should take (RFC 5426, 3.2); longer lines are cut there."""

type Send = Callable[[bytes], Awaitable[None]]


class _Line(msgspec.Struct, frozen=True):
    n: int
    at: str


def message(line: bytes, host_name: str, process_id: int) -> bytes:
    """Return the message (RFC 5424, 6) for one line of the trail."""
    shown = read_json(line, _Line)
    head = f"<{PRIORITY}>1 {shown.at} {host_name or '-'} farhand {process_id} audit - "
    return head.encode("ascii", "replace") + line.rstrip(b"\n")


class ServerGoneError(DriverError):
    """The syslog server cannot be reached, or has left."""


class AuditSyslog:
    """Sends what *audit* writes to *server*; *tls* is the context for `tls`."""

    def __init__(
        self,
        audit: AuditService,
        server: SyslogServer,
        *,
        process_id: int,
        host_name: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._audit = audit
        self._server = server
        self._process_id = process_id
        self._host_name = socket.gethostname() if host_name is None else host_name
        self._tls = tls
        self._after: int | None = None
        self.sent = 0

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Send until cancelled. Raises ServerGoneError if the server cannot be reached or goes away."""
        async with AsyncExitStack() as stack:
            news = stack.enter_context(self._audit.followed())
            try:
                with trio.fail_after(CONNECT_S):
                    send = await self._connect(stack)
            except trio.TooSlowError:
                raise ServerGoneError(f"{self._server} did not answer within {CONNECT_S:g} s") from None
            except OSError as exc:
                raise ServerGoneError(f"cannot reach {self._server}: {exc}") from exc
            task_status.started()
            await self._audit.settled()
            if self._after is None:
                self._after = self._audit.first_number - 1
            while True:
                async with aclosing(self._audit.lines(after=self._after)) as pieces:
                    async for piece in pieces:
                        for line in piece.splitlines():
                            await self._send(send, line)
                await self._follow(news, send)

    async def _follow(self, news: trio.MemoryReceiveChannel[bytes], send: Send) -> None:
        """Send what is written from now on; return where a line is missing that only the files have."""
        async for line in news:
            assert self._after is not None, "known before"
            number = read_json(line, _Line).n
            if number > self._after + 1:
                return
            if number > self._after:
                await self._send(send, line)
            if self._after < self._audit.last_number and not news.statistics().current_buffer_used:
                return

    async def _send(self, send: Send, line: bytes) -> None:
        try:
            number = read_json(line, _Line).n
            text = message(line, self._host_name, self._process_id)
        except ValueError:
            return  # not a line of ours; whoever verifies the trail is told of it
        try:
            with trio.fail_after(SEND_S):
                await send(text)
        except trio.TooSlowError:
            raise ServerGoneError(f"{self._server} did not take a line within {SEND_S:g} s") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as exc:
            raise ServerGoneError(f"{self._server} closed the connection: {exc.__cause__ or exc}") from exc
        self._after = number
        self.sent += 1

    async def _connect(self, stack: AsyncExitStack) -> Send:
        host, port = self._server.host, self._server.port
        if self._server.transport == "udp":
            family, kind, protocol, _, address = (
                await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            )[0]
            datagrams = trio.socket.socket(family, kind, protocol)
            stack.callback(datagrams.close)
            await datagrams.connect(address)

            async def send_datagram(text: bytes) -> None:
                await datagrams.send(text[:LONGEST_DATAGRAM_BYTES])

            return send_datagram
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]
        stream = await trio.open_tcp_stream(host, port)
        if self._server.transport == "tls":
            context = self._tls or ssl.create_default_context()
            stream = trio.SSLStream(stream, context, server_hostname=host)
            stack.push_async_callback(trio.aclose_forcefully, stream)
            try:
                await stream.do_handshake()
            except trio.BrokenResourceError as exc:
                raise ServerGoneError(f"{self._server} did not agree on TLS: {exc.__cause__ or exc}") from exc
        else:
            stack.push_async_callback(trio.aclose_forcefully, stream)

        async def send_counted(text: bytes) -> None:
            # Octet counting (RFC 6587, 3.4.1; RFC 5425, 4.3).
            await stream.send_all(b"%d %s" % (len(text), text))

        return send_counted
