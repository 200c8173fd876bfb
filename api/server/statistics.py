"""Counters of the front's server: what its connections did and what was done to them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counted since the server started; written by the connections, read through `ServerStatistics`."""

    accepted: int = 0
    refused_total: int = 0
    refused_per_address: int = 0
    displaced: int = 0
    accept_errors: int = 0
    tls_failed: int = 0
    requests: int = 0
    websockets: int = 0
    websocket_messages: int = 0
    rejected_requests: int = 0
    contained_errors: int = 0
    application_errors: int = 0
    send_deadlines: int = 0
    idle_deadlines: int = 0
    header_deadlines: int = 0
    body_deadlines: int = 0
    heartbeats_lost: int = 0
    open_websockets: int = 0


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """A reading of the server's counters; everything but the first two counts since the start."""

    open_connections: int
    """Connections open now, those in their TLS handshake included."""
    open_websockets: int
    """WebSockets accepted and still open."""
    accepted: int
    """Connections accepted, refused ones not included."""
    refused_total: int
    """Refused because too many were open in all."""
    refused_per_address: int
    """Refused because too many were open from that address."""
    displaced: int
    """Closed to make room, because nobody had shown valid credentials on them."""
    accept_errors: int
    """Times that the kernel could not give a connection."""
    tls_failed: int
    """Connections that did not complete the TLS handshake."""
    requests: int
    """HTTP requests given to the application."""
    websockets: int
    """WebSocket upgrades given to the application."""
    websocket_messages: int
    """Messages of WebSockets given to the application."""
    rejected_requests: int
    """Requests refused before the application saw them (malformed, too long, wrong protocol)."""
    contained_errors: int
    """Exceptions that ended one connection and nothing else."""
    application_errors: int
    """Exceptions that left the application, which are bugs."""
    send_deadlines: int
    """Connections cut because the peer did not take what it was sent."""
    idle_deadlines: int
    """Connections closed because no request came."""
    header_deadlines: int
    """Connections closed because a request's header did not come to its end."""
    body_deadlines: int
    """Request bodies given up because they came too slowly."""
    heartbeats_lost: int
    """WebSockets cut because a PING was not answered."""
