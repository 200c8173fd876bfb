"""Mass storage over HTTP, on the emulated board: what clients see, what the disk holds, what the PC gets."""

from __future__ import annotations

import hashlib
import lzma
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from backports import zstd

CONTENT = random.Random(1).randbytes(3_000_000)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The directory of the images of the fixture's appliance."""
    return tmp_path / "state" / "images"


def names(directory: Path) -> list[str]:
    """What is in a directory, marks included."""
    return sorted(path.name for path in directory.iterdir())


async def ready(live: Any) -> dict[str, Any]:
    """Wait until mass storage is online, and return its state."""
    with trio.fail_after(30):
        while not (state := await live.result_of(await live.http.get("/api/msd")))["online"]:
            await trio.sleep(0.02)
    assert isinstance(state, dict)
    return state


async def msd(live: Any) -> dict[str, Any]:
    state = await live.result_of(await live.http.get("/api/msd"))
    assert isinstance(state, dict)
    return state


async def upload(live: Any, query: str, content: bytes = CONTENT) -> Any:
    return await live.http.post(f"/api/msd/write?{query}", content=content)


async def test_the_empty_state(live: Any) -> None:
    state = await ready(live)
    parts = state["storage"].pop("parts")
    assert state == {
        "enabled": True,
        "online": True,
        "busy": False,
        "storage": {"images": {}, "downloading": None, "uploading": None, "verifying": None},
        "drive": {"image": None, "connected": False, "cdrom": True, "rw": False},
    }
    assert set(parts) == {""}
    assert parts[""]["size"] >= parts[""]["free"] > 0
    assert parts[""]["writable"] is True


async def test_an_upload_is_there_at_once_complete_and_without_a_mark(live: Any, images: Path) -> None:
    await ready(live)
    answer = await live.result_of(await upload(live, "image=a.img&prefix=dir//sub"))
    assert answer == {"image": {"name": "dir/sub/a.img", "size": len(CONTENT), "written": len(CONTENT)}}
    image = (await msd(live))["storage"]["images"]["dir/sub/a.img"]
    file = images / "dir/sub/a.img"
    assert image == {
        "complete": True,
        "removable": True,
        "writable": True,
        "size": len(CONTENT),
        "mod_ts": file.stat().st_mtime,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "verified": None,
    }
    assert file.read_bytes() == CONTENT
    assert names(file.parent) == [".__a.img.sha256", "a.img"]
    await live.result_of(await live.http.post("/api/msd/set_params?image=dir/sub/a.img"))


async def test_uploads_that_are_refused(live: Any, images: Path) -> None:
    await ready(live)
    await live.result_of(await upload(live, "image=a.img", b"x"))
    for query, error in (
        ("image=a.img", "MsdImageExistsError"),
        ("image=b.img&prefix=a.img", "MsdImageExistsError"),
        ("", "ValidatorError"),
        ("image=.hidden", "ValidatorError"),
        ("image=lost%2Bfound", "ValidatorError"),
        ("image=" + "n" * 250, "ValidatorError"),
        ("image=b.img&remove_incomplete=maybe", "ValidatorError"),
    ):
        await live.refused(await upload(live, query, b"x"), 400, error)

    async def pieces() -> Any:
        yield b"x"

    answer = await live.http.post("/api/msd/write?image=b.img", content=pieces())
    await live.refused(answer, 400, "ValidatorError")
    assert names(images) == [".__a.img.sha256", "a.img"]
    assert (await msd(live))["busy"] is False


async def test_an_image_that_does_not_fit_is_refused_before_it_is_sent(live: Any, images: Path) -> None:
    state = await ready(live)
    size = state["storage"]["parts"][""]["size"] + 1
    async with await raw_upload(live, "image=big.img", size) as stream:
        answer = await received(stream)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"MsdNoSpaceError" in answer
    assert names(images) == []


async def raw_upload(live: Any, query: str, size: int, more: str = "") -> trio.SocketStream:
    """Begin an upload on a connection of its own."""
    host, port = live.url.removeprefix("http://").rstrip("/").split(":")
    stream = await trio.open_tcp_stream(host, int(port))
    head = (
        f"POST /api/msd/write?{query} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n"
        f"X-KVMD-User: admin\r\nX-KVMD-Passwd: admin\r\nConnection: close\r\n{more}\r\n"
    )
    await stream.send_all(head.encode())
    return stream


async def received(stream: trio.SocketStream, until: bytes | None = None) -> bytes:
    """Return what comes up to *until*, or to the end of the connection."""
    data = b""
    with trio.fail_after(30):
        while until is None or until not in data:
            piece = await stream.receive_some(65536)
            if not piece:
                break
            data += piece
    return data


