"""Proof that the front answers, asked as a client asks: HTTP/1.1 over TCP, with TLS where it is spoken.

One small request on one connection, under a deadline. Any answer but a failure of the server proves life: it
says that accepting, TLS, parsing, routing and answering work. Never presents credentials.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import h11
import trio

SELF_CHECK_DEADLINE_S: Final = 10.0
"""An answer takes milliseconds, on a busy small board tenths of a second; beyond this nobody would wait for
it."""

SELF_CHECK_PATH: Final = "/healthz"

_MAX_BODY_BYTES: Final = 64 * 1024
_RECEIVE_BYTES: Final = 4096
_FIRST_SERVER_FAILURE: Final = 500


class SelfCheckError(Exception):
    """The front did not answer as it should; the message says how."""


def self_check(url: str, *, path: str = SELF_CHECK_PATH) -> Callable[[], Awaitable[None]]:
    """Return the check of the front that listens at *url* (as `BoundAddress.url` gives it).

    The check raises SelfCheckError. An address that stands for all of the machine's is asked on loopback.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ValueError(f"expected a URL of http or https, got {url!r}")
    host = _reachable(parts.hostname)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    context = _tls_context() if parts.scheme == "https" else None

    async def check() -> None:
        await _check(host, port, context, path)

    return check


async def _check(host: str, port: int, context: ssl.SSLContext | None, path: str) -> None:
    what = f"{host} port {port}"
    try:
        with trio.fail_after(SELF_CHECK_DEADLINE_S):
            stream: trio.abc.Stream = await trio.open_tcp_stream(host, port)
            async with stream:
                if context is not None:
                    stream = trio.SSLStream(stream, context, https_compatible=True)
                status = await _ask(stream, _host_header(host, port), path)
    except trio.TooSlowError:
        raise SelfCheckError(
            f"expected an answer within {SELF_CHECK_DEADLINE_S} s, got none - at {what}"
        ) from None
    except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError) as exc:
        raise SelfCheckError(f"expected an answer, got {_reason(exc)} - at {what}") from exc
    if status >= _FIRST_SERVER_FAILURE:
        raise SelfCheckError(
            f"expected an answer that is no failure of ours, got status {status} - at {what}"
        )


async def _ask(stream: trio.abc.Stream, host: str, path: str) -> int:
    """Return the status, once the whole answer has come."""
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", host), ("Connection", "close"), ("User-Agent", "farhand-self-check")]
    await stream.send_all(
        (connection.send(h11.Request(method="GET", target=path, headers=headers)) or b"")
        + (connection.send(h11.EndOfMessage()) or b"")
    )
    status = 0
    body_bytes = 0
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))
            case h11.Response(status_code=code):
                status = code
            case h11.Data(data=data):
                body_bytes += len(data)
                if body_bytes > _MAX_BODY_BYTES:
                    return status
            case h11.EndOfMessage():
                return status
            case h11.ConnectionClosed() | h11.PAUSED:
                raise trio.BrokenResourceError("the end of the connection")
            case _:
                pass  # an interim answer


def _tls_context() -> ssl.SSLContext:
    """A client that takes any certificate.

    The certificate is the appliance's own, signed by itself for names that are not this address, and nothing
    secret is sent: whether it is trusted is for clients to judge, here only the answer counts.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(exc: BaseException) -> str:
    """The innermost error: Trio wraps what the socket said, and what each address of a name said."""
    while exc.__cause__ is not None:
        exc = exc.__cause__
    if isinstance(exc, BaseExceptionGroup):
        return "; ".join(_reason(inner) for inner in exc.exceptions)
    return str(exc) or type(exc).__name__


def _reachable(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host


def _host_header(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
