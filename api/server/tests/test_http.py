"""HTTP/1.1: answers, keep-alive, clients that leave, and what is refused."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
from quart.wrappers.base import ClientDisconnectedError

from api.server import Limits, is_disconnect

QUICK = Limits(keep_alive_s=0.1, header_s=0.1, linger_s=0.2, hangup_poll_s=0.05, disconnect_grace_s=0.1)
"""Deadlines that a test can wait for."""

QUICK_HANGUP = Limits(hangup_poll_s=0.05, disconnect_grace_s=0.1, pipelined_bytes=1000)


async def test_one_connection_serves_many_requests(start: Any) -> None:
    running = await start()
    client = await running.connect()
    for _ in range(4):
        assert (await client.get("/hello")).body == b"hello"
    answer = await client.get("/hello")
    assert (answer.status, answer.body, answer.complete) == (200, b"hello", True)
    assert answer.raw_head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert "server" not in answer.headers
    statistics = running.server.statistics()
    assert (statistics.accepted, statistics.requests, statistics.open_connections) == (1, 5, 1)


async def test_keep_alive_ends_after_its_time_also_behind_an_answer(start: Any) -> None:
    running = await start(limits=QUICK)
    silent, served = await running.connect(), await running.connect()
    assert (await served.get("/hello")).status == 200
    assert await silent.is_closed()
    assert await served.is_closed()
    assert running.server.statistics().idle_deadlines == 2


@pytest.mark.parametrize(
    "request_text",
    ["GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /hello HTTP/1.0\r\n\r\n"],
    ids=["connection-close", "http-1.0"],
)
async def test_a_connection_that_is_to_close_closes_behind_the_answer(start: Any, request_text: str) -> None:
    # With a keep-alive time far above the patience of `is_closed`: it is the answer that closes.
    running = await start(limits=Limits(keep_alive_s=1000))
    client = await running.connect()
    await client.send(request_text.encode())
    answer = await client.answer()
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["connection"] == "close"
    assert await client.is_closed()
    await running.until(lambda: running.server.statistics().open_connections == 0)


async def test_an_answer_of_unknown_length_is_chunked(start: Any) -> None:
    running = await start()
    client = await running.connect()
    answer = await client.get("/chunks")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == b"onetwo"
    assert (await client.get("/hello")).body == b"hello"


async def test_a_stream_that_says_close_is_ended_by_the_connection(start: Any) -> None:
    running = await start()
    client = await running.connect()
    await client.send(b"GET /mjpeg HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = (await client.read_to_end()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"".join(b"--b\r\nContent-Length: 1\r\n\r\n%d\r\n" % number for number in range(3))


async def test_head_has_no_body_and_starts_no_stream(start: Any) -> None:
    running = await start()
    client = await running.connect()
    await client.send(b"HEAD /flood HTTP/1.1\r\nHost: x\r\n\r\nHEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await client.answer("HEAD")).status == 200
    answer = await client.answer("HEAD")
    assert (answer.headers["content-length"], answer.body) == ("5", b"")
    assert running.probe.events == []


async def test_pipelined_requests_are_answered_in_order(start: Any) -> None:
    running = await start()
    client = await running.connect()
    await client.send(
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /chunks HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /query?a=1 HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert [(await client.answer()).body for _ in range(3)] == [b"hello", b"onetwo", b"3"]


async def test_half_a_pipelined_request_is_completed_later(start: Any) -> None:
    running = await start()
    client = await running.connect()
    await client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HT")
    assert (await client.answer()).body == b"hello"
    await client.send(b"TP/1.1\r\nHost: x\r\n\r\n")
    assert (await client.answer()).body == b"hello"


async def test_a_long_query_string_is_allowed_and_a_long_header_is_not(start: Any) -> None:
    running = await start()
    client = await running.connect()
    assert (await client.get("/query?" + "e" * 16_000)).body == b"16000"
    answer = await client.get("/query?" + "e" * 40_000)
    assert answer.status == 431
    assert await client.is_closed()


async def test_the_path_may_be_in_absolute_form(start: Any) -> None:
    running = await start()
    client = await running.connect()
    assert (await client.get("http://test:80/hello")).body == b"hello"
    assert (await client.get("HTTPS://test/query?abc")).body == b"3"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET hello HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET ?a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT host:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /data HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        (b"HEAD / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), 505),
    ],
)
async def test_a_bad_request_is_answered_and_closed(start: Any, raw: bytes, status: int) -> None:
    running = await start(limits=QUICK)
    client = await running.connect()
    await client.send(raw)
    answer = await client.answer("HEAD" if raw.startswith(b"HEAD") else "GET")
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert await client.is_closed()
    statistics = running.server.statistics()
    assert (statistics.requests, statistics.contained_errors) == (0, 0)


async def test_an_upgrade_to_http2_is_ignored(start: Any) -> None:
    running = await start()
    client = await running.connect()
    answer = await client.get(
        "/hello", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"
    )
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.raw_head.startswith(b"HTTP/1.1 200")
    assert (await client.get("/hello")).body == b"hello"


@pytest.mark.parametrize("goodbye", ["close", "reset", "half-close"])
async def test_a_client_that_leaves_ends_its_handler_and_is_no_error(
    start: Any, goodbye: str, caplog: pytest.LogCaptureFixture
) -> None:
    # These handlers have nothing left to read, so they are not left the grace of those who have.
    running = await start(limits=Limits(disconnect_grace_s=1000))
    for path, tag in (("/hang", "hang"), ("/flood", "flood")):
        client = await running.connect()
        await client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await running.probe.wait_for(f"{tag} started")
        if goodbye == "close":
            await client.stream.aclose()
        elif goodbye == "reset":
            client.reset()
        else:
            await client.stream.send_eof()
        await running.probe.wait_for(f"{tag} ended")
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_leaves_is_noticed_behind_a_pipelined_request(start: Any) -> None:
    running = await start()
    client = await running.connect()
    await client.send(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    await running.probe.wait_for("hang started")
    await client.stream.aclose()
    await running.probe.wait_for("hang ended")


async def test_whoever_sends_on_behind_an_unanswered_request_is_cut(start: Any) -> None:
    running = await start(limits=Limits(pipelined_bytes=1000))
    client = await running.connect()
    await client.send(
        b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    )
    assert await client.is_closed()
    await running.probe.wait_for("hang ended")


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_long_request_may_follow_an_answer_whose_handler_has_not_ended(
    start: Any, nursery: trio.Nursery, leaves: bool
) -> None:
    running = await start(limits=QUICK_HANGUP)
    client = await running.connect()
    assert (await client.get("/lingering")).body == b"whole"
    image = bytes(60_000)
    head = f"POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: {len(image)}\r\n\r\n"
    nursery.start_soon(client.send, head.encode() + image)
    # Long enough for the server to read more of it than it keeps.
    await trio.sleep(0.2)
    if leaves:
        await client.stream.aclose()
        await running.until(lambda: running.server.statistics().open_connections == 0)
    else:
        running.probe.go_on.set()
        assert (await client.answer("POST")).body == b"60000"


async def test_a_bug_in_a_handler_is_a_500_with_a_traceback_in_the_log(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start()
    client = await running.connect()
    answer = await client.get("/boom")
    assert answer.status == 500
    assert b"ValueError" not in answer.body
    assert (await client.get("/hello")).status == 200
    assert "a bug in a handler" in caplog.text


async def test_a_bug_in_a_stream_cuts_the_connection_and_nothing_else(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start()
    client = await running.connect()
    await client.send(b"GET /break HTTP/1.1\r\nHost: x\r\n\r\n")
    text = await client.read_to_end()
    assert b"one" in text
    assert not text.endswith(b"0\r\n\r\n")
    assert (await running.get("/hello")).status == 200
    assert "a bug in a stream" in caplog.text
    statistics = running.server.statistics()
    assert (statistics.application_errors, statistics.contained_errors) == (1, 0)


async def test_a_complete_answer_does_not_cancel_who_gave_it(start: Any) -> None:
    seen: list[str] = []

    async def thorough(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok", "more_body": False})
        await trio.sleep(0.01)
        while (await receive())["type"] != "http.disconnect":
            pass
        seen.append("the work after the answer")

    running = await start(thorough)
    client = await running.connect()
    assert (await client.get("/")).body == b"ok"
    assert (await client.get("/")).body == b"ok"
    await running.until(lambda: len(seen) == 2)


async def test_an_application_that_answers_nothing_is_a_500(start: Any) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")

    running = await start(silent)
    assert (await running.get("/")).status == 500


async def test_an_application_that_raises_is_contained(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ExceptionGroup("two", [ValueError("one bug"), KeyError("another")])

    running = await start(broken)
    assert (await running.get("/")).status == 500
    assert running.server.statistics().application_errors == 1
    assert "one bug" in caplog.text
    assert "another" in caplog.text


async def test_every_error_of_a_group_is_reported(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    from api.server import FrontApp

    app = FrontApp("groups")

    @app.errorhandler(LookupError)
    async def known(error: LookupError) -> tuple[str, int]:
        return "known", 404

    @app.get("/group")
    async def group() -> str:
        raise ExceptionGroup("both", [ValueError("a bug beside it"), LookupError("no such thing")])

    running = await start(app)
    answer = await running.get("/group")
    assert (answer.status, answer.body) == (404, b"known")
    assert "a bug beside it" in caplog.text


async def test_errors_beside_a_cancellation_are_reported(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from api.server import FrontApp

    app = FrontApp("cancelled")
    started = trio.Event()

    @app.get("/cleanup")
    async def cleanup() -> str:
        async def fails_on_the_way_out() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("a bug while unwinding")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails_on_the_way_out)
            nursery.start_soon(trio.sleep_forever)
            started.set()
        return "never"

    running = await start(app)
    client = await running.connect()
    await client.send(b"GET /cleanup HTTP/1.1\r\nHost: x\r\n\r\n")
    with trio.fail_after(5):
        await started.wait()
    await client.stream.aclose()
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert "a bug while unwinding" in caplog.text


async def test_the_access_log_has_one_line_and_no_query(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="farhand.access")
    running = await start()
    client = await running.connect()
    await client.get("/query?passwd=secret")
    await client.send(b"POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    await client.answer("POST")
    records: list[logging.LogRecord] = []

    def both_logged() -> bool:
        records[:] = [record for record in caplog.records if record.name == "farhand.access"]
        return len(records) >= 2

    await running.until(both_logged)
    assert [record.levelname for record in records] == ["DEBUG", "INFO"]
    assert (
        records[0].getMessage().startswith("client=127.0.0.1 method=GET path=/query status=200 duration_ms=")
    )
    assert records[1].getMessage().startswith("client=127.0.0.1 method=POST path=/data status=200 ")
    assert "secret" not in caplog.text


def test_a_disconnect_is_told_from_a_bug() -> None:
    assert is_disconnect(ClientDisconnectedError())
    assert is_disconnect(ExceptionGroup("g", [ClientDisconnectedError(), ClientDisconnectedError()]))
    assert not is_disconnect(ExceptionGroup("g", [ClientDisconnectedError(), ValueError()]))
    assert not is_disconnect(ValueError())


async def test_a_client_is_known_by_its_ipv4_address_on_an_ipv6_socket(start: Any) -> None:
    from quart import request

    from api.server import Bind, FrontApp

    app = FrontApp("mapped")

    @app.get("/")
    async def index() -> str:
        return str(request.remote_addr)

    running = await start(app, https=(Bind("::", 0),), http=())
    client = await running.connect_tls()
    assert (await client.get("/")).body == b"127.0.0.1"


async def test_a_long_answer_of_known_length_arrives_whole(start: Any) -> None:
    from api.server import FrontApp

    app = FrontApp("long")

    @app.get("/")
    async def index() -> bytes:
        return bytes(3_000_000)

    running = await start(app)
    client = await running.connect()
    for _ in range(2):
        answer = await client.get("/")
        assert answer.headers["content-length"] == "3000000"
        assert answer.body == bytes(3_000_000)


async def test_an_application_hears_in_send_that_its_client_has_left(start: Any) -> None:
    heard = trio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            with trio.CancelScope(shield=True):  # so that it is `send` that tells
                while True:
                    await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
        except OSError:
            heard.set()
            raise

    running = await start(endless)
    client = await running.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await client.read(1000)
    await client.stream.aclose()
    with trio.fail_after(10):
        await heard.wait()
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert running.server.statistics().application_errors == 0
