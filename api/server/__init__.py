"""The front's server: Hypercorn's HTTP/1.1 and WebSocket code, made fit to stand on a network.

The only part of the house that knows Hypercorn. It decides nothing about the API: it bounds, times and
contains connections and gives requests to an ASGI application derived from `FrontApp`.
"""

from api.server.application import FrontApp, is_disconnect
from api.server.body import RequestCutShortError
from api.server.certificate import ensure_certificate
from api.server.config import (
    Bind,
    BoundAddress,
    BoundAddresses,
    PlainHttp,
    Scope,
    ServerConfig,
    is_loopback,
)
from api.server.limits import Limits, WebSocketLimits
from api.server.listeners import Listeners, open_listeners
from api.server.service import Server, serve
from api.server.statistics import ServerStatistics

__all__ = [
    "Bind",
    "BoundAddress",
    "BoundAddresses",
    "FrontApp",
    "Limits",
    "Listeners",
    "PlainHttp",
    "RequestCutShortError",
    "Scope",
    "Server",
    "ServerConfig",
    "ServerStatistics",
    "WebSocketLimits",
    "ensure_certificate",
    "is_disconnect",
    "is_loopback",
    "open_listeners",
    "serve",
]
