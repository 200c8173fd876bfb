"""The fan daemon's client against a real unix socket."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.system.fan import MAX_BODY_BYTES, FanDaemon, FanHall, FanService, FanState, FanTemp, FanWheel

_STATE = {
    "service": {"now_ts": 4821.33},
    "temp": {"real": 41.2, "fixed": 41.2},
    "fan": {"speed": 25.0, "pwm": 256, "ok": True, "last_fail_ts": -1.0},
    "hall": {"available": False, "rpm": 0},
}
_BODY = json.dumps({"ok": True, "result": _STATE}).encode()
_EXPECTED = FanState(
    FanService(4821.33), FanTemp(41.2, 41.2), FanWheel(25.0, 256, True, -1.0), FanHall(False, 0)
)

type Conversation = Callable[[trio.SocketStream], Awaitable[None]]
type Serve = Callable[[Conversation], Awaitable[FanDaemon]]


@pytest.fixture
async def serve(tmp_path: Path, nursery: trio.Nursery) -> Serve:
    """Start a server that holds one kind of conversation, and return a client of it."""

    async def start(conversation: Conversation) -> FanDaemon:
        path = tmp_path / "fan.sock"
        sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        await sock.bind(str(path))
        sock.listen(5)

        async def handle(stream: trio.SocketStream) -> None:
            async with stream:
                await _request(stream)
                await conversation(stream)

        await nursery.start(trio.serve_listeners, handle, [trio.SocketListener(sock)])
        return FanDaemon(path, timeout_s=5.0)

    return start


async def _request(stream: trio.SocketStream) -> bytes:
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some()
    assert head.startswith(b"GET /state HTTP/1.1\r\n")
    return bytes(head)


def _answer(body: bytes, *, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def test_the_state(serve: Serve) -> None:
    daemon = await serve(lambda stream: stream.send_all(_answer(_BODY)))
    assert await daemon.read() == _EXPECTED
    assert await daemon.read() == _EXPECTED


async def test_an_answer_byte_by_byte_and_chunked(serve: Serve) -> None:
    async def drip(stream: trio.SocketStream) -> None:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (_BODY[:7], _BODY[7:]))
        reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        for index in range(len(reply)):
            await stream.send_all(reply[index : index + 1])

    assert await (await serve(drip)).read() == _EXPECTED


async def test_a_body_that_ends_with_the_connection(serve: Serve) -> None:
    daemon = await serve(lambda stream: stream.send_all(b"HTTP/1.0 200 OK\r\n\r\n" + _BODY))
    assert await daemon.read() == _EXPECTED


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"SSH-2.0-something\r\n",
        b"\0" * 100,
        b"X" * 100_000,
        _answer(b"no", status=b"404 Not Found"),
        _answer(_BODY, status=b"500 Internal Server Error"),
        _answer(b"{"),
        _answer(b"[]"),
        _answer(b"\xff\xfe"),
        _answer(json.dumps({"ok": False, "result": _STATE}).encode()),
        _answer(json.dumps({"ok": True, "result": {**_STATE, "fan": None}}).encode()),
        _answer(b'"' + b"x" * MAX_BODY_BYTES + b'"'),
    ],
    ids=range(13),
)
@pytest.mark.fault("fan daemon", "garbage")
async def test_a_bad_answer_is_a_driver_error(serve: Serve, reply: bytes) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        try:
            await stream.send_all(reply)
        except trio.BrokenResourceError:
            return  # the client has seen enough

    daemon = await serve(answer)
    with pytest.raises(DriverError) as caught:
        await daemon.read()
    assert isinstance(caught.value, BadReplyError | DeviceGoneError)
    assert len(str(caught.value)) < 500


@pytest.mark.fault("fan daemon", "stalls")
async def test_a_silent_daemon_is_given_up(serve: Serve, autojump_clock: trio.testing.MockClock) -> None:
    async def silent(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    daemon = await serve(silent)
    started = trio.current_time()
    with pytest.raises(DeviceTimeoutError, match=r"within 5.0 s"):
        await daemon.read()
    assert trio.current_time() - started == 5.0


@pytest.mark.fault("fan daemon", "missing")
async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match=r"fan\.sock"):
        await FanDaemon(tmp_path / "fan.sock", timeout_s=5.0).read()
    abandoned = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await abandoned.bind(str(tmp_path / "fan.sock"))
    abandoned.close()
    with pytest.raises(DeviceGoneError, match="refused"):
        await FanDaemon(tmp_path / "fan.sock", timeout_s=5.0).read()
    with pytest.raises(DriverError, match="too long"):
        await FanDaemon(Path("/" + "x" * 200), timeout_s=5.0).read()


@pytest.mark.fault("fan daemon", "vanishes", "returns")
async def test_a_daemon_that_is_started_anew_is_asked_again(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / "fan.sock"
    daemon = FanDaemon(path, timeout_s=5.0)

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await _request(stream)
            await stream.send_all(_answer(_BODY))

    for _ in range(2):
        with trio.CancelScope() as life, trio.socket.socket(trio.socket.AF_UNIX) as sock:
            await sock.bind(str(path))
            sock.listen(5)
            async with trio.open_nursery() as serving:
                await serving.start(trio.serve_listeners, answer, [trio.SocketListener(sock)])
                assert await daemon.read() == _EXPECTED
                life.cancel()
        with pytest.raises(DeviceGoneError, match="refused"):
            await daemon.read()
        path.unlink()
