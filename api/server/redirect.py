"""The application of the plain HTTP port when HTTPS is on: sends everybody to HTTPS and does nothing else.

Reads no body, knows no path, and puts nothing into its answer that it has not checked.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from api.server.exchange import AsgiApp, Message

# A DNS name, an IPv4 address or a bracketed IPv6 address, then maybe a port, which is dropped.
_HOST = re.compile(
    rb"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)


def redirect_app(https_port: int) -> AsgiApp:
    """Return an ASGI application that answers everything with 301 to the same path at *https_port*."""

    async def redirect(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        del receive
        if scope["type"] == "lifespan":
            raise RuntimeError("the redirect has no lifespan")
        headers = [(b"location", _location(scope, https_port)), (b"content-length", b"0")]
        kind = "http" if scope["type"] == "http" else "websocket.http"
        await send({"type": f"{kind}.response.start", "status": 301, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": b"", "more_body": False})

    return redirect


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
