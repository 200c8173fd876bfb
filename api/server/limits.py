"""Every bound and deadline of the front's server, each with its reason.

All are fields of two frozen dataclasses, so that tests (and, if ever needed, a configuration) can replace
them; the defaults are what the appliance runs with. Nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

BUFFERED_BODY_BYTES = 16 * MIB
"""The most that `await request.get_data()` may gather, also on a route without a limit of its own: a disk
image must be iterated, and a slip must not be able to take the board's memory."""


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """What one WebSocket may do; chosen per path by `ServerConfig.websocket_limits`."""

    message_bytes: int = 4 * MIB
    """The longest message, reassembled (contract websocket.md 1.1); above it the socket closes with 1009."""

    inbox_messages: int = 16
    """Messages read but not yet fetched by the handler. Enough to ride out one slow HID report; when it is
    full the connection is no longer read, so TCP slows the sender down and nothing is dropped."""

    inbox_bytes: int = 8 * MIB
    """The same in bytes, so that sixteen of the longest messages cannot pile up; one always fits."""

    ping_interval_s: float = 15.0
    """Between protocol PINGs; no PONG within half of it ends the connection (contract websocket.md 1.1)."""

    close_s: float = 2.0
    """How long the peer may take to answer our Close before TCP is closed: a few mobile round trips."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may cost."""

    connections: int = 128
    """Open connections in all. A browser opens up to six per page; at 30 KiB each (TLS, idle) it is 4 MiB."""

    connections_per_address: int = 32
    """Open connections of one remote address (one /64 for IPv6): five browser windows, but not everything.
    Loopback is exempt, because a reverse proxy on the board speaks for everybody."""

    loopback_reserve: int = 8
    """Connections that only loopback may open on top of all others: the appliance asks itself over HTTP
    whether it is alive, and strangers who take every connection must not make its watchdog bite."""

    tls_handshake_s: float = 5.0
    """For the TLS handshake: several round trips on a bad mobile line; a silent client is gone by then."""

    header_s: float = 10.0
    """From the first byte of a request to the end of its header."""

    header_bytes: int = 32 * KIB
    """Request line and header fields; above it 431. EDIDs travel in the query string (contract gotcha 11)."""

    keep_alive_s: float = 5.0
    """How long a connection may wait for its first or next request: longer than most clients poll."""

    requests_per_connection: int = 1000
    """After that many answers the connection is closed, so that nothing lives on one for ever."""

    pipelined_bytes: int = 64 * KIB
    """Bytes that may arrive behind a request that is still being answered. They are read to notice that the
    client has gone; whoever sends more before it has its answer is cut off, since no client that pipelines so
    much is known."""

    send_s: float = 20.0
    """For one write to be taken by the kernel. A frame to a phone in a lift takes seconds; a peer that takes
    nothing for 20 s is gone or hostile. The same value is the kernel's TCP_USER_TIMEOUT."""

    keepalive_idle_s: int = 15
    """Silence after which the kernel starts to probe the peer, and the distance of the three probes."""

    close_s: float = 1.0
    """For the TLS close_notify of an orderly close; not worth waiting longer for."""

    linger_s: float = 2.0
    """How long an unwanted request body is read and thrown away after the answer, so that the client reads
    the answer and not a reset."""

    linger_bytes: int = 8 * MIB
    """How much of it."""

    body_bytes: int = 64 * KIB
    """The longest request body where the application sets no other limit; above it 413."""

    body_chunks: int = 4
    """Pieces of a body (each one read of the connection) that the handler has not yet fetched: keeps disk and
    network busy at once; when they are full the connection is not read, so TCP slows the sender down."""

    body_chunks_bytes: int = 512 * KIB
    """The same in bytes, for the largest reads; one always fits."""

    body_gap_s: float = 15.0
    """The longest silence while the handler waits for the body: a Wi-Fi roaming, not a forgotten tab."""

    body_window_s: float = 15.0
    """The waiting time over which the body's average rate is taken."""

    body_min_bytes_per_s: int = 1 * KIB
    """Slower than this, a body is holding the connection and not transferring anything: 408."""

    disconnect_grace_s: float = 1.0
    """How long a handler may use what arrived before its client left (and unwind) until it is cancelled."""

    hangup_poll_s: float = 0.5
    """How often a connection that is not being read asks the kernel whether the peer has closed it."""

    shutdown_grace_s: float = 3.0
    """From the wish to stop until what is still open is cut. systemd's patience is 90 s, people's is not."""

    startup_s: float = 30.0
    """For the application's `before_serving` functions; they open nothing that takes longer."""

    app_shutdown_s: float = 5.0
    """For the application's `after_serving` functions."""

    accept_retry_s: float = 0.1
    """Pause after the kernel could not give a connection (no descriptors, no memory)."""

    certificate_look_s: float = 30.0
    """From one look at the certificate's files to the next."""
