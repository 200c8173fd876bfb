"""WebSockets: order, bounds, heartbeat, and clients that leave."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio_websocket

from api.server import Limits, WebSocketLimits
from api.server.limits import KIB, MIB

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
QUICK = Limits(hangup_poll_s=0.05, disconnect_grace_s=0.1)


def limits(**fields: Any) -> Callable[[str], WebSocketLimits]:
    return lambda _path: WebSocketLimits(**{"close_s": 0.3, **fields})


def closes_with(payload: bytes) -> int:
    return int.from_bytes(payload[:2])


async def test_messages_of_every_kind_come_back(start: Any) -> None:
    running = await start()
    url = f"ws://127.0.0.1:{running.port}/echo"
    async with trio_websocket.open_websocket_url(url) as socket:
        for message in ("text", "ümläut", "", b"bytes", b"", b"\x00", bytes(100_000), "x" * 70_000):
            await socket.send_message(message)
            assert await socket.get_message() == message
    await running.until(lambda: running.server.statistics().open_websockets == 0)
    assert running.server.statistics().websockets == 1


async def test_fragments_are_joined_and_pings_answered_between_them(start: Any) -> None:
    running = await start()
    client = await running.connect()
    await client.upgrade("/echo")
    await client.send_frame(TEXT, b"one,", fin=False)
    await client.send_frame(PING, b"are you there")
    await client.send_frame(0, "zwei,ü".encode()[:-1], fin=False)
    await client.send_frame(0, "zwei,ü".encode()[-1:] + b",three")
    assert await client.frame() == (PONG, b"are you there")
    assert await client.frame() == (TEXT, "one,zwei,ü,three".encode())


async def test_compression_is_never_taken(start: Any) -> None:
    running = await start()
    client = await running.connect()
    head = await client.upgrade(
        "/echo", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    )
    assert head.startswith(b"HTTP/1.1 101")
    assert b"sec-websocket-extensions" not in head.lower()


async def test_an_upgrade_may_be_refused_with_an_answer(start: Any) -> None:
    running = await start()
    client = await running.connect()
    head = await client.upgrade("/denied")
    assert head.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in head.lower()
    assert await client.read_to_end() == b"no"


@pytest.mark.parametrize(
    "headers",
    [
        "Sec-WebSocket-Version: 12",
        "Sec-WebSocket-Extensions: caf\xe9",
        "Sec-WebSocket-Protocol: \xff",
    ],
)
async def test_a_bad_upgrade_is_a_400(start: Any, headers: str) -> None:
    running = await start()
    client = await running.connect()
    assert (await client.upgrade("/echo", headers)).startswith(b"HTTP/1.1 400")
    assert await client.is_closed()
    assert running.server.statistics().contained_errors == 0


@pytest.mark.parametrize("early", [b"x", b"\x81\x80\0\0\0\0", bytes(100_000)])
async def test_bytes_behind_the_upgrade_request_harm_nobody(
    start: Any, early: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """One byte was enough to end Hypercorn (its issue 225)."""
    running = await start()
    client = await running.connect()
    await client.send(
        b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + early
    )
    assert (await client.head()).startswith(b"HTTP/1.1 400")
    assert await client.is_closed()
    assert (await running.get("/hello")).status == 200
    assert running.server.statistics().contained_errors == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_nothing_is_lost_before_an_orderly_close(start: Any) -> None:
    running = await start()
    async with trio_websocket.open_websocket_url(f"ws://127.0.0.1:{running.port}/collect") as socket:
        for number in range(2000):
            await socket.send_message(str(number))
    await running.probe.wait_for("collect ended")
    assert running.probe.messages == [str(number) for number in range(2000)]


async def test_a_slow_handler_slows_its_client_down_and_loses_nothing(
    start: Any, nursery: trio.Nursery, frame: Callable[..., bytes]
) -> None:
    running = await start()
    client = await running.connect()
    await client.upgrade("/deaf")
    count = 20_000
    sent = 0

    async def send() -> None:
        nonlocal sent
        while sent < count:
            batch = [frame(BINARY, number.to_bytes(4) + bytes(1020)) for number in range(sent, sent + 100)]
            await client.stream.send_all(b"".join(batch))
            sent += 100

    nursery.start_soon(send)
    connection = await running.connection()
    await running.until(lambda: connection.blocked)
    settled = -1
    while settled != sent:  # until the kernel's buffers are full as well
        settled = sent
        await trio.sleep(0.1)
    assert sent < count
    assert running.probe.messages == []
    assert len(connection._protocol.stream.exchange._mailbox) == 16
    running.probe.go_on.set()
    await running.until(lambda: len(running.probe.messages) == count)
    assert [int.from_bytes(message[:4]) for message in running.probe.messages] == list(range(count))


async def test_long_messages_are_bounded_in_bytes_as_well(start: Any, frame: Callable[..., bytes]) -> None:
    running = await start(limits=QUICK, websocket_limits=limits(inbox_bytes=100 * KIB))
    client = await running.connect()
    await client.upgrade("/deaf")
    await client.send(frame(BINARY, bytes(40 * KIB)) * 5)
    connection = await running.connection()
    await running.until(lambda: connection.blocked)
    assert connection._protocol.stream.exchange._mailbox.queued_bytes == 80 * KIB


async def test_a_message_too_long_closes_with_1009(start: Any) -> None:
    running = await start(websocket_limits=limits(message_bytes=1000))
    client = await running.connect()
    await client.upgrade("/collect")
    await client.send_frame(BINARY, bytes(1000))
    await client.send_frame(TEXT, "ü".encode() * 501)
    opcode, payload = await client.frame()
    assert (opcode, closes_with(payload)) == (CLOSE, 1009)
    await running.probe.wait_for("collect ended")
    assert running.probe.messages == [bytes(1000)]
    assert await client.is_closed()


async def test_limits_are_chosen_by_path(start: Any) -> None:
    def by_path(path: str) -> WebSocketLimits:
        return WebSocketLimits(message_bytes=2 * MIB if path == "/echo" else 10)

    running = await start(websocket_limits=by_path)
    client = await running.connect()
    await client.upgrade("/echo")
    await client.send_frame(BINARY, bytes(MIB))
    assert await client.frame() == (BINARY, bytes(MIB))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\x83\x80\0\0\0\0", 1002),  # an op code that does not exist
        (b"\x81\x05hello", 1002),  # a client's frame without a mask
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),  # text that is not UTF-8
        (b"\x80\x80\0\0\0\0", 1002),  # the continuation of nothing
    ],
)
async def test_a_broken_frame_closes_with_its_code(start: Any, bad: bytes, code: int) -> None:
    running = await start(websocket_limits=limits())
    client = await running.connect()
    await client.upgrade("/collect")
    await client.send(bad)
    opcode, payload = await client.frame()
    assert (opcode, closes_with(payload)) == (CLOSE, code)
    await running.probe.wait_for("collect ended")
    assert await client.is_closed()
    assert running.server.statistics().contained_errors == 0


async def test_the_application_closes_with_its_own_code(start: Any) -> None:
    running = await start(websocket_limits=limits())
    client = await running.connect()
    await client.upgrade("/bye")
    opcode, payload = await client.frame()
    assert (opcode, closes_with(payload), payload[2:]) == (CLOSE, 4321, b"bye")
    await running.probe.wait_for("closed")
    await client.send_frame(CLOSE, payload[:2])
    assert await client.is_closed()


async def test_a_close_nobody_answers_ends_all_the_same(start: Any) -> None:
    running = await start(websocket_limits=limits(close_s=0.1))
    client = await running.connect()
    await client.upgrade("/bye")
    assert (await client.frame())[0] == CLOSE
    assert await client.is_closed()


async def test_a_bug_in_a_handler_closes_the_socket(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    running = await start(websocket_limits=limits())
    client = await running.connect()
    await client.upgrade("/crash")
    opcode, _ = await client.frame()
    assert opcode == CLOSE
    assert await client.is_closed()
    assert "a bug in a WebSocket handler" in caplog.text


@pytest.mark.parametrize("goodbye", ["close-frame", "close", "reset", "half-close"])
@pytest.mark.parametrize("path", ["/collect", "/deaf", "/push"])
async def test_a_client_that_leaves_ends_its_handler_and_is_no_error(
    start: Any, path: str, goodbye: str, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start(limits=QUICK, websocket_limits=limits())
    client = await running.connect()
    await client.upgrade(path)
    await running.probe.wait_for(f"{path[1:]} started")
    await client.send_frame(TEXT, b"a last word")
    if goodbye == "close-frame":
        await client.send_frame(CLOSE, b"\x03\xe8")
    elif goodbye == "close":
        await client.stream.aclose()
    elif goodbye == "reset":
        client.reset()
    else:
        await client.stream.send_eof()
    await running.probe.wait_for(f"{path[1:]} ended")
    if goodbye == "close-frame" and path != "/push":
        opcode, payload = await client.frame()
        assert (opcode, closes_with(payload)) == (CLOSE, 1000)
    await client.stream.aclose()
    await running.until(lambda: running.server.statistics().open_connections == 0)
    if path == "/collect" and goodbye != "reset":
        assert running.probe.messages == ["a last word"]
    assert running.server.statistics().open_websockets == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("goodbye", ["close", "reset", "half-close"])
async def test_a_client_that_leaves_is_noticed_behind_a_full_inbox(start: Any, goodbye: str) -> None:
    running = await start(limits=QUICK)
    client = await running.connect()
    await client.upgrade("/deaf")
    for _ in range(100):
        await client.send_frame(TEXT, b"never read")
    connection = await running.connection()
    await running.until(lambda: connection.blocked)
    if goodbye == "close":
        await client.stream.aclose()
    elif goodbye == "reset":
        client.reset()
    else:
        await client.stream.send_eof()
    await running.probe.wait_for("deaf ended")
    assert running.probe.messages == []


async def test_the_heartbeat_keeps_who_answers(start: Any) -> None:
    running = await start(websocket_limits=limits(ping_interval_s=0.05))
    client = await running.connect()
    await client.upgrade("/collect")
    for _ in range(4):
        opcode, payload = await client.frame()
        assert opcode == PING
        await client.send_frame(PONG, payload)
    assert running.server.statistics().heartbeats_lost == 0


@pytest.mark.parametrize("answer", ["nothing", "a wrong pong", "other messages"])
async def test_the_heartbeat_cuts_who_does_not_answer(start: Any, answer: str) -> None:
    running = await start(websocket_limits=limits(ping_interval_s=0.1))
    client = await running.connect()
    await client.upgrade("/collect")
    assert (await client.frame())[0] == PING
    if answer == "a wrong pong":
        await client.send_frame(PONG, b"unasked")
    elif answer == "other messages":
        await client.send_frame(TEXT, b"no pong")
    assert await client.is_closed()
    await running.probe.wait_for("collect ended")
    assert running.server.statistics().heartbeats_lost == 1


async def test_the_heartbeat_does_not_blame_the_client_for_a_slow_handler(start: Any) -> None:
    running = await start(websocket_limits=limits(ping_interval_s=0.1, inbox_messages=1))
    client = await running.connect()
    await client.upgrade("/deaf")
    for _ in range(4):
        await client.send_frame(TEXT, b"work")
    opcode, payload = await client.frame()
    assert opcode == PING
    await client.send_frame(PONG, payload)  # stands behind messages that nobody reads
    await trio.sleep(0.3)
    running.probe.go_on.set()
    await running.until(lambda: len(running.probe.messages) == 4)
    assert running.server.statistics().heartbeats_lost == 0


async def test_the_heartbeat_waits_for_the_end_of_a_long_frame(
    start: Any, frame: Callable[..., bytes]
) -> None:
    running = await start(websocket_limits=limits(ping_interval_s=0.1))
    client = await running.connect()
    await client.upgrade("/collect")
    data = frame(BINARY, bytes(1000))
    await client.send(data[:100])
    _, payload = await client.frame()
    for position in range(100, 1000, 100):  # slowly: several half intervals
        await client.send(data[position : position + 100])
        await trio.sleep(0.02)
    await client.send(data[1000:] + frame(PONG, payload))
    await running.until(lambda: running.probe.messages == [bytes(1000)])
    assert running.server.statistics().heartbeats_lost == 0


async def test_a_stalled_reader_is_cut_after_the_send_deadline(start: Any) -> None:
    running = await start(limits=Limits(send_s=0.2))
    client = await running.connect(receive_bytes=4096)
    await client.upgrade("/push")
    await running.probe.wait_for("push ended")
    assert running.server.statistics().send_deadlines == 1
    assert (await running.get("/hello")).status == 200


@pytest.mark.parametrize("bug", ["returns", "wrong sub-protocol"])
async def test_an_upgrade_that_the_application_bungles_is_a_500(start: Any, bug: str) -> None:
    async def bungle(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        if bug != "returns":
            await send({"type": "websocket.accept", "subprotocol": "never offered"})

    running = await start(bungle)
    client = await running.connect()
    assert (await client.upgrade("/")).startswith(b"HTTP/1.1 500")
    assert await client.is_closed()
    assert running.server.statistics().contained_errors == 0
    assert running.server.statistics().application_errors == (0 if bug == "returns" else 1)


async def test_a_client_that_has_gone_beside_a_cancellation_is_no_error(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As when one task of a session waits for room and is told so, while the others are cancelled."""
    from quart import websocket
    from quart.wrappers.base import ClientDisconnectedError

    from api.server import FrontApp

    app = FrontApp("gone")
    ended = trio.Event()

    @app.websocket("/gone")
    async def gone() -> None:
        async def told_on_the_way_out() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ClientDisconnectedError

        await websocket.accept()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(told_on_the_way_out)
                nursery.start_soon(trio.sleep_forever)
        finally:
            ended.set()

    running = await start(app, limits=QUICK)
    client = await running.connect()
    assert (await client.upgrade("/gone")).startswith(b"HTTP/1.1 101")
    await client.stream.aclose()
    with trio.fail_after(20):
        await ended.wait()
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert running.server.statistics().application_errors == 0
    assert "error in the application" not in caplog.text
