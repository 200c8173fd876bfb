"""The application of the plain HTTP port when HTTPS is on: sends everybody to HTTPS.

It knows one kind of path, the challenges of an ACME client (RFC 8555, 8.3), which an authority wants to see
before it gives out a certificate. Reads no body, and puts nothing into its answer that it has not checked.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from api.server.exchange import AsgiApp, Message

# A DNS name, an IPv4 address or a bracketed IPv6 address, then maybe a port, which is dropped.
_HOST = re.compile(
    rb"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)


# RFC 8555, 8.1: a token is base64url; the key authorization has a second part of 43 characters.
_CHALLENGE = re.compile(rb"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,128})")
_LONGEST_AUTHORIZATION_BYTES = 1024


def redirect_app(https_port: int, acme_webroot: Path | None = None) -> AsgiApp:
    """Return an ASGI application that answers everything with 301 to the same path at *https_port*.

    Challenges that an ACME client has put below *acme_webroot* are answered from there.
    """

    async def redirect(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        del receive
        if scope["type"] == "lifespan":
            raise RuntimeError("the redirect has no lifespan")
        status, headers, body = 301, [(b"location", _location(scope, https_port))], b""
        kind = "http" if scope["type"] == "http" else "websocket.http"
        challenge = _CHALLENGE.fullmatch(scope["raw_path"]) if acme_webroot is not None else None
        if acme_webroot is not None and challenge is not None and kind == "http":
            path = acme_webroot / ".well-known/acme-challenge" / challenge[1].decode("ascii")
            found = await trio.to_thread.run_sync(_read_authorization, path)
            status, body = (404, b"") if found is None else (200, found)
            headers = [(b"content-type", b"application/octet-stream")]
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": body, "more_body": False})

    return redirect


def _read_authorization(path: Path) -> bytes | None:
    """Return what the regular file at *path* says, None if there is none, or it is too long to be one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = os.read(descriptor, _LONGEST_AUTHORIZATION_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    return content if len(content) <= _LONGEST_AUTHORIZATION_BYTES else None


def _location(scope: Message, https_port: int) -> bytes:
    given = next((value for name, value in scope["headers"] if name == b"host"), b"")
    match = _HOST.fullmatch(given)
    if match is not None:
        host = match[1]
    else:
        # No usable Host (HTTP/1.0, or nonsense): the address that the client did reach is always right.
        address = str(scope["server"][0]).encode("ascii")
        host = b"[" + address + b"]" if b":" in address else address
    port = b"" if https_port == 443 else b":%d" % https_port
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    # h11 lets only visible ASCII into a request target, so neither can break out of the header.
    return b"https://" + host + port + bytes(scope["raw_path"]) + query
