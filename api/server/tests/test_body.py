"""Request bodies: bounded, counted, timed, and never silently short."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
import trio

from api.server import FrontApp, Limits
from api.server.limits import KIB, MIB

QUICK = Limits(linger_s=0.3, hangup_poll_s=0.05, disconnect_grace_s=0.1)


def post(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def test_a_body_arrives_whole_in_every_way_a_handler_can_ask_for_it(start: Any) -> None:
    running = await start()
    client = await running.connect()
    for path in ("/data", "/upload"):
        await client.send(post(path, "Content-Length: 50000") + bytes(50_000))
        assert (await client.answer("POST")).body == b"50000"
        await client.send(
            post(path, "Transfer-Encoding: chunked") + chunk(b"abc") + chunk(b"de") + b"0\r\n\r\n"
        )
        assert (await client.answer("POST")).body == b"5"
        await client.send(post(path, "Content-Length: 0"))
        assert (await client.answer("POST")).body == b"0"
    form = b"user=admin&passwd=a%20b"
    await client.send(
        post("/form", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}")
        + form
    )
    assert (await client.answer("POST")).body == b"user=admin,passwd=a b"
    parts = b'--B\r\nContent-Disposition: form-data; name="user"\r\n\r\nadmin\r\n--B--\r\n'
    await client.send(
        post("/form", "Content-Type: multipart/form-data; boundary=B", f"Content-Length: {len(parts)}")
        + parts
    )
    assert (await client.answer("POST")).body == b"user=admin"
    assert running.server.statistics().accepted == 1


async def test_one_byte_chunks_of_one_read_are_passed_on_together(start: Any) -> None:
    running = await start()
    client = await running.connect()
    await client.send(post("/upload", "Transfer-Encoding: chunked") + chunk(b"x") * 2000 + b"0\r\n\r\n")
    assert (await client.answer("POST")).body == b"2000"
    assert len(running.probe.pieces) < 20


async def test_a_body_sent_after_its_header_keeps_the_connection(start: Any) -> None:
    running = await start()
    client = await running.connect()
    await client.send(post("/data", "Content-Length: 3"))
    await trio.sleep(0.02)  # so that they are two reads
    await client.send(b"abc")
    assert (await client.answer("POST")).body == b"3"
    assert (await client.get("/hello")).body == b"hello"


async def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_read(start: Any) -> None:
    running = await start(limits=QUICK)
    client = await running.connect()
    await client.send(post("/upload", f"Content-Length: {64 * KIB + 1}"))
    answer = await client.answer("POST")
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert running.server.statistics().requests == 0


async def test_a_chunked_body_is_counted(start: Any) -> None:
    for path in ("/upload", "/data"):
        running = await start(limits=QUICK)
        client = await running.connect()
        await client.send(
            post(path, "Transfer-Encoding: chunked") + chunk(bytes(40_000)) + chunk(bytes(40_000))
        )
        assert (await client.answer("POST")).status == 413
        assert sum(running.probe.pieces) <= 64 * KIB


async def test_the_application_sets_the_limit_of_a_route(start: Any) -> None:
    def body_limit(scope: Any) -> int | None:
        return None if scope["path"] == "/upload" else 10

    running = await start(limits=QUICK, body_limit=body_limit)
    client = await running.connect()
    await client.send(post("/upload", f"Content-Length: {3 * MIB}") + bytes(3 * MIB))
    assert (await client.answer("POST")).body == str(3 * MIB).encode()
    await client.send(post("/data", "Content-Length: 10") + bytes(10))
    assert (await client.answer("POST")).body == b"10"
    await client.send(post("/data", "Content-Length: 11") + bytes(11))
    assert (await client.answer("POST")).status == 413


async def test_a_refused_upload_still_reads_its_answer(start: Any) -> None:
    """A client that sends on regardless must find the answer, not a reset."""
    running = await start(limits=QUICK)
    client = await running.connect()
    await client.send(post("/upload", f"Content-Length: {2 * MIB}") + bytes(2 * MIB))
    assert (await client.answer("POST")).status == 413


async def test_a_body_nobody_wants_is_answered_and_thrown_away(start: Any) -> None:
    running = await start(limits=QUICK, body_limit=lambda _scope: None)
    client = await running.connect()
    await client.send(post("/ignore", f"Content-Length: {4 * MIB}") + bytes(4 * MIB))
    answer = await client.answer("POST")
    assert answer.body == b"ignored"
    small = await running.connect()
    await small.send(post("/ignore", "Content-Length: 3") + b"abc")
    assert (await small.answer("POST")).body == b"ignored"
    assert (await small.get("/hello")).body == b"hello"


async def test_100_continue_comes_when_the_handler_asks_for_the_body(start: Any) -> None:
    running = await start(limits=QUICK)
    client = await running.connect()
    await client.send(post("/data", "Content-Length: 3", "Expect: 100-continue"))
    assert (await client.head()).startswith(b"HTTP/1.1 100")
    await client.send(b"abc")
    assert (await client.answer("POST")).body == b"3"
    await client.send(post("/ignore", "Content-Length: 3", "Expect: 100-continue"))
    answer = await client.answer("POST")
    assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"ignored", "close")
    other = await running.connect()
    await other.send(post("/data", f"Content-Length: {MIB}", "Expect: 100-continue"))
    assert (await other.answer("POST")).status == 413


@pytest.mark.parametrize("goodbye", ["close", "reset"])
@pytest.mark.parametrize("path", ["/upload", "/slow"])
async def test_a_body_cut_short_is_an_error_for_its_handler(
    start: Any, path: str, goodbye: str, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start(limits=QUICK)
    client = await running.connect()
    await client.send(post(path, "Content-Length: 1000") + bytes(500))
    await running.until(lambda: running.probe.pieces == [500])
    if goodbye == "close":
        await client.stream.aclose()
    else:
        client.reset()
    if path == "/slow":
        # The handler is busy with what it got; it hears of the end when it reads on.
        running.probe.go_on.set()
    await running.probe.wait_for("RequestCutShortError")
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_an_upload_that_stops_is_a_408(start: Any) -> None:
    running = await start(limits=Limits(body_gap_s=0.1, linger_s=0.1))
    client = await running.connect()
    await client.send(post("/data", "Content-Length: 1000") + bytes(500))
    answer = await client.answer("POST")
    assert answer.status == 408
    assert await client.is_closed()
    assert running.server.statistics().body_deadlines == 1


async def test_an_upload_that_trickles_is_a_408(start: Any, nursery: trio.Nursery) -> None:
    limits = Limits(body_gap_s=5, body_window_s=0.2, body_min_bytes_per_s=1000, linger_s=0.1)
    running = await start(limits=limits)
    client = await running.connect()
    # Fast at first: what was earned then must not pay for the trickle.
    await client.send(post("/upload", "Content-Length: 60000") + bytes(30_000))

    async def trickle() -> None:
        try:
            while True:
                await client.stream.send_all(b"x")
                await trio.sleep(0.02)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    nursery.start_soon(trickle)
    assert (await client.answer("POST")).status == 408
    await running.probe.wait_for("RequestTimeout")


async def test_only_waiting_for_the_client_counts_against_it(start: Any) -> None:
    """A handler that is slow itself (a disk) must not make the client look slow."""
    limits = Limits(body_gap_s=0.2, body_window_s=0.2, body_min_bytes_per_s=100_000)
    running = await start(limits=limits)
    client = await running.connect()
    await client.send(post("/slow", "Content-Length: 2000") + bytes(1000))
    await running.until(lambda: running.probe.pieces == [1000])
    await client.send(bytes(1000))
    await trio.sleep(0.3)  # longer than gap and window, spent in the handler
    running.probe.go_on.set()
    assert (await client.answer("POST")).body == b"2000"


async def test_a_slow_handler_slows_the_upload_down(start: Any, nursery: trio.Nursery) -> None:
    size = 32 * MIB
    running = await start(body_limit=lambda _scope: None)
    client = await running.connect()
    sent = 0

    async def send() -> None:
        nonlocal sent
        await client.stream.send_all(post("/slow", f"Content-Length: {size}"))
        block = bytes(256 * KIB)
        while sent < size:
            await client.stream.send_all(block)
            sent += len(block)

    nursery.start_soon(send)
    connection = await running.connection()
    await running.until(lambda: connection.blocked)
    await running.until(lambda: sent > 0)
    settled = -1
    while settled != sent:  # until the kernel's buffers are full as well
        settled = sent
        await trio.sleep(0.1)
    assert sent < size
    assert len(running.probe.pieces) == 1
    mailbox = connection._protocol.stream.exchange._mailbox
    assert 1 <= len(mailbox) <= 4
    assert mailbox._bytes <= 512 * KIB
    running.probe.go_on.set()
    assert (await client.answer("POST")).body == str(size).encode()
    assert max(running.probe.pieces) <= 256 * KIB


async def test_an_upload_is_given_up_when_its_client_leaves_while_nothing_is_read(start: Any) -> None:
    """The FIN stands behind data that waits for room: the kernel's state is what tells."""
    limits = replace(QUICK, body_chunks=1)
    running = await start(limits=limits, body_limit=lambda _scope: None)
    client = await running.connect()
    # More than the mailbox holds, no more than fits into the kernel as well.
    await client.send(post("/slow", f"Content-Length: {MIB}") + bytes(200 * KIB))
    connection = await running.connection()
    await running.until(lambda: connection.blocked)
    await client.stream.aclose()
    await running.until(lambda: running.server.statistics().open_connections == 0)


async def test_a_body_too_long_for_memory_must_be_iterated(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.server.body.BUFFERED_BODY_BYTES", 1000)
    running = await start(limits=QUICK, body_limit=lambda _scope: None)
    client = await running.connect()
    await client.send(post("/data", "Content-Length: 1001") + bytes(1001))
    assert (await client.answer("POST")).status == 413


async def test_quarts_own_test_client_works_without_a_server() -> None:
    from quart import request

    app = FrontApp("bare")

    @app.post("/data")
    async def data() -> str:
        return str(len(await request.get_data()) + len(await request.get_data()))

    async with app.test_app() as running:
        response = await running.test_client().post("/data", data=b"four")
        assert await response.get_data() == b"8"
    async with app.test_request_context("/data", method="POST", data=b"abc"):
        assert await request.get_data() == b"abc"
