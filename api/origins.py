"""Which requests a browser sends on behalf of a page that is not ours.

A session's cookie and the credentials of Basic are added by the browser itself, whoever asked for the
request. `SameSite` keeps the cookie from other sites, but another port or another name of the same domain is
the same site. So a browser's own word of where a request comes from is read: `Sec-Fetch-Site` (W3C Fetch
Metadata), and where it is missing, as over plain HTTP, `Origin` (RFC 6454 section 7). Programs send neither,
or the origin that they call. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from api.credentials import Headers

_OWN: Final = frozenset({"same-origin", "none"})
"""Values of `Sec-Fetch-Site`: a page of ours, or a person who typed an address."""
_DEFAULT_PORTS: Final = frozenset({None, 80, 443})
"""Ports that stand for one another: a proxy that speaks TLS may call us in plain HTTP."""


class Origins:
    """Decides by what a request says of itself; *others* are origins besides our own, `https://name[:port]`."""

    def __init__(self, others: Iterable[str] = ()) -> None:
        self._others = frozenset(_read(other) for other in others)

    def stranger(self, headers: Headers, opened_at: str | None = None) -> str | None:
        """Return where a request comes from if that is not from us, for a message; None if it may pass.

        *opened_at* is the origin of the page in which the user logged in, if that is known: a proxy may have
        given the request another host than the browser asked.
        """
        origin = headers.get("Origin")
        if origin is not None and _read(origin) in self._others:
            return None
        site = headers.get("Sec-Fetch-Site")
        if site is not None:
            return None if site in _OWN else _named(origin) or f"a {site[:20]!a} page"
        if origin is None or origin == opened_at or _is_at(origin, headers.get("Host") or ""):
            return None
        return _named(origin)


def _named(origin: str | None) -> str | None:
    return None if origin is None else f"{origin[:100]!a}"


def _read(origin: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of an origin; of "null" and whatever is none, only the text."""
    try:
        parts = urlsplit(origin)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return origin, None, None
    if not host:
        return origin, None, None
    return scheme, host, {"http": 80, "https": 443}.get(scheme) if port is None else port


def _is_at(origin: str, host: str) -> bool:
    """Whether the host and port of *origin* are those that the request was sent to."""
    _, name, port = _read(origin)
    _, our_name, our_port = _read(f"//{host}")
    if name is None or name != our_name:
        return False
    return port == our_port or {port, our_port} <= _DEFAULT_PORTS
