"""Opens the listening sockets, and says what is wrong when one cannot be opened."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

import trio

from api.server.config import Bind, BoundAddress, BoundAddresses, PlainHttp, ServerConfig, is_loopback
from firmware.core.errors import SetupError

BACKLOG = 128
"""Connections the kernel completes before we accept them: as many as may be open at all."""


@dataclass(frozen=True, slots=True)
class OpenListener:
    """A listening socket and what it is for."""

    listener: trio.SocketListener
    address: BoundAddress


@dataclass(frozen=True, slots=True)
class Listeners:
    """The open sockets of one server. Whoever opened them closes them, or gives them to `serve`."""

    https: tuple[OpenListener, ...]
    http: tuple[OpenListener, ...]
    plain_http: PlainHttp

    @property
    def addresses(self) -> BoundAddresses:
        """The addresses and real ports."""
        return BoundAddresses(
            tuple(item.address for item in self.https),
            tuple(item.address for item in self.http),
            self.plain_http,
        )

    def close(self) -> None:
        """Stop listening; what waits in the kernel is refused."""
        for item in (*self.https, *self.http):
            item.listener.socket.close()


async def open_listeners(config: ServerConfig) -> Listeners:
    """Open every socket that *config* asks for; SetupError, and none open, if one of them cannot be."""
    if not (config.https or config.http):
        raise SetupError("no address to listen on; give --https ADDR:PORT or --http ADDR:PORT")
    if config.http and not config.https and config.plain_http is PlainHttp.REDIRECT:
        raise SetupError(
            "the plain HTTP port has no HTTPS port to redirect to; give --https ADDR:PORT as well"
        )
    opened: list[OpenListener] = []
    try:
        https = await _open_all(config.https, "https", opened)
        http = await _open_all(config.http, "http", opened, loopback_only=config.plain_http is PlainHttp.APP)
    except BaseException:
        for item in opened:
            item.listener.socket.close()
        raise
    return Listeners(https, http, config.plain_http)


async def _open_all(
    binds: tuple[Bind, ...], scheme: str, opened: list[OpenListener], *, loopback_only: bool = False
) -> tuple[OpenListener, ...]:
    before = len(opened)
    for bind in binds:
        port = bind.port
        for host in await _resolve(bind, scheme):
            if loopback_only and not is_loopback(host):
                raise SetupError(
                    f"plain HTTP would send passwords in clear, so it is not served on {bind}; "
                    "use --https there, or let --http redirect to it"
                )
            listener = _listen(bind, host, port, scheme)
            # With port 0 the first address picks and the others of the same host name follow.
            port = listener.socket.getsockname()[1]
            opened.append(OpenListener(listener, BoundAddress(scheme, host, port)))
    return tuple(opened[before:])


async def _resolve(bind: Bind, scheme: str) -> list[str]:
    """Return the literal IP addresses of the Bind's host, each once."""
    try:
        found = await trio.socket.getaddrinfo(
            bind.host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (OSError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise SetupError(
            f"cannot listen on {bind}: {reason}; give an address of this machine with --{scheme}"
        ) from exc
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def _listen(bind: Bind, host: str, port: int, scheme: str) -> trio.SocketListener:
    is_v6 = ":" in host
    sock = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it a restart within a minute fails on connections of the last run in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_v6:
            # `[::]` means every address; whoever wants IPv6 alone gives that address.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        sock.bind((host, port))
        sock.listen(BACKLOG)
        return trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    except OSError as exc:
        sock.close()
        raise SetupError(f"cannot listen on {bind}: {_what_to_do(exc, scheme)}") from exc


def _what_to_do(exc: OSError, scheme: str) -> str:
    match exc.errno:
        case errno.EADDRINUSE:
            return f"address already in use; stop the other program or choose another port with --{scheme}"
        case errno.EACCES:
            return f"permission denied; ports below 1024 need privileges, choose another port with --{scheme}"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return f"this machine has no such address; give one that it has with --{scheme}"
        case _:
            return f"{exc.strerror}; choose another address with --{scheme}"
