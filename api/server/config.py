"""What the server is asked to do: addresses, what the plain port is for, limits.

Only values; nothing is opened here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from api.server.limits import Limits, WebSocketLimits

Scope = Mapping[str, Any]
"""An ASGI connection scope, read only."""


class PlainHttp(StrEnum):
    """What the plain HTTP port does."""

    APP = "app"
    """Serves the application; only ever on loopback, because passwords would travel in clear."""
    REDIRECT = "redirect"
    """Answers everything with 301 to the HTTPS port."""


@dataclass(frozen=True, slots=True)
class Bind:
    """An address to listen on: a literal IP address or a host name, and a port (0 picks one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether the literal IP address *host* can only be reached from this machine."""
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _default_websocket_limits(_path: str) -> WebSocketLimits:
    return WebSocketLimits()


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where to listen and how much to allow.

    `certificate` is (certificate chain, private key), both PEM; needed as soon as `https` is not empty;
    they are read again when they are replaced. `acme_webroot` is where an ACME client puts its challenges,
    which the redirecting port shows (RFC 8555, 8.3).
    `body_limit` gives the longest request body in bytes for an ASGI HTTP scope, None for no limit; without
    it, it is `limits.body_bytes` everywhere. `websocket_limits` gives the limits of a WebSocket by its
    percent-decoded path.
    """

    https: tuple[Bind, ...] = ()
    http: tuple[Bind, ...] = ()
    plain_http: PlainHttp = PlainHttp.REDIRECT
    certificate: tuple[Path, Path] | None = None
    acme_webroot: Path | None = None
    limits: Limits = field(default_factory=Limits)
    body_limit: Callable[[Scope], int | None] | None = None
    websocket_limits: Callable[[str], WebSocketLimits] = _default_websocket_limits

    def body_limit_of(self, scope: Scope) -> int | None:
        """Return the longest body in bytes that the request of *scope* may have; None is no limit."""
        return self.limits.body_bytes if self.body_limit is None else self.body_limit(scope)


@dataclass(frozen=True, slots=True)
class BoundAddress:
    """An address that is being listened on; `port` is the real one."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """Its URL, with the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port == {"http": 80, "https": 443}[self.scheme]:
            return f"{self.scheme}://{host}/"
        return f"{self.scheme}://{host}:{self.port}/"


@dataclass(frozen=True, slots=True)
class BoundAddresses:
    """What `serve` reports when it listens; `plain_http` says what the `http` ones do."""

    https: tuple[BoundAddress, ...]
    http: tuple[BoundAddress, ...]
    plain_http: PlainHttp

    @property
    def app_urls(self) -> tuple[str, ...]:
        """The URLs at which the application answers, HTTPS first."""
        plain = self.http if self.plain_http is PlainHttp.APP else ()
        return tuple(address.url for address in (*self.https, *plain))
