"""The streamer's own routes, `/streamer/*`, as browsers and scripts use them (contract http.md 6)."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from PIL import Image

from api.routes import stream as stream_module

BOUNDARY = b"--boundarydonotcross\r\n"
EXTRA = [
    *("Online", "Dropped", "Width", "Height", "Client-FPS", "Grab-Begin-Time", "Grab-End-Time"),
    *("Encode-Begin-Time", "Encode-End-Time", "Expose-Begin-Time", "Expose-Cmp-Time", "Expose-End-Time"),
    *("Send-Time", "Latency"),
]


@pytest.fixture
async def streaming(live: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """An appliance whose streamer runs and has a picture, which it repeats more often than usual."""
    monkeypatch.setattr(stream_module, "REPEAT_S", 0.05)
    async with live.websocket("?stream=1"):
        with trio.fail_after(30):
            while (await live.http.get("/streamer/state")).status_code != 200:
                await trio.sleep(0.05)
        yield live


class Reader:
    """Reads one stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.data = b""

    async def until(self, separator: bytes) -> bytes:
        """Take what comes before *separator*, and that."""
        with trio.fail_after(30):
            while separator not in self.data:
                received = await self._stream.receive_some(65536)
                assert received
                self.data += received
        taken, self.data = self.data.split(separator, 1)
        return taken

    async def exactly(self, count: int) -> bytes:
        with trio.fail_after(30):
            while len(self.data) < count:
                received = await self._stream.receive_some(65536)
                assert received
                self.data += received
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    async def headers(self) -> dict[str, str]:
        lines = (await self.until(b"\r\n\r\n")).decode().split("\r\n")
        return dict(line.split(": ", 1) for line in lines)

    async def answer_headers(self) -> dict[str, str]:
        status = await self.until(b"\r\n")
        assert status.split(b" ")[1] == b"200"
        return {name.lower(): value for name, value in (await self.headers()).items()}

    async def part(self) -> tuple[dict[str, str], bytes]:
        assert await self.until(BOUNDARY) == b""
        headers = await self.headers()
        body = await self.exactly(int(headers["Content-Length"]))
        assert await self.exactly(2) == b"\r\n"
        return headers, body


def is_whole(jpeg: bytes) -> bool:
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        image.load()
        return image.width > 0


async def test_a_plain_stream(streaming: Any) -> None:
    async with await streaming.raw_get("/streamer/stream") as stream:
        reader = Reader(stream)
        headers = await reader.answer_headers()
        assert headers["cache-control"].startswith("no-store")
        assert headers["pragma"] == "no-cache"
        assert headers["expires"] == "Mon, 3 Jan 2000 12:34:56 GMT"
        assert "content-length" not in headers
        # Readable from scripts, and without a key it is 0.
        assert re.fullmatch(r"stream_client=0/[0-9a-f]+; path=/; max-age=30", headers["set-cookie"])
        for _ in range(2):
            part, body = await reader.part()
            assert list(part) == ["Content-Type", "Content-Length", "X-Timestamp"]
            assert part["Content-Type"] == "image/jpeg"
            assert re.fullmatch(r"\d+\.\d{6}", part["X-Timestamp"])
            assert is_whole(body)


async def test_extra_headers(streaming: Any) -> None:
    async with await streaming.raw_get("/streamer/stream?extra_headers=yes") as stream:
        reader = Reader(stream)
        await reader.answer_headers()
        for _ in range(2):
            part, body = await reader.part()
            assert list(part)[3:] == [f"X-UStreamer-{name}" for name in EXTRA]
            with Image.open(io.BytesIO(body)) as image:
                assert image.size == (int(part["X-UStreamer-Width"]), int(part["X-UStreamer-Height"]))
            assert part["X-UStreamer-Online"] == "true"
            assert float(part["X-UStreamer-Latency"]) >= 0


async def test_the_headers_of_the_next_part_come_in_advance(streaming: Any) -> None:
    async with await streaming.raw_get("/streamer/stream?advance_headers=1&extra_headers=1") as stream:
        reader = Reader(stream)
        await reader.answer_headers()
        for _ in range(2):
            assert await reader.until(BOUNDARY) == b""
            headers = await reader.headers()
            assert list(headers) == ["Content-Type", "X-Timestamp"]
            # The picture ends where the next part begins, which is there at once.
            picture = await reader.until(b"\r\n" + BOUNDARY)
            assert is_whole(picture)
            reader.data = BOUNDARY + reader.data


