"""H.264 on the media socket of a live appliance: real encoder, real decoder (contract websocket.md 2)."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest
import trio
from numpy.typing import NDArray
from PIL import Image
from trio_websocket import WebSocketConnection

from api.ws.media import MediaSockets
from api.ws.media_h264 import H264Format
from drivers.video.frame import Frame, PixelFormat
from drivers.video.glyph_reader import read_text
from drivers.video.h264.annexb import SEQUENCE_PARAMETERS, is_key_frame, units
from firmware.core.supervise import TaskPhase

type Picture = NDArray[np.float64]

PATH = "/api/media/ws"
START = '{"event_type": "start", "event": {"type": "video", "format": "h264"}}'
OVERRIDE = (
    "kvmd: {streamer: {h264_bitrate: {default: 5000}, h264_gop: {default: 30},"
    " resolution: {default: 1280x720, available: [640x480]}, shutdown_delay: 0.1, reset_delay: 0.1}}"
)
PARAMETERS = {"h264": {"profile_level_id": "42E01F"}, "jpeg": {}}


@pytest.fixture
async def live(live_with: Callable[[str], Any]) -> AsyncIterator[Any]:
    """An appliance with H.264, whose streamer runs."""
    async with live_with(OVERRIDE) as live, live.websocket("?stream=1"):
        yield live


async def message_of(socket: WebSocketConnection) -> Any:
    with trio.fail_after(30):
        return await socket.get_message()


class Viewer:
    """A client with a decoder that does not forgive."""

    def __init__(self, socket: WebSocketConnection, *, pure: bool = False) -> None:
        self._socket = socket
        self._pure = pure
        self._decoder: Any = av.CodecContext.create("h264", "r")
        self._decoder.options = {"err_detect": "explode"}
        self.keys: list[bool] = []
        self.picture: Any = None

    async def next(self) -> Any:
        """Return the next picture, decoded at once: nothing is held back."""
        data = await message_of(self._socket)
        key = is_key_frame(data)
        if not self._pure:
            assert data[0] == 1
            assert data[1] == is_key_frame(data[2:])
            data, key = data[2:], bool(data[1])
        self.keys.append(key)
        (self.picture,) = self._decoder.decode(av.Packet(data))
        return self.picture

    async def until(self, wanted: Callable[[Any], bool]) -> None:
        with trio.fail_after(30):
            while not wanted(await self.next()):
                pass

    def shows(self, expected: Picture) -> bool:
        """Whether the last picture is *expected*, except for what codecs do to it."""
        shown = self.picture.to_ndarray(format="gray")
        return shown.shape == expected.shape and bool(np.abs(shown - expected).mean() < 6)

    def text(self) -> str:
        grey = self.picture.to_ndarray(format="gray")
        height, width = grey.shape
        return "\n".join(read_text(Frame(grey.tobytes(), width, height, width, PixelFormat.GREY, 0.0, 0.0)))


@asynccontextmanager
async def viewer(live: Any) -> AsyncIterator[Viewer]:
    async with live.websocket(path=PATH) as socket:
        assert json.loads(await message_of(socket)) == {"event_type": "media", "event": {"video": PARAMETERS}}
        await socket.send_message(START)
        yield Viewer(socket)


async def snapshot_of(live: Any) -> Picture:
    """The present picture in grey, by way of the other encoder."""
    answer = await live.http.get("/api/streamer/snapshot?allow_offline=1")
    with Image.open(io.BytesIO(answer.content)) as image:
        return np.asarray(image.convert("L"), dtype=np.float64)


async def state_when(live: Any, wanted: Callable[[Any], bool]) -> Any:
    with trio.fail_after(30):
        while True:
            state = await live.result_of(await live.http.get("/api/streamer"))
            if wanted(state):
                return state
            await trio.sleep(0.02)


# -- what is told -------------------------------------------------------------------------------------------


async def test_it_is_offered_and_its_parameters_are_those_of_the_encoder(live: Any) -> None:
    assert await live.result_of(await live.http.get("/api/media")) == {"media": {"video": PARAMETERS}}
    state = await state_when(live, lambda state: state["streamer"] and state["streamer"]["h264"]["online"])
    assert state["features"]["h264"] is True
    assert state["limits"]["h264_bitrate"] == {"min": 25, "max": 20000}
    assert state["limits"]["h264_gop"] == {"min": 0, "max": 60}
    assert (state["params"]["h264_bitrate"], state["params"]["h264_gop"]) == (5000, 30)
    assert state["applied"] == state["params"]
    running = state["streamer"]
    assert {**running["h264"], "fps": 0} == {"bitrate": 5000, "gop": 30, "online": True, "fps": 0}
    assert running["sinks"] == {"jpeg": {"has_clients": False}, "h264": {"has_clients": False}}
    async with viewer(live) as client:
        await client.next()
        await state_when(live, lambda state: state["streamer"]["sinks"]["h264"]["has_clients"])
    await state_when(live, lambda state: not state["streamer"]["sinks"]["h264"]["has_clients"])
    # Within the validator's range, but not within the configured one: dropped.
    for query in ("h264_bitrate=800&h264_gop=5", "h264_gop="):
        assert await live.result_of(await live.http.post(f"/api/streamer/set_params?{query}")) == {}
    state = await state_when(
        live, lambda state: state["streamer"] and state["streamer"]["h264"]["bitrate"] == 800
    )
    assert state["applied"]["h264_gop"] == 5
    answer = await live.http.post("/api/streamer/set_params?h264_bitrate=20001")
    await live.refused(answer, 400, "ValidatorError")


async def test_nothing_is_encoded_while_nobody_listens(live: Any) -> None:
    streamer = live.appliance.streamer

    async def frames_are_captured() -> None:
        enough = streamer.statistics()["captured_frames"] + 5
        with trio.fail_after(30):
            while streamer.statistics()["captured_frames"] < enough:
                await trio.sleep(0.01)

    await state_when(live, lambda state: state["streamer"] and state["streamer"]["h264"]["online"])
    await frames_are_captured()
    assert streamer.statistics()["h264_frames"] == 0
    async with viewer(live) as client:
        await client.next()
    with trio.fail_after(30):
        while streamer.h264.audience.count.value:
            await trio.sleep(0.01)
    await frames_are_captured()
    count = streamer.statistics()["h264_frames"]
    assert count >= 1
    await frames_are_captured()
    assert streamer.statistics()["h264_frames"] == count


async def test_values_beyond_the_limits_are_dropped(live_with: Callable[[str], Any]) -> None:
    limits = "kvmd: {streamer: {h264_bitrate: {default: 5000, max: 6000}, h264_gop: {min: 10}}}"
    async with live_with(limits) as live:
        before = await live.result_of(await live.http.get("/api/streamer"))
        assert before["params"]["h264_gop"] == 10
        await live.http.post("/api/streamer/set_params?h264_bitrate=7000&h264_gop=9&quality=33")
        state = await state_when(live, lambda state: state["params"]["quality"] == 33)
        assert state["params"] == {**before["params"], "quality": 33}


@pytest.mark.parametrize("bitrate", [0, 5000])
async def test_without_an_encoder_there_is_no_such_feature(
    live_with: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, bitrate: int
) -> None:
    if bitrate:
        monkeypatch.setattr("firmware.subsystems.streamer.service.missing_package", lambda: "PyAV")
    async with live_with(f"kvmd: {{streamer: {{h264_bitrate: {{default: {bitrate}}}}}}}") as live:
        state = await live.result_of(await live.http.get("/api/streamer"))
        assert state["features"]["h264"] is False
        assert set(state["limits"]) == {"desired_fps"}
        assert set(state["params"]) == {"desired_fps", "quality"}
        answer = await live.http.post("/api/streamer/set_params?h264_gop=30")
        assert ("PyAV is not installed" in answer.text) is bool(bitrate)
        await live.refused(answer, 400, "StreamerH264NotSupported")
        assert await live.result_of(await live.http.get("/api/media")) == {"media": {"video": {"jpeg": {}}}}
        async with live.websocket("?stream=1"):
            state = await state_when(live, lambda state: bool(state["streamer"]))
            assert "h264" not in state["streamer"]
            assert set(state["streamer"]["sinks"]) == {"jpeg"}


# -- what is sent -------------------------------------------------------------------------------------------


async def test_regular_mode_begins_with_a_key_frame_and_has_one_on_demand(live: Any) -> None:
    async with viewer(live) as client, viewer(live) as other:
        await client.next()
        assert client.keys == [True]
        assert (client.picture.width, client.picture.height) == (1280, 720)
        await client._socket.send_message(b"\x01")
        await client.until(lambda _: sum(client.keys) == 2)
        # One that joins later begins with one as well, and sees what there is to be seen.
        await other.next()
        assert other.keys == [True]
        assert other.shows(await snapshot_of(live))


async def test_what_is_typed_is_seen(live: Any) -> None:
    async with viewer(live) as client:
        await client.until(lambda _: "login" in client.text() or "$" in client.text() or ">" in client.text())
        await live.http.post("/api/hid/print?limit=0", content=b"echo h264 is here")
        await client.until(lambda _: "h264 is here" in client.text())


async def test_pure_mode_is_the_bare_stream(live: Any) -> None:
    async with live.websocket("?video=h264", path=PATH) as socket:
        await socket.send_message(START)
        await socket.send_message(b"\x00")
        client = Viewer(socket, pure=True)
        await client.next()
        assert client.keys == [True]
        await client.next()


async def test_a_client_stays_over_a_change_of_the_resolution(live: Any) -> None:
    async with viewer(live) as client:
        await client.next()
        await live.http.post("/api/streamer/set_params?resolution=640x480")
        await client.until(lambda picture: picture.width == 640)
        assert client.keys[-1]


async def test_a_screen_without_a_signal_is_shown_to_whoever_joins(live: Any) -> None:
    """The picture that says why there is none is rendered once, and may be long before."""
    live.pc.video.blank("somebody has pulled the cable")
    await state_when(live, lambda state: state["streamer"] and not state["streamer"]["source"]["online"])
    expected = await snapshot_of(live)
    for _ in range(2):
        async with viewer(live) as client:
            await client.until(lambda _: client.shows(expected))
            assert client.keys[0]


# -- what goes wrong ----------------------------------------------------------------------------------------


async def test_the_stream_goes_on_after_a_crash_of_the_encoder(live: Any) -> None:
    stage = live.appliance.streamer.h264
    async with viewer(live) as client:
        await client.next()
        os.kill(stage.pid, signal.SIGKILL)
        await client.until(lambda _: sum(client.keys) == 2)
    task = live.appliance.supervisor.tasks.value["streamer.h264"]
    assert (task.phase, task.faults, task.bugs) == (TaskPhase.ONLINE, 1, 0)


class SlowClient:
    """A WebSocket whose client takes a message only when the test does."""

    def __init__(self) -> None:
        self._outgoing, self._messages = trio.open_memory_channel[str | bytes](0)

    async def receive(self) -> str | bytes:
        return await trio.sleep_forever()

    async def send(self, message: str | bytes) -> None:
        await self._outgoing.send(message)

    async def next(self) -> bytes:
        """Take one."""
        message = await self._messages.receive()
        assert isinstance(message, bytes)
        return message


async def test_a_client_that_is_too_slow_goes_on_with_a_key_frame_and_delays_nobody(live: Any) -> None:
    sockets, slow = MediaSockets([H264Format(live.appliance.streamer.h264)]), SlowClient()
    async with viewer(live) as quick, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: sockets.serve(slow, may=lambda _: True, pure="h264"))
        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.options = {"err_detect": "explode"}
        first = await slow.next()
        assert is_key_frame(first)
        decoder.decode(av.Packet(first))
        # Pictures enough for its queue and more: the quick one asks for them.
        asked = len(quick.keys) + 80
        await quick.until(lambda _: _ask(live, len(quick.keys)) or len(quick.keys) >= asked)
        # What waited was thrown away: a frame may have been on its way, then comes the new beginning.
        message = await slow.next()
        if not is_key_frame(message):
            decoder.decode(av.Packet(message))
            message = await slow.next()
        assert is_key_frame(message)
        assert next(kind for kind, _, _ in units(message)) == SEQUENCE_PARAMETERS
        decoder = av.CodecContext.create("h264", "r")
        decoder.options = {"err_detect": "explode"}
        decoder.decode(av.Packet(message))
        nursery.cancel_scope.cancel()
    assert sockets.statistics()["dropped_frames"] > 32


def _ask(live: Any, number: int) -> bool:
    """Keep the encoder at it: each demand makes the picture that stands still better once more."""
    if number % 5 == 0:
        live.appliance.streamer.h264.request_key_frame()
    return False
