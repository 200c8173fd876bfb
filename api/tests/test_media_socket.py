"""The media socket of a live appliance (contract http.md 5, websocket.md 2)."""

from __future__ import annotations

import io
import json
import socket as sockets
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
from PIL import Image
from trio_websocket import WebSocketConnection

from api.ws import media_jpeg
from api.ws.media import MediaSockets
from api.ws.session import MOST_PENDING_PONGS
from api.ws.wire.media import MediaFrame
from firmware.subsystems.streamer.frames import FrameTimes
from firmware.subsystems.streamer.latency import LatencyMeter

PATH = "/api/media/ws"
START_JPEG = '{"event_type": "start", "event": {"type": "video", "format": "jpeg"}}'
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
# Repetitions of a screen that stands still come more often than usual, so that nobody waits for them here.
REPEAT_S = 0.05
QUICK_STOP = "kvmd: {streamer: {shutdown_delay: 0.1}}"


@pytest.fixture(autouse=True)
def frequent_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_jpeg, "REPEAT_S", REPEAT_S)


async def message_of(socket: WebSocketConnection) -> Any:
    with trio.fail_after(20):
        return await socket.get_message()


def size_of(jpeg: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        image.load()
        return image.size


async def jpeg_clients(live: Any, expected: bool | None) -> None:
    """Wait until the streamer says so of its JPEG sink; None: until it is stopped."""
    with trio.fail_after(20):
        while True:
            running = (await live.http.get("/api/streamer")).json()["result"]["streamer"]
            if (running and running["sinks"]["jpeg"]["has_clients"]) is expected:
                return
            await trio.sleep(0.02)


async def test_the_formats_are_listed(live: Any) -> None:
    result = await live.result_of(await live.http.get("/api/media"))
    assert result == {"media": {"video": {"jpeg": {}}}}


async def test_regular_mode(live: Any) -> None:
    async with live.websocket(path=PATH) as socket:
        assert json.loads(await message_of(socket)) == {
            "event_type": "media",
            "event": {"video": {"jpeg": {}}},
        }
        await socket.send_message(b"\x00\x01\x02")
        assert await message_of(socket) == b"\xff"
        await socket.send_message(START_JPEG)
        await socket.send_message(b"\x00")
        # Nothing is captured yet: a client of this socket does not start the streamer.
        assert await message_of(socket) == b"\xff"
        with trio.move_on_after(1) as scope:
            await socket.get_message()
        assert scope.cancelled_caught
        assert live.appliance.streamer.state.value.streamer is None
        async with live.websocket("?stream=1"):
            frame = await message_of(socket)
            assert frame[:2] == b"\x01\x00"
            width, height = size_of(frame[2:])
            assert width > 0
            assert height > 0
            await jpeg_clients(live, True)
            # A screen that stands still is repeated; a second start changes nothing.
            await socket.send_message(START_JPEG)
            for _ in range(2):
                assert (await message_of(socket))[:4] == b"\x01\x00\xff\xd8"
            assert live.appliance.streamer.jpeg_sink.count.value == 1
    with trio.fail_after(20):
        while live.appliance.streamer.jpeg_sink.count.value:
            await trio.sleep(0.02)


async def test_a_client_stays_over_a_restart_of_the_streamer(live_with: Callable[[str], Any]) -> None:
    async with live_with(QUICK_STOP) as live, live.websocket("?video=jpeg", path=PATH) as socket:
        for _ in range(2):
            async with live.websocket("?stream=1"):
                assert (await message_of(socket))[:2] == b"\xff\xd8"
            await jpeg_clients(live, None)
            with trio.move_on_after(0.2):
                while True:
                    await socket.get_message()


async def test_pure_mode_is_bare_frames_and_nothing_else(live: Any) -> None:
    async with live.websocket("?stream=1"), live.websocket("?video=JPEG", path=PATH) as socket:
        await socket.send_message(b"\x00")
        await socket.send_message(START_JPEG)
        await socket.send_message("no JSON")
        for _ in range(3):
            message = await message_of(socket)
            assert isinstance(message, bytes)
            size_of(message)


BAD_MESSAGES = (
    "",
    "no JSON",
    '{"event_type": "ping", "event": {}}',
    '{"event_type": "start", "event": {"type": "video", "format": "h264"}}',
    '{"event_type": "start", "event": {"type": "audio", "format": "opus"}}',
    b"",
    b"\x01",
    b"\x07",
)


async def test_bad_messages_are_ignored_and_never_answered(live: Any) -> None:
    async with live.websocket(path=PATH) as socket:
        await message_of(socket)
        for message in BAD_MESSAGES:
            await socket.send_message(message)
            await socket.send_message(b"\x00")
            assert await message_of(socket) == b"\xff", message


async def test_refusals_are_those_of_the_proxy(live: Any) -> None:
    async with live.anonymous() as client:
        for path, upgrade in (("/api/media", {}), (PATH, UPGRADE)):
            for credentials, status in (
                ({}, 401),
                ({"X-KVMD-User": "admin", "X-KVMD-Passwd": "no"}, 403),
                ({"Cookie": "auth_token=x"}, 500),
            ):
                answer = await client.get(path, headers={**credentials, **upgrade})
                assert answer.status_code == status
                assert answer.headers["content-type"].startswith("text/html")


async def test_a_format_that_there_is_not_is_refused_before_the_upgrade(live: Any) -> None:
    for video in ("h264", "png", "jpeg2"):
        answer = await live.http.get(f"{PATH}?video={video}", headers=UPGRADE)
        await live.refused(answer, 400, "ValidatorError")


async def test_a_plain_get_is_a_bad_request(live: Any) -> None:
    assert (await live.http.get(PATH)).status_code == 400


async def test_the_heartbeat_is_the_media_daemons_own(
    live_with: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A client that answers no PING is cut off; one of the control socket has more time."""
    async with live_with("media: {server: {heartbeat: 0.2}}") as live:
        headers = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
        async with (
            await live.raw_get(PATH, headers) as media,
            await live.raw_get("/api/ws", headers) as control,
        ):
            with trio.fail_after(20), suppress(trio.BrokenResourceError):
                while await media.receive_some(65536):
                    pass
            assert live.appliance.server.statistics().heartbeats_lost == 1
            with trio.fail_after(20):
                assert await control.receive_some(65536)
    assert "error in the application" not in caplog.text


# -- clients of different speeds ----------------------------------------------------------------------------


async def test_a_client_that_reads_nothing_delays_nobody(
    live_with: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    headers = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    async with live_with("kvmd: {streamer: {desired_fps: {default: 60}}}") as live:
        streamer = live.appliance.streamer
        async with (
            live.websocket("?stream=1"),
            await live.raw_get(f"{PATH}?video=jpeg", headers) as stalled,
            live.websocket("?video=jpeg", path=PATH) as quick,
        ):
            stalled.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
            received = 0
            begun = streamer.frames.value.number if streamer.frames.value else 0
            with trio.fail_after(60):
                for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 2:
                    before = streamer.frames.version
                    for state in (1, 0):
                        await live.http.post(f"/api/hid/events/send_key?key=Key{letter}&state={state}")
                    await streamer.frames.wait_newer(before)
                    number = streamer.frames.value.number
                    # The newest one comes through each time, not one of a backlog.
                    while True:
                        received += 1
                        if await message_of(quick) == streamer.frames.value.data:
                            break
                    assert streamer.frames.value.number >= number
            assert received >= 52
            assert streamer.frames.value.number - begun >= 52
    statistics = live.appliance.application._front.media.statistics()
    assert statistics["clients"] == 0
    assert statistics["dropped_frames"] > 0
    # That it went away in the middle of a frame is no error of anybody.
    assert "error in the application" not in caplog.text


# -- a format of the other kind -----------------------------------------------------------------------------


class Encoder:
    """A format whose frames need their predecessors, fed by the test."""

    name = "h264"
    parameters: Mapping[str, object] = {"profile_level_id": "42E01F"}

    def __init__(self) -> None:
        self.feeds: set[trio.MemorySendChannel[MediaFrame]] = set()
        self.keys_wanted = 0
        self.latency = LatencyMeter()

    @contextmanager
    def listen(self) -> Iterator[Any]:
        send, receive = trio.open_memory_channel[MediaFrame](1000)
        self.feeds.add(send)

        class Feed:
            async def next(self) -> MediaFrame:
                return await receive.receive()

        try:
            yield Feed()
        finally:
            self.feeds.remove(send)

    def request_key_frame(self) -> None:
        self.keys_wanted += 1

    def encode(self, data: bytes, *, key: bool = False) -> None:
        now = time.monotonic()
        frame = MediaFrame(self.name, data, FrameTimes(now - 0.03, now - 0.02, now - 0.01, now), key=key)
        for feed in self.feeds:
            feed.send_nowait(frame)


class Pipe:
    """A WebSocket whose client is the test; it takes a message only when the test allows it."""

    def __init__(self) -> None:
        self.to_server, self._incoming = trio.open_memory_channel[str | bytes](100)
        self._outgoing, self.from_server = trio.open_memory_channel[str | bytes](0)

    async def receive(self) -> str | bytes:
        return await self._incoming.receive()

    async def send(self, message: str | bytes) -> None:
        await self._outgoing.send(message)


async def test_frames_that_need_each_other_wait_in_order_until_it_is_too_much() -> None:
    encoder, pipe = Encoder(), Pipe()
    sockets = MediaSockets([encoder])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(sockets.serve, may=lambda _: True), pipe)
        offer = json.loads(str(await pipe.from_server.receive()))
        assert offer["event"] == {"video": {"h264": {"profile_level_id": "42E01F"}}}
        await pipe.to_server.send(b"\x01")  # ignored: nothing was started
        await pipe.to_server.send(START_JPEG)  # ignored: there is no JPEG here
        await pipe.to_server.send('{"event_type":"start","event":{"type":"video","format":"h264"}}')
        await trio.testing.wait_all_tasks_blocked()
        assert encoder.keys_wanted == 1
        encoder.encode(b"before the key")
        encoder.encode(b"key", key=True)
        encoder.encode(b"1")
        await trio.testing.wait_all_tasks_blocked()
        assert await pipe.from_server.receive() == b"\x01\x01key"
        assert await pipe.from_server.receive() == b"\x01\x001"
        await pipe.to_server.send(b"\x01")
        await trio.testing.wait_all_tasks_blocked()
        assert encoder.keys_wanted == 2
        # One frame is on its way, 32 wait, and the next is one too many.
        for number in range(1 + 32):
            encoder.encode(b"%d" % number)
            await trio.testing.wait_all_tasks_blocked()
        assert encoder.keys_wanted == 2
        encoder.encode(b"too much")
        await trio.testing.wait_all_tasks_blocked()
        assert encoder.keys_wanted == 3
        encoder.encode(b"cannot be shown")
        encoder.encode(b"new", key=True)
        await trio.testing.wait_all_tasks_blocked()
        assert await pipe.from_server.receive() == b"\x01\x000"
        assert await pipe.from_server.receive() == b"\x01\x01new"
        assert sockets.statistics()["clients"] == 1
        nursery.cancel_scope.cancel()
    assert not encoder.feeds
    assert sockets.statistics() == {"clients": 0, "dropped_frames": 35}


async def test_a_client_that_pings_and_reads_nothing_loses_pongs() -> None:
    pipe = Pipe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(MediaSockets([Encoder()]).serve, may=lambda _: True), pipe)
        await pipe.from_server.receive()
        for _ in range(90):
            await pipe.to_server.send(b"\x00")
        await trio.testing.wait_all_tasks_blocked()
        pongs = 0
        with trio.move_on_after(0.5):
            while True:
                assert await pipe.from_server.receive() == b"\xff"
                pongs += 1
        # At most one batch on its way and one that waits.
        assert MOST_PENDING_PONGS <= pongs <= 2 * MOST_PENDING_PONGS
        nursery.cancel_scope.cancel()


async def test_a_client_that_asks_for_it_knows_how_old_each_picture_is() -> None:
    encoder, pipe = Encoder(), Pipe()
    start = '{"event_type":"start","event":{"type":"video","format":"h264","timing":true}}'
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(MediaSockets([encoder]).serve, may=lambda _: True), pipe)
        await pipe.from_server.receive()
        await pipe.to_server.send(start)
        while not encoder.feeds:
            await trio.sleep(0.001)
        encoder.encode(b"first", key=True)
        # It may be an old picture.
        assert await pipe.from_server.receive() == b"\x01\x01first"
        encoder.encode(b"second")
        message = await pipe.from_server.receive()
        assert isinstance(message, bytes)
        assert message[0] == 2
        grab_begin, grab_end, encode_begin, encode_end, sent = struct.unpack(">5d", message[1:])
        assert grab_begin < grab_end < encode_begin < encode_end <= sent <= time.monotonic()
        assert await pipe.from_server.receive() == b"\x01\x00second"
        before = time.monotonic()
        await pipe.to_server.send(b"\x02my clock")
        clock = await pipe.from_server.receive()
        assert isinstance(clock, bytes)
        assert clock[:9] == b"\x03my clock"
        received, answered = struct.unpack(">2d", clock[9:])
        assert before <= received <= answered <= time.monotonic()
        await pipe.to_server.send('{"event_type":"painted","event":{"latency_s":[0.03,0.04]}}')
        # In order behind it.
        await pipe.to_server.send(b"\x00")
        assert await pipe.from_server.receive() == b"\xff"
        stages = encoder.latency.state()
        assert (stages["paint"].count, stages["total"].count) == (2, 1)
        assert 30 <= stages["paint"].p50_ms <= 40
        nursery.cancel_scope.cancel()
