"""The server as a whole: deadlines, containment, an orderly stop."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

from api.server import (
    Bind,
    FrontApp,
    Limits,
    PlainHttp,
    Server,
    ServerConfig,
    WebSocketLimits,
    open_listeners,
    serve,
)
from api.server.http1 import Http1Protocol


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("127.0.0.1", None),
        ("127.9.9.9", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.200", None),  # the appliance itself, which asks whether it is alive
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_addresses_are_counted_as_what_one_customer_has(peer: str, counted: str | None) -> None:
    from api.server.service import _counted_address

    class Socket:
        def getpeername(self) -> tuple[str, int]:
            return peer, 1

        def getsockname(self) -> tuple[str, int]:
            return "192.0.2.200", 443

    class Stream:
        socket = Socket()

    assert _counted_address(Stream()) == counted  # type: ignore[arg-type] # only what is looked at


async def test_a_header_that_does_not_end_is_a_408(start: Any) -> None:
    running = await start(limits=Limits(header_s=0.1, linger_s=0.1))
    client = await running.connect()
    await client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
    assert (await client.answer()).status == 408
    assert await client.is_closed()
    assert running.server.statistics().header_deadlines == 1


async def test_a_header_that_trickles_is_not_given_more_time(start: Any, nursery: trio.Nursery) -> None:
    running = await start(limits=Limits(keep_alive_s=0.1, header_s=0.2, linger_s=0.1))
    client = await running.connect()

    async def trickle() -> None:
        try:
            await client.stream.send_all(b"GET /hello HTTP/1.1\r\n")
            while True:
                await client.stream.send_all(b"X: y\r\n")
                await trio.sleep(0.02)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    nursery.start_soon(trickle)
    assert (await client.answer()).status == 408


async def test_a_stalled_reader_is_cut_after_the_send_deadline(start: Any) -> None:
    running = await start(limits=Limits(send_s=0.2))
    client = await running.connect(receive_bytes=4096)
    await client.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    await running.probe.wait_for("flood ended")
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert running.server.statistics().send_deadlines == 1


async def test_a_connection_has_the_socket_options_that_notice_a_dead_peer(start: Any) -> None:
    import socket

    running = await start(limits=Limits(send_s=7.0, keepalive_idle_s=9))
    client = await running.connect()
    assert (await client.get("/hello")).status == 200
    sock = (await running.connection())._transport.socket
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 9
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000


@pytest.mark.parametrize("error", [AttributeError("no connection yet"), ExceptionGroup("g", [KeyError(1)])])
async def test_an_exception_of_a_connection_ends_that_connection_only(
    start: Any, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start()
    other, client = await running.connect(), await running.connect()
    await other.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    await running.probe.wait_for("wait started")

    async def broken(self: Http1Protocol, data: bytes) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Http1Protocol, "received", broken)
        await client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await client.is_closed()
    running.probe.go_on.set()
    assert (await other.answer()).body == b"waited"
    assert running.server.statistics().contained_errors == 1
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.levelname == "WARNING"
    assert "contained" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert record.exc_info is None


async def test_a_contained_error_does_not_wait_for_a_stalled_write(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start(limits=Limits(send_s=1000))
    client = await running.connect(receive_bytes=4096)
    await client.upgrade("/push")
    await running.probe.wait_for("push started")

    async def broken(self: Http1Protocol, data: bytes) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Http1Protocol, "received", broken)
    await client.send(b"anything")
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert running.server.statistics().contained_errors == 1


async def test_accept_errors_do_not_end_the_server(
    start: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = trio.SocketListener.accept
    errors = iter(
        [OSError(24, "Too many open files"), OSError(24, "Too many open files"), OSError(103, "aborted")]
    )

    async def failing(self: trio.SocketListener) -> trio.SocketStream:
        for error in errors:
            raise error
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", failing)
    running = await start(limits=Limits(accept_retry_s=0.01))
    assert (await running.get("/hello")).status == 200
    assert running.server.statistics().accept_errors == 3
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


# Stopping


async def test_a_stop_refuses_new_clients_and_lets_answers_finish(start: Any) -> None:
    running = await start(limits=Limits(keep_alive_s=1000))
    idle, busy = await running.connect(), await running.connect()
    assert (await idle.get("/hello")).status == 200
    await busy.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    await running.probe.wait_for("wait started")
    running.server.stop()
    assert await idle.is_closed()
    with pytest.raises(ConnectionRefusedError):
        await running.connect()
    running.probe.go_on.set()
    answer = await busy.answer()
    assert (answer.body, answer.headers["connection"]) == (b"waited", "close")
    assert await busy.is_closed()
    await running.stop()


async def test_a_stop_tells_websockets_and_ends_streams(start: Any) -> None:
    running = await start(limits=Limits(shutdown_grace_s=1000))
    socket, stream = await running.connect(), await running.connect()
    await socket.upgrade("/collect")
    await stream.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    await stream.read(1000)
    running.server.stop()
    opcode, payload = await socket.frame()
    assert (opcode, int.from_bytes(payload[:2]), payload[2:]) == (8, 1001, b"going away")
    await socket.send_frame(8, payload[:2])
    await running.probe.wait_for("collect ended")
    await stream.read_to_end()
    await running.probe.wait_for("flood ended")
    await running.stop()


@pytest.mark.parametrize(
    "what", ["stalled stream", "stalled websocket", "hanging handler", "silent websocket"]
)
async def test_a_stop_is_bounded_in_time(start: Any, what: str) -> None:
    running = await start(
        limits=Limits(shutdown_grace_s=0.3, send_s=1000, keep_alive_s=1000),
        websocket_limits=lambda _path: WebSocketLimits(close_s=1000),
    )
    client = await running.connect(receive_bytes=4096)
    if what == "stalled stream":
        await client.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await running.probe.wait_for("flood started")
    elif what == "hanging handler":
        await client.send(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        await running.probe.wait_for("hang started")
    elif what == "stalled websocket":
        await client.upgrade("/push")
        await running.probe.wait_for("push started")
    else:
        await client.upgrade("/collect")
        await running.probe.wait_for("collect started")
    await running.stop()
    assert all(
        f"{event[:-8]} ended" in running.probe.events for event in running.probe.events if "started" in event
    )
    assert running.server.statistics().open_connections == 0


async def test_cancelling_ends_everything_at_once() -> None:
    app = FrontApp("cancelled")
    started = trio.Event()
    ended: list[str] = []

    @app.get("/hang")
    async def hang() -> str:
        started.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.append("hang")
        return ""

    config = ServerConfig(
        http=(Bind("127.0.0.1", 0),), plain_http=PlainHttp.APP, limits=Limits(shutdown_grace_s=1000)
    )
    with trio.fail_after(10):
        async with trio.open_nursery() as inner:
            addresses = await inner.start(serve, app, config)
            stream = await trio.open_tcp_stream("127.0.0.1", addresses.http[0].port)
            await stream.send_all(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            await started.wait()
            inner.cancel_scope.cancel()
    assert ended == ["hang"]
    await trio.aclose_forcefully(stream)


async def test_an_event_stops_the_server_in_order() -> None:
    app = FrontApp("events")
    life: list[str] = []

    @app.before_serving
    async def before() -> None:
        life.append("before")

    @app.after_serving
    async def after() -> None:
        life.append("after")

    shutdown = trio.Event()
    config = ServerConfig(http=(Bind("127.0.0.1", 0),), plain_http=PlainHttp.APP)
    with trio.fail_after(10):
        async with trio.open_nursery() as inner:
            addresses = await inner.start(
                lambda task_status: serve(app, config, shutdown=shutdown, task_status=task_status)
            )
            assert life == ["before"]
            assert addresses.http[0].port > 0
            assert addresses.app_urls == (f"http://127.0.0.1:{addresses.http[0].port}/",)
            shutdown.set()
    assert life == ["before", "after"]


async def test_an_application_that_does_not_start_is_reported() -> None:
    app = FrontApp("broken")

    @app.before_serving
    async def before() -> None:
        raise ValueError("no store")

    config = ServerConfig(http=(Bind("127.0.0.1", 0),), plain_http=PlainHttp.APP)
    with pytest.raises(RuntimeError, match="the application did not start: no store"):
        await serve(app, config)


async def test_listeners_opened_before_are_used_and_closed() -> None:
    config = ServerConfig(http=(Bind("127.0.0.1", 0),), plain_http=PlainHttp.APP)
    listeners = await open_listeners(config)
    server = Server(FrontApp("late"), config)
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(
            lambda task_status: server.run(listeners=listeners, task_status=task_status)
        )
        assert addresses == listeners.addresses
        server.stop()
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream("127.0.0.1", addresses.http[0].port)


@pytest.mark.parametrize("hangs_in", ["start", "stop"])
async def test_an_application_that_hangs_does_not_hang_the_server(hangs_in: str) -> None:
    app = FrontApp("hangs")

    @app.before_serving
    async def before() -> None:
        if hangs_in == "start":
            await trio.sleep_forever()

    @app.after_serving
    async def after() -> None:
        await trio.sleep_forever()

    limits = Limits(startup_s=0.1, app_shutdown_s=0.1)
    config = ServerConfig(http=(Bind("127.0.0.1", 0),), plain_http=PlainHttp.APP, limits=limits)
    shutdown = trio.Event()
    shutdown.set()
    with trio.fail_after(10):
        if hangs_in == "start":
            with pytest.raises(RuntimeError, match=r"did not start: it took longer than 0\.1 s"):
                await serve(app, config, shutdown=shutdown)
        else:
            await serve(app, config, shutdown=shutdown)