async def test_a_body_is_invited_only_if_it_is_wanted(live: Any) -> None:
    await ready(live)
    async with await raw_upload(live, "image=a.img", 5, "Expect: 100-continue\r\n") as stream:
        assert (await received(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await stream.send_all(b"image")
        assert (await received(stream)).startswith(b"HTTP/1.1 200 ")
    async with await raw_upload(live, "image=a.img", 5, "Expect: 100-continue\r\n") as stream:
        assert (await received(stream)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("remove", [False, True])
async def test_a_client_that_leaves_in_the_middle(live: Any, images: Path, remove: bool) -> None:
    await ready(live)
    query = f"image=new/a.img&remove_incomplete={int(remove)}"
    async with await raw_upload(live, query, len(CONTENT)) as stream:
        await stream.send_all(CONTENT[:1_500_000])
        with trio.fail_after(30):
            while (state := await msd(live))["storage"]["uploading"] is None:
                await trio.sleep(0.01)
        assert state["busy"] is True
        assert state["storage"]["uploading"]["size"] == len(CONTENT)
        with trio.fail_after(30):
            while "new/a.img" not in (state := await msd(live))["storage"]["images"]:
                await trio.sleep(0.01)
        listed = state["storage"]["images"]["new/a.img"]
        assert (listed["size"], listed["complete"]) == (len(CONTENT), False)
        for path in ("set_params?cdrom=1", "set_connected?connected=1", "reset", "remove?image=x"):
            await live.refused(await live.http.post(f"/api/msd/{path}"), 409, "MsdIsBusyError")
        await live.refused(await live.http.get("/api/msd/read?image=x"), 409, "MsdIsBusyError")
        await live.refused(await upload(live, "image=b.img", b"x"), 409, "MsdIsBusyError")
    with trio.fail_after(30):
        while (state := await msd(live))["busy"]:
            await trio.sleep(0.01)
    assert state["storage"]["uploading"] is None
    if remove:
        assert state["storage"]["images"] == {}
        assert names(images) == []
    else:
        assert state["storage"]["images"]["new/a.img"]["complete"] is False
        written = (images / "new/a.img").read_bytes()
        assert (len(written), written[:1_500_000]) == (len(CONTENT), CONTENT[:1_500_000])
        assert (images / "new/.__a.img.incomplete").exists()
        await live.result_of(await live.http.post("/api/msd/remove?image=new/a.img"))
        assert names(images / "new") == []


@pytest.mark.parametrize(
    ("compress", "suffix", "decompress"),
    [
        ("", "", bytes),
        ("none", "", bytes),
        ("lzma", ".xz", lzma.decompress),
        ("zstd", ".zst", zstd.decompress),
    ],
)
async def test_reading(live: Any, compress: str, suffix: str, decompress: Callable[[bytes], bytes]) -> None:
    await ready(live)
    await live.result_of(await upload(live, "image=d/%C3%A4 b.img"))
    answer = await live.http.get(f"/api/msd/read?image=d/%C3%A4%20b.img&compress={compress}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    expected = f"attachment; filename*=UTF-8''d%2F%C3%A4%20b.img{suffix}"
    assert answer.headers["content-disposition"] == expected
    assert answer.headers.get("content-length") == (None if suffix else str(len(CONTENT)))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert decompress(answer.content) == CONTENT
    assert (await msd(live))["busy"] is False


async def test_readings_that_are_refused(live: Any) -> None:
    await ready(live)
    await live.refused(await live.http.get("/api/msd/read?image=a.img"), 400, "MsdUnknownImageError")
    for query in ("", "image=a.img&compress=gzip", "image=/"):
        await live.refused(await live.http.get(f"/api/msd/read?{query}"), 400, "ValidatorError")


async def test_the_pc_gets_what_was_uploaded(live: Any, images: Path) -> None:
    await ready(live)
    await live.refused(await live.http.post("/api/msd/set_connected?connected=1"), 400, "MsdImageNotSelected")
    await live.refused(
        await live.http.post("/api/msd/set_connected?connected=0"), 400, "MsdDisconnectedError"
    )
    await live.result_of(await upload(live, "image=os.iso"))
    await live.result_of(await upload(live, "image=data.img"))
    await live.result_of(await live.http.post("/api/msd/set_params?image=os.iso&cdrom=0&rw=1"))
    drive = (await msd(live))["drive"]
    assert (drive["image"]["name"], drive["cdrom"], drive["rw"]) == ("os.iso", False, False)
    assert drive["image"]["in_storage"] is True
    await live.result_of(await live.http.post("/api/msd/set_params?image=data.img&rw=1&whatever=x"))
    assert (await msd(live))["drive"]["rw"] is True
    assert await live.result_of(await live.http.post("/api/msd/set_connected?connected=1")) == {}
    assert live.pc.media.medium.path == images / "data.img"
    assert live.pc.media.medium.rw is True
    for path in (
        "set_params?cdrom=1",
        "set_connected?connected=1",
        "remove?image=os.iso",
        "write?image=new.img",
    ):
        await live.refused(await live.http.post(f"/api/msd/{path}", content=b"x"), 400, "MsdConnectedError")
    await live.refused(await live.http.get("/api/msd/read?image=os.iso"), 400, "MsdConnectedError")
    assert await live.result_of(await live.http.post("/api/msd/set_connected?connected=0")) == {}
    assert live.pc.media.medium is None
    state = await msd(live)
    listed = state["storage"]["images"]["data.img"]
    assert state["drive"] == {
        "image": {"name": "data.img", "in_storage": True, **listed},
        "connected": False,
        "cdrom": False,
        "rw": True,
    }


async def test_an_answer_that_cannot_be_finished_is_cut(
    live: Any, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await ready(live)
    size = 64 << 20
    image = images / "a.img"
    image.touch()
    os.truncate(image, size)
    async with await live.raw_get("/api/msd/read?image=a.img") as stream:
        begin = await received(stream, b"\r\n\r\n")
        assert f"content-length: {size}".encode() in begin
        os.truncate(image, 1 << 20)
        rest = await received(stream)
    assert len(rest) < size
    with trio.fail_after(30):
        while (await msd(live))["busy"]:
            await trio.sleep(0.02)
    assert "was cut short" in caplog.text
