"""The server: accepts connections, owns the nursery they live in, and stops in order and in time.

Nothing that happens in one connection ends the server or another connection: `_contain` is the wall.
Refuses connections above its caps at once. Owns its listening sockets from `run` on.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
from dataclasses import asdict

import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext

from api.server.access_log import AccessLog
from api.server.capacity import Capacity
from api.server.config import BoundAddresses, PlainHttp, ServerConfig
from api.server.connection import Connection
from api.server.exchange import AsgiApp
from api.server.lifespan import Lifespan
from api.server.listeners import Listeners, OpenListener, open_listeners
from api.server.redirect import redirect_app
from api.server.statistics import Counters, ServerStatistics
from api.server.surroundings import Shared
from api.server.tls import KeptContext
from firmware.core.errors import SetupError

logger = logging.getLogger(__name__)

_NO_CAPACITY = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_IPV6_CUSTOMER_PREFIX = 64  # what one subscriber gets, and can spread over at will


class Server:
    """The front's server for one ASGI application. `run` it once; `stop`, or *shutdown*, ends it in order."""

    def __init__(self, app: AsgiApp, config: ServerConfig, *, shutdown: trio.Event | None = None) -> None:
        self._app = app
        self._config = config
        self._counters = Counters()
        self._connections = Capacity(config.limits, self._counters)
        self._empty = trio.Event()
        self._stopping = trio.Event() if shutdown is None else shutdown
        self._worker = WorkerContext(None)
        self._hypercorn = _hypercorn_config(config)
        self._access_log = AccessLog(self._hypercorn)
        self._addresses: BoundAddresses | None = None

    @property
    def addresses(self) -> BoundAddresses | None:
        """Where clients can connect; None before `run` has got that far."""
        return self._addresses

    def stop(self) -> None:
        """Begin an orderly stop: `run` returns within the grace period and the time the application needs."""
        self._stopping.set()

    def statistics(self) -> ServerStatistics:
        """Return how many connections there are and what became of the others."""
        return ServerStatistics(open_connections=len(self._connections), **asdict(self._counters))

    async def run(
        self,
        *,
        listeners: Listeners | None = None,
        task_status: trio.TaskStatus[BoundAddresses] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until `stop` is called; `task_status.started` gets the addresses once clients can connect.

        *listeners* may have been opened before by `open_listeners`, so that a busy port is found early; they
        are closed here. Cancelling works too, but tells the clients nothing. SetupError if an address or the
        certificate cannot be used; RuntimeError if the application does not start.
        """
        if listeners is None:
            listeners = await open_listeners(self._config)
        try:
            tls = await self._load_tls()
            async with trio.open_nursery() as app_nursery:
                lifespan = Lifespan(self._app, self._config.limits)
                failure = await lifespan.start(app_nursery)
                if failure is None:
                    await self._serve(listeners, tls, task_status)
                    await lifespan.stop()
                app_nursery.cancel_scope.cancel()
            if failure is not None:
                raise RuntimeError(f"the application did not start: {failure}")
        finally:
            listeners.close()

    async def _serve(
        self, listeners: Listeners, tls: KeptContext | None, task_status: trio.TaskStatus[BoundAddresses]
    ) -> None:
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                self._accept_all(listeners, tls, accepting, connections)
                if tls is not None:
                    accepting.start_soon(tls.follow, self._config.limits.certificate_look_s)
                self._addresses = listeners.addresses
                task_status.started(listeners.addresses)
                await self._stopping.wait()
                accepting.cancel_scope.cancel()
            listeners.close()
            await self._drain()
            connections.cancel_scope.cancel()

    async def _load_tls(self) -> KeptContext | None:
        if not self._config.https:
            return None
        if self._config.certificate is None:
            raise SetupError("HTTPS needs a certificate and its key; give both, or leave out --https")
        return await KeptContext.load(*self._config.certificate)

    # Accepting

    def _accept_all(
        self,
        listeners: Listeners,
        tls: KeptContext | None,
        accepting: trio.Nursery,
        connections: trio.Nursery,
    ) -> None:
        for item in listeners.https:
            accepting.start_soon(self._accept, item, tls, self._shared(self._app), connections)
        plain_app = self._app
        if listeners.plain_http is PlainHttp.REDIRECT and listeners.https:
            plain_app = redirect_app(listeners.https[0].address.port, self._config.acme_webroot)
        for item in listeners.http:
            accepting.start_soon(self._accept, item, None, self._shared(plain_app), connections)

    def _shared(self, app: AsgiApp) -> Shared:
        return Shared(app, self._config, self._hypercorn, self._worker, self._counters, self._access_log)

    async def _accept(
        self, item: OpenListener, tls: KeptContext | None, shared: Shared, connections: trio.Nursery
    ) -> None:
        failing = False
        while True:
            try:
                stream = await item.listener.accept()
            except OSError as exc:
                # Whatever accept says, the next client may be luckier; but say it once, not all the time.
                self._counters.accept_errors += 1
                if not failing:
                    what = "no capacity for" if exc.errno in _NO_CAPACITY else "cannot accept"
                    logger.error("%s connections at %s: %s", what, item.address.url, exc.strerror)  # noqa: TRY400
                failing = True
                await trio.sleep(self._config.limits.accept_retry_s)
                continue
            failing = False
            address = _counted_address(stream)
            if not self._connections.admits(address):
                stream.socket.close()
                continue
            connection = Connection(stream, None if tls is None else tls.context, shared)
            self._connections.add(connection, address)
            connections.start_soon(self._contain, connection)

    async def _contain(self, connection: Connection) -> None:
        """Run a connection; no exception but cancellation leaves it."""
        try:
            await connection.run()
        except* Exception as group:
            self._counters.contained_errors += 1
            logger.warning("contained %s; the connection from %s was cut", _summary(group), connection.peer)
            logger.debug("the contained error", exc_info=group)
        finally:
            self._connections.remove(connection)
            if not self._connections:
                self._empty.set()

    # Stopping

    async def _drain(self) -> None:
        """Tell every client and wait for them as long as the grace allows; the caller cuts the rest."""
        await self._worker.terminated.set()
        limits = self._config.limits
        with trio.move_on_after(limits.shutdown_grace_s) as scope:
            async with trio.open_nursery() as nursery:
                for connection in self._connections:
                    nursery.start_soon(self._say_goodbye, connection)
            while self._connections:
                self._empty = trio.Event()
                await self._empty.wait()
        if scope.cancelled_caught:
            logger.info(
                "%d connections were still open after %g s; cut",
                len(self._connections),
                limits.shutdown_grace_s,
            )

    async def _say_goodbye(self, connection: Connection) -> None:
        try:
            await connection.go_away()
        except* Exception as group:  # noqa: BLE001  # as in `_contain`, whose wall this task is not behind
            logger.warning("contained %s while saying goodbye to %s", _summary(group), connection.peer)
            connection.abort()


async def serve(
    app: AsgiApp,
    config: ServerConfig,
    *,
    listeners: Listeners | None = None,
    shutdown: trio.Event | None = None,
    task_status: trio.TaskStatus[BoundAddresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve *app* until *shutdown* is set (orderly) or the caller cancels (at once); see `Server.run`."""
    await Server(app, config, shutdown=shutdown).run(listeners=listeners, task_status=task_status)


def _hypercorn_config(config: ServerConfig) -> HypercornConfig:
    hypercorn = HypercornConfig()
    hypercorn.logger_class = AccessLog
    hypercorn.errorlog = None
    hypercorn.accesslog = None
    hypercorn.include_server_header = False
    hypercorn.h11_max_incomplete_size = config.limits.header_bytes
    hypercorn.keep_alive_max_requests = config.limits.requests_per_connection
    return hypercorn


def _counted_address(stream: trio.SocketStream) -> str | None:
    """Return what the cap per address counts *stream* under; None if it does not count (ourselves, gone)."""
    try:
        peer, here = stream.socket.getpeername()[0], stream.socket.getsockname()[0]
    except OSError:
        return None  # gone already; the connection will find out
    if peer == here:
        return None
    address = ipaddress.ip_address(peer.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif not address.is_loopback:
            return str(ipaddress.ip_network((address, _IPV6_CUSTOMER_PREFIX), strict=False))
    return None if address.is_loopback else str(address)


def _summary(group: BaseExceptionGroup[Exception]) -> str:
    """Return the first real error of *group* in one line."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(repr(error).split())[:300]