async def test_no_data_is_headers_only(streaming: Any) -> None:
    async with await streaming.raw_get("/streamer/stream?zero_data=true") as stream:
        reader = Reader(stream)
        await reader.answer_headers()
        for _ in range(2):
            part, body = await reader.part()
            assert part["Content-Length"] == "0"
            assert body == b""


async def test_the_last_frame_of_a_burst_is_sent_twice(
    streaming: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No other repetition comes now.
    monkeypatch.setattr(stream_module, "REPEAT_S", 3600)
    async with await streaming.raw_get("/streamer/stream?dual_final_frames=1") as stream:
        reader = Reader(stream)
        await reader.answer_headers()
        (_, picture), (_, repeated) = await reader.part(), await reader.part()
        assert picture == repeated


async def test_a_client_is_found_in_the_statistics_by_its_cookie(streaming: Any) -> None:
    query = "key=a%20b%2Fc&advance_headers=1&zero_data=1&dual_final_frames=no"
    async with await streaming.raw_get(f"/streamer/stream?{query}") as stream:
        reader = Reader(stream)
        cookie = (await reader.answer_headers())["set-cookie"].split(";")[0]
        name, key, identifier = re.split("[=/]", cookie)
        assert (name, key) == ("stream_client", "a%20b%2Fc")
        await reader.until(BOUNDARY)
        state = await streaming.result_of(await streaming.http.get("/streamer/state"))
        assert state["stream"]["clients"] == 1
        (client,) = state["stream"]["clients_stat"].items()
        assert client[0] == identifier
        assert {name: value for name, value in client[1].items() if name != "fps"} == {
            "extra_headers": False,
            "advance_headers": True,
            "dual_final_frames": False,
            "zero_data": True,
            "key": "a%20b%2Fc",
        }


async def test_a_stream_ends_with_the_streamer(streaming: Any) -> None:
    async with await streaming.raw_get("/streamer/stream") as stream:
        reader = Reader(stream)
        await reader.answer_headers()
        await streaming.http.post("/api/streamer/reset")
        with trio.fail_after(30):
            while await stream.receive_some(65536):
                pass


async def test_the_routes_of_mjpg_streamer(streaming: Any) -> None:
    page = await streaming.http.get("/streamer/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    snapshot = await streaming.http.get("/streamer/?action=snapshot")
    assert (snapshot.status_code, snapshot.headers["content-type"]) == (200, "image/jpeg")
    assert is_whole(snapshot.content)
    assert snapshot.headers["x-ustreamer-online"] == "true"
    async with await streaming.raw_get("/streamer/?action=stream&key=1&zero_data=1") as stream:
        reader = Reader(stream)
        headers = await reader.answer_headers()
        assert headers["content-type"] == "multipart/x-mixed-replace;boundary=boundarydonotcross"
        assert headers["set-cookie"].startswith("stream_client=1/")
        assert (await reader.part())[1] == b""


async def test_head_and_options_are_empty(live: Any) -> None:
    for path in ("/streamer/", "/streamer/state", "/streamer/snapshot", "/streamer/stream"):
        for answer in (await live.http.head(path), await live.http.options(path)):
            assert answer.status_code == 200
            assert answer.content == b""
            assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_a_missing_picture_is_one_that_says_why(streaming: Any) -> None:
    streaming.pc.faults.set("video", "unplug")
    with trio.fail_after(30):
        while (answer := await streaming.http.get("/streamer/snapshot")).headers[
            "x-ustreamer-online"
        ] != "false":
            await trio.sleep(0.05)
    assert answer.status_code == 200
    assert is_whole(answer.content)
    await streaming.refused(await streaming.http.get("/api/streamer/snapshot"), 503, "UnavailableError")
    offline = await streaming.http.get("/api/streamer/snapshot?allow_offline=1&save=1")
    assert offline.headers["x-ustreamer-online"] == "false"
    kept = (await streaming.result_of(await streaming.http.get("/api/streamer")))["snapshot"]["saved"]
    assert kept["online"] is False
