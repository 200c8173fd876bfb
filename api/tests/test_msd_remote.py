"""Images from other servers: what a client of write_remote sees, and what is left on the disk."""

from __future__ import annotations

import errno
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trio

from api import progress

CONTENT = random.Random(2).randbytes(3_000_000)
type Script = Callable[[trio.SocketStream], Awaitable[None]]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The directory of the images of the fixture's appliance."""
    return tmp_path / "state" / "images"


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@asynccontextmanager
async def origin(script: Script) -> AsyncIterator[str]:
    """A real server that reads one request a connection and goes on as *script* does; gives its address."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some(65536)
            try:
                await script(stream)
            except trio.BrokenResourceError:
                return  # the appliance has had enough

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def sends(head: str, body: bytes = b"", then: Script | None = None) -> Script:
    async def script(stream: trio.SocketStream) -> None:
        await stream.send_all(f"HTTP/1.1 {head}\r\n\r\n".encode() + body)
        if then is not None:
            await then(stream)

    return script


def whole(*headers: str) -> Script:
    return sends("\r\n".join(("200 OK", f"Content-Length: {len(CONTENT)}", *headers)), CONTENT)


async def fetch(live: Any, url: str, **params: str) -> Any:
    return await live.http.post("/api/msd/write_remote?" + urlencode({"url": url, **params}))


def lines_of(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["connection"] == "close"
    *lines, end = answer.content.split(b"\r\n")
    assert end == b""
    assert not any(b"\n" in line for line in lines)
    return [json.loads(line) for line in lines]


def written(name: str, size: int, count: int) -> dict[str, Any]:
    return {"ok": True, "result": {"image": {"name": name, "size": size, "written": count}}}


async def test_an_image_of_another_server_is_there_with_the_last_line(live: Any, images: Path) -> None:
    await live.msd_ready()
    async with origin(whole()) as host:
        lines = lines_of(await fetch(live, f"http://{host}/pub/os%201.img"))
    assert lines[0] == written("os 1.img", len(CONTENT), 0)
    assert lines[-1] == written("os 1.img", len(CONTENT), len(CONTENT))
    state = await live.msd()
    assert state["busy"] is False
    assert state["storage"]["uploading"] is None
    assert state["storage"]["images"]["os 1.img"]["complete"] is True
    assert files_in(images)["os 1.img"] == CONTENT
    await live.result_of(await live.http.post("/api/msd/set_params?image=os%201.img"))


@pytest.mark.parametrize(
    ("params", "header", "name"),
    [
        ({}, "Content-Disposition: attachment; filename=\"x\"; filename*=UTF-8''b%20c.iso", "b c.iso"),
        ({"prefix": "os/linux"}, "X: y", "os/linux/a.img"),
        (
            {"prefix": "os", "image": "sub/mine.img"},
            'Content-Disposition: attachment; filename="x"',
            "os/sub/mine.img",
        ),
        ({"prefix": " "}, 'Content-Disposition: attachment; filename="../.."', "a.img"),
    ],
)
async def test_names(live: Any, params: dict[str, str], header: str, name: str) -> None:
    await live.msd_ready()
    async with origin(whole(header)) as host:
        lines = lines_of(await fetch(live, f"http://{host}/a.img?x=/y", **params))
    assert lines[-1] == written(name, len(CONTENT), len(CONTENT))
    assert set((await live.msd())["storage"]["images"]) == {name}


async def test_progress_is_told_while_it_goes_on(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PROGRESS_S", 0.05)
    await live.msd_ready()
    half = len(CONTENT) // 2
    go_on = trio.Event()

    async def rest(stream: trio.SocketStream) -> None:
        await go_on.wait()
        await stream.send_all(CONTENT[half:])

    head = f"200 OK\r\nContent-Length: {len(CONTENT)}"
    async with (
        origin(sends(head, CONTENT[:half], rest)) as host,
        live.http.stream("POST", f"/api/msd/write_remote?url=http://{host}/a.img") as answer,
    ):
        counts = []
        async for line in answer.aiter_lines():
            if not line:
                continue  # between CR and LF
            counts.append(json.loads(line)["result"]["image"]["written"])
            if len(counts) == 4:
                state = await live.msd()
                assert state["busy"] is True
                assert state["storage"]["uploading"]["name"] == "a.img"
                for path in ("set_params?cdrom=1", f"write_remote?url=http://{host}/b.img", "reset"):
                    await live.refused(await live.http.post(f"/api/msd/{path}"), 409, "MsdIsBusyError")
                go_on.set()
    assert counts[0] == 0
    assert counts[-1] == len(CONTENT)
    assert counts == sorted(counts)
    assert 0 < counts[3] <= half


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (sends("404 Not Found\r\nContent-Length: 0"), "ClientResponseError"),
        (sends("200 OK", b"x"), "ClientResponseError"),
        (sends("302 Found\r\nLocation: ftp://x/"), "ClientResponseError"),
        (sends("SSH-2.0"), "ClientResponseError"),
    ],
)
async def test_a_server_that_has_no_image_is_an_ordinary_refusal(
    live: Any, images: Path, script: Script, error: str
) -> None:
    await live.msd_ready()
    async with origin(script) as host:
        await live.refused(await fetch(live, f"http://{host}/a.img"), 400, error)
    assert (await live.msd())["busy"] is False
    assert files_in(images) == {}


async def test_other_refusals_before_the_beginning(live: Any, images: Path) -> None:
    await live.msd_ready()
    async with origin(whole()) as host:
        url = f"http://{host}/"
        for query in ("", "url=", "url=ftp://x/y", "url=file:///etc/passwd"):
            answer = await live.http.post(f"/api/msd/write_remote?{query}")
            await live.refused(answer, 400, "ValidatorError")
        for params in (
            {"timeout": "0.05"},
            {"timeout": "soon"},
            {"insecure": "perhaps"},
            {"remove_incomplete": ""},
            {"image": ".hidden"},
            {"image": "n" * 250},
            {"image": "a.img", "prefix": "../x"},
        ):
            await live.refused(await fetch(live, url + "a.img", **params), 400, "ValidatorError")
        await live.refused(await fetch(live, url), 400, "ClientError")
        await live.refused(await fetch(live, url + ".hidden"), 400, "ClientError")
        assert files_in(images) == {}
        lines_of(await fetch(live, url + "a.img"))
        await live.refused(await fetch(live, url + "a.img"), 400, "MsdImageExistsError")
        await live.result_of(await live.http.post("/api/msd/set_params?image=a.img"))
        await live.result_of(await live.http.post("/api/msd/set_connected?connected=1"))
        await live.refused(await fetch(live, url + "b.img"), 400, "MsdConnectedError")
    await live.result_of(await live.http.post("/api/msd/set_connected?connected=0"))
    answer = await fetch(live, f"http://secret:word@{host}/c.img?token=abc")
    await live.refused(answer, 400, "ClientConnectorError")
    assert not {"secret", "word", "token"} & set(answer.text.replace(":", " ").split())
    async with live.anonymous() as anybody:
        await live.refused(
            await anybody.post("/api/msd/write_remote?url=http://x/"), 401, "UnauthorizedError"
        )


async def test_an_image_that_does_not_fit_is_refused_and_takes_no_room(live: Any, images: Path) -> None:
    await live.msd_ready()
    size = (await live.msd())["storage"]["parts"][""]["size"] + 1
    async with origin(sends(f"200 OK\r\nContent-Length: {size}")) as host:
        await live.refused(await fetch(live, f"http://{host}/a.img"), 400, "MsdNoSpaceError")
    assert files_in(images) == {}


@pytest.mark.parametrize("remove", [False, True])
async def test_a_server_that_vanishes_is_an_error_after_one_more_line_of_progress(
    live: Any, images: Path, remove: bool
) -> None:
    await live.msd_ready()
    script = sends(f"200 OK\r\nContent-Length: {len(CONTENT)}", CONTENT[:1_000_000])
    async with origin(script) as host:
        lines = lines_of(await fetch(live, f"http://{host}/a.img", remove_incomplete=str(int(remove))))
    assert lines[0] == written("a.img", len(CONTENT), 0)
    assert lines[-2] == written("a.img", len(CONTENT), 1_000_000)
    assert lines[-1]["ok"] is False
    assert lines[-1]["result"]["error"] == "ClientError"
    assert "1000000 of 3000000 bytes" in lines[-1]["result"]["error_msg"]
    state = await live.msd()
    assert state["busy"] is False
    if remove:
        assert state["storage"]["images"] == {}
        assert files_in(images) == {}
    else:
        assert state["storage"]["images"]["a.img"]["complete"] is False
        content = files_in(images)["a.img"]
        assert (len(content), content[:1_000_000]) == (len(CONTENT), CONTENT[:1_000_000])


@pytest.mark.parametrize("remove", [False, True])
async def test_a_client_that_leaves_ends_the_download(live: Any, images: Path, remove: bool) -> None:
    await live.msd_ready()
    ended = trio.Event()

    async def trickle(stream: trio.SocketStream) -> None:
        try:
            while True:
                await stream.send_all(b"x")
                await trio.sleep(0.01)
        finally:
            ended.set()

    async with origin(sends("200 OK\r\nContent-Length: 999999", b"", trickle)) as host:
        query = urlencode({"url": f"http://{host}/a.img", "remove_incomplete": int(remove)})
        async with await live.raw_get(f"/api/msd/write_remote?{query}", method="POST") as stream:
            received = b""
            while b'"written":0' not in received:
                received += await stream.receive_some(65536)
            assert (await live.msd())["busy"] is True
        with trio.fail_after(30):
            await ended.wait()
    state = await live.msd_when(lambda state: not state["busy"])
    assert state["storage"]["uploading"] is None
    assert ("a.img" in state["storage"]["images"]) is not remove
    assert ("a.img" in files_in(images)) is not remove


async def test_a_disk_that_gets_full_on_the_way_is_an_error_and_does_not_stay_full(
    live: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.msd_ready()
    writev, calls = os.writev, []

    def fills_up(fd: int, pieces: list[Any]) -> int:
        calls.append(fd)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return writev(fd, pieces)

    monkeypatch.setattr(os, "writev", fills_up)
    async with origin(whole()) as host:
        lines = lines_of(await fetch(live, f"http://{host}/a.img"))
    assert lines[0] == written("a.img", len(CONTENT), 0)
    assert 0 < lines[-2]["result"]["image"]["written"] < len(CONTENT)
    assert lines[-1]["result"]["error"] == "MsdNoSpaceError"
    assert (await live.msd())["busy"] is False
    assert files_in(images) == {}


async def test_only_hosts_of_the_list_are_asked(live_with: Any) -> None:
    async with (
        origin(whole()) as address,
        live_with("farhand: {fetch: {hosts: ['*.example.org', 192.0.2.0/24]}}") as live,
    ):
        await live.msd_ready()
        answer = await fetch(live, f"http://{address}/a.img")
        assert "farhand/fetch/hosts" in answer.text
        assert (await live.msd())["storage"]["images"] == {}
