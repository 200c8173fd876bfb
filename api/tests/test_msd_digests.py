"""Digests of images: kept when they come in, void when they change, checked on request and in the drive."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
from pathlib import Path
from typing import Any

import pytest
import trio

from firmware.subsystems.msd import files, verification
from firmware.subsystems.msd.errors import MsdPermissionsError

CONTENT = random.Random(3).randbytes(5_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = "0" * 64


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The directory of the images of the fixture's appliance."""
    return tmp_path / "state" / "images"


async def image(live: Any, name: str = "a.img") -> Any:
    return (await live.msd())["storage"]["images"][name]


async def upload(live: Any, query: str, content: bytes = CONTENT) -> Any:
    return await live.http.post(f"/api/msd/write?{query}", content=content)


async def verify(live: Any, name: str = "a.img") -> list[Any]:
    answer = await live.http.post(f"/api/msd/verify?image={name}")
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.split(b"\r\n") if line]


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def corrupt(path: Path) -> None:
    """Change a byte as a worn card does: the file system does not notice."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(4_000_000)
        file.write(bytes([CONTENT[4_000_000] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


async def test_an_upload_with_the_right_digest_is_taken(live: Any) -> None:
    await live.msd_ready()
    await live.result_of(await upload(live, f"image=a.img&sha256={SHA256.upper()}"))
    assert (await image(live))["sha256"] == SHA256
    await live.result_of(await upload(live, f"image=empty.img&sha256={hashlib.sha256().hexdigest()}", b""))


@pytest.mark.parametrize("remove", [False, True])
async def test_an_upload_with_a_wrong_digest_is_refused(live: Any, images: Path, remove: bool) -> None:
    await live.msd_ready()
    answer = await upload(live, f"image=a.img&sha256={OTHER}&remove_incomplete={int(remove)}")
    await live.refused(answer, 400, "MsdDigestMismatchError")
    assert SHA256 in answer.text
    found = (await live.msd())["storage"]["images"]
    if remove:
        assert found == {}
        assert names_in(images) == set()
    else:
        assert (found["a.img"]["complete"], found["a.img"]["sha256"]) == (False, None)
        assert (images / "a.img").read_bytes() == CONTENT
    for sha256 in ("", "abc", "g" * 64, "0" * 65):
        await live.refused(await upload(live, f"image=b.img&sha256={sha256}"), 400, "ValidatorError")


async def test_a_remote_image_with_a_wrong_digest_is_refused_in_the_last_line(
    live: Any, images: Path
) -> None:
    await live.msd_ready()

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(65536)
            await stream.send_all(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode() + CONTENT
            )

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/a.img"
        query = f"url={url}&remove_incomplete=1&sha256="
        answer = await live.http.post(f"/api/msd/write_remote?{query}{OTHER}")
        assert json.loads(answer.content.split(b"\r\n")[-2])["result"]["error"] == "MsdDigestMismatchError"
        assert names_in(images) == set()
        answer = await live.http.post(f"/api/msd/write_remote?{query}{SHA256}")
        assert json.loads(answer.content.split(b"\r\n")[-2])["ok"] is True
        nursery.cancel_scope.cancel()
    assert (await image(live))["sha256"] == SHA256


async def test_the_digest_of_an_image_that_was_changed_is_void(live: Any, images: Path) -> None:
    await live.msd_ready()
    await live.result_of(await upload(live, "image=a.img"))
    with (images / "a.img").open("r+b") as file:
        file.write(b"the target writes")
    await live.msd_when(lambda state: state["storage"]["images"]["a.img"]["sha256"] is None)
    # Checking it gives it a new one.
    lines = await verify(live)
    new = hashlib.sha256((images / "a.img").read_bytes()).hexdigest()
    assert lines[-1]["result"]["image"] == {
        "name": "a.img",
        "size": len(CONTENT),
        "readed": len(CONTENT),
        "sha256": new,
        "verified": None,
    }
    assert (await image(live))["sha256"] == new


async def test_a_removed_image_leaves_no_digest(live: Any, images: Path) -> None:
    await live.msd_ready()
    await live.result_of(await upload(live, "image=a.img"))
    assert (images / ".__a.img.sha256").exists()
    await live.result_of(await live.http.post("/api/msd/remove?image=a.img"))
    assert names_in(images) == set()


async def test_checking_on_request(live: Any, images: Path) -> None:
    await live.msd_ready()
    await live.result_of(await upload(live, "image=a.img"))
    assert (await image(live))["verified"] is None
    lines = await verify(live)
    first = {"name": "a.img", "size": len(CONTENT), "readed": 0, "sha256": None, "verified": None}
    assert lines[0] == {"ok": True, "result": {"image": first}}
    last = {**first, "readed": len(CONTENT), "sha256": SHA256, "verified": True}
    assert lines[-1] == {"ok": True, "result": {"image": last}}
    assert (await image(live))["verified"] is True
    state = await live.msd()
    assert (state["busy"], state["storage"]["verifying"]) == (False, None)
    corrupt(images / "a.img")
    lines = await verify(live)
    assert lines[-1]["result"]["error"] == "MsdDigestMismatchError"
    assert lines[-2]["result"]["image"]["verified"] is False
    found = await image(live)
    assert (found["sha256"], found["verified"]) == (SHA256, False)


async def test_a_digest_that_cannot_be_kept_is_told_all_the_same(
    live: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.msd_ready()
    (images / "by-hand.img").write_bytes(CONTENT)

    def refuse(*_: object) -> None:
        raise MsdPermissionsError("a read-only file system")

    monkeypatch.setattr(files, "keep_digest_of", refuse)
    lines = await verify(live, "by-hand.img")
    assert lines[-1]["result"]["image"]["sha256"] == SHA256
    assert (await image(live, "by-hand.img"))["sha256"] is None
    monkeypatch.undo()
    await verify(live, "by-hand.img")
    assert (await image(live, "by-hand.img"))["sha256"] == SHA256


async def test_checks_that_are_refused(live: Any) -> None:
    await live.msd_ready()
    await live.result_of(await upload(live, "image=a.img"))
    post = live.http.post
    await live.refused(await post("/api/msd/verify"), 400, "ValidatorError")
    await live.refused(await post("/api/msd/verify?image=b.img"), 400, "MsdUnknownImageError")
    await live.result_of(await post("/api/msd/set_params?image=a.img&cdrom=0&rw=1"))
    await live.result_of(await post("/api/msd/set_connected?connected=1"))
    await live.refused(await post("/api/msd/verify?image=a.img"), 400, "MsdConnectedError")
    assert (await image(live))["verified"] is None


@pytest.mark.parametrize("good", [True, False])
async def test_what_the_target_is_given_is_checked_in_the_background(
    live: Any, images: Path, good: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await live.msd_ready()
    await live.result_of(await upload(live, "image=a.img"))
    if not good:
        corrupt(images / "a.img")
    await live.result_of(await live.http.post("/api/msd/set_params?image=a.img"))
    await live.result_of(await live.http.post("/api/msd/set_connected?connected=1"))
    state = await live.msd_when(lambda state: state["storage"]["images"]["a.img"]["verified"] is not None)
    drive = state["drive"]
    assert (drive["connected"], drive["image"]["verified"]) == (True, good)
    assert live.pc.media.medium.path == images / "a.img"
    said = f"the image a.img is not what it was: expected the SHA-256 {SHA256}"
    assert any(said in record.message for record in caplog.records) is not good
    # Checked on request it can be as well.
    assert (await verify(live))[-1]["ok"] is good
    await live.result_of(await live.http.post("/api/msd/set_connected?connected=0"))


async def test_the_background_check_keeps_nobody_from_anything_and_ends_with_the_connection(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "REST_FACTOR", 1e9)
    await live.msd_ready()
    await live.result_of(await upload(live, "image=a.img"))
    await live.result_of(await upload(live, "image=b.img"))
    await live.result_of(await live.http.post("/api/msd/set_params?image=a.img"))
    await live.result_of(await live.http.post("/api/msd/set_connected?connected=1"))
    state = await live.msd_when(lambda state: state["storage"]["verifying"] is not None)
    assert state["storage"]["verifying"]["name"] == "a.img"
    assert state["busy"] is False
    await live.result_of(await live.http.post("/api/msd/set_connected?connected=0"))
    await live.msd_when(lambda state: state["storage"]["verifying"] is None)
    assert (await image(live))["verified"] is None
