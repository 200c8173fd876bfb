"""Who called, and how, behind a reverse proxy: only what a proxy says that the configuration trusts.

Without it all clients of a proxy are one: they share their limits, and are one address in the audit trail.
Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Final

HEADER: Final = b"x-forwarded-for"
PROTO_HEADER: Final = b"x-forwarded-proto"
HOST_HEADER: Final = b"x-forwarded-host"

type _Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """The networks that proxies are in whose `X-Forwarded-For` is believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    def client_of(self, peer: str, forwarded: str) -> str:
        """Return the address of whoever the connection from *peer* is for.

        *forwarded* is the header. It is read from its end, where the proxies nearest to us wrote, up to the
        first address that is none of theirs: what is before that, anybody may have sent.
        """
        client = peer
        for hop in reversed(forwarded.split(",")):
            if not self._trusts(client):
                break
            address = _read(hop.strip())
            if address is None:
                break
            client = str(address)
        return client

    def seen_through(self, scope: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return *scope* (ASGI) as trusted proxies saw it: whose address, which scheme, which host."""
        peer = scope.get("client")
        if not self._networks or not peer or not self._trusts(str(peer[0])):
            return scope
        client = self.client_of(str(peer[0]), _last_of(scope, HEADER, joined=True))
        seen = dict(scope) if client == peer[0] else {**scope, "client": (client, 0)}
        proto = _last_of(scope, PROTO_HEADER).lower()
        if proto in ("http", "https"):
            secure, plain = ("wss", "ws") if scope["type"] == "websocket" else ("https", "http")
            seen["scheme"] = secure if proto == "https" else plain
        if host := _last_of(scope, HOST_HEADER):
            others = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
            seen["headers"] = [(b"host", host.encode("latin-1")), *others]
        return seen

    def _trusts(self, text: str) -> bool:
        address = _read(text)
        return address is not None and any(address in network for network in self._networks)


def _last_of(scope: Mapping[str, Any], header: bytes, *, joined: bool = False) -> str:
    """Return what the nearest proxy wrote into *header*, or with *joined* all of it; empty without one."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == header]
    text = ",".join(values)
    return text if joined else text.rpartition(",")[2].strip()


def _read(text: str) -> _Address | None:
    """Return an address; one of IPv4 in IPv6 notation is the IPv4 one, anything else is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
