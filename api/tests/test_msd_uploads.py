"""Uploads that can be resumed, as a plain tus client does them over a real socket."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import trio

from firmware.subsystems.msd import partial_image, uploads
from firmware.subsystems.msd.errors import MsdPermissionsError

CONTENT = random.Random(4).randbytes(3_000_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PART = "application/offset+octet-stream"
UPLOADS = "/api/msd/uploads"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The directory of the images of the fixture's appliance."""
    return tmp_path / "state" / "images"


def content_of(directory: Path, name: str = "a.img") -> bytes:
    return (directory / name).read_bytes()


def names_in(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def metadata(**pairs: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


class Tus:
    """A client of tus 1.0; every answer has to say that it is of tus."""

    def __init__(self, live: Any) -> None:
        self.live = live

    async def ask(self, method: str, path: str, content: bytes = b"", /, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer: httpx.Response = await self.live.http.request(
            method, path, content=content, headers={"Tus-Resumable": "1.0.0", **named}
        )
        assert answer.headers["tus-resumable"] == "1.0.0"
        return answer

    async def create(self, length: int = len(CONTENT), **pairs: str) -> str:
        given = metadata(**{"filename": "a.img", **pairs})
        answer = await self.ask("POST", UPLOADS, Upload_Length=str(length), Upload_Metadata=given)
        assert answer.status_code == 201, answer.text
        assert answer.content == b""
        assert answer.headers["location"].startswith(f"{UPLOADS}/")
        return answer.headers["location"]

    async def offset(self, upload: str) -> int:
        answer = await self.ask("HEAD", upload)
        assert answer.status_code == 200
        assert answer.headers["upload-length"] == str(len(CONTENT))
        assert answer.headers["cache-control"] == "no-store"
        return int(answer.headers["upload-offset"])

    async def patch(self, upload: str, offset: int, content: bytes, **headers: str) -> httpx.Response:
        return await self.ask(
            "PATCH", upload, content, Upload_Offset=str(offset), Content_Type=PART, **headers
        )

    async def send(self, upload: str, offset: int, content: bytes, **headers: str) -> int:
        answer = await self.patch(upload, offset, content, **headers)
        assert (answer.status_code, answer.content) == (204, b""), answer.text
        return int(answer.headers["upload-offset"])

    async def begin_to_send(self, upload: str, offset: int, length: int, content: bytes) -> trio.SocketStream:
        """Send the beginning of a part on a connection of its own, and wait until it is under way."""
        headers = (
            f"Tus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Length: {length}\r\n"
            f"Content-Type: {PART}\r\n"
        )
        stream = await self.live.raw_get(upload, headers, method="PATCH")
        assert isinstance(stream, trio.SocketStream)
        await stream.send_all(content)
        await self.live.msd_when(lambda state: state["storage"]["uploading"] is not None)
        return stream


@pytest.fixture
async def tus(live: Any) -> Tus:
    await live.msd_ready()
    return Tus(live)


async def test_an_upload_in_parts_becomes_an_image(tus: Tus, live: Any, images: Path) -> None:
    upload = await tus.create(prefix="os/linux", sha256=SHA256.upper(), filetype="x/y")
    state = await live.msd()
    found = state["storage"]["images"]["os/linux/a.img"]
    assert (found["size"], found["complete"], found["sha256"]) == (len(CONTENT), False, None)
    assert (state["busy"], state["storage"]["uploading"]) == (False, None)
    offset = 0
    for end in (1, 1_000_000, 1_000_000, 2_999_999, len(CONTENT)):
        assert await tus.offset(upload) == offset
        offset = await tus.send(upload, offset, CONTENT[offset:end])
        assert offset == end
    assert await tus.offset(upload) == len(CONTENT)
    found = (await live.msd())["storage"]["images"]["os/linux/a.img"]
    assert (found["complete"], found["sha256"]) == (True, SHA256)
    assert content_of(images, "os/linux/a.img") == CONTENT
    assert names_in(images) == {"os/linux/a.img", "os/linux/.__a.img.sha256"}
    # Nothing can be added, and ending the upload does not end the image.
    assert (await tus.patch(upload, len(CONTENT), b"")).status_code == 409
    assert (await tus.ask("DELETE", upload)).status_code == 204
    assert content_of(images, "os/linux/a.img") == CONTENT


async def test_the_metadata_come_back_as_they_were(tus: Tus) -> None:
    raw = f"{metadata(name='b.img')} , is_final"
    answer = await tus.ask("POST", UPLOADS, Upload_Length="5", Upload_Metadata=raw)
    answer = await tus.ask("HEAD", answer.headers["location"])
    assert answer.headers["upload-metadata"] == raw
    assert answer.headers["upload-offset"] == "0"


async def test_the_name_of_the_image_is_told_if_it_is_another(tus: Tus, images: Path) -> None:
    given = metadata(filename=" größer\N{NO-BREAK SPACE}als\t1.img ", prefix="os")
    answer = await tus.ask("POST", UPLOADS, Upload_Length=str(len(CONTENT)), Upload_Metadata=given)
    upload = answer.headers["location"]
    name = "os/größer_als_1.img"
    assert unquote(answer.headers["farhand-image"]) == name
    assert unquote((await tus.ask("HEAD", upload)).headers["farhand-image"]) == name
    await tus.patch(upload, 0, CONTENT)
    assert content_of(images, name) == CONTENT
    assert unquote((await tus.ask("HEAD", upload)).headers["farhand-image"]) == name


async def test_an_empty_image_is_complete_at_once(tus: Tus, live: Any, images: Path) -> None:
    upload = await tus.create(0)
    answer = await tus.ask("HEAD", upload)
    assert (answer.headers["upload-offset"], answer.headers["upload-length"]) == ("0", "0")
    assert (await live.msd())["storage"]["images"]["a.img"]["complete"] is True
    assert content_of(images) == b""


async def test_a_connection_that_breaks_costs_nothing_that_has_come(
    tus: Tus, live: Any, images: Path
) -> None:
    upload = await tus.create()
    async with await tus.begin_to_send(upload, 0, len(CONTENT), CONTENT[:1_200_000]):
        pass
    await live.msd_when(lambda state: not state["busy"])
    assert (await live.msd())["storage"]["images"]["a.img"]["complete"] is False
    offset = await tus.offset(upload)
    assert offset == 1_200_000
    # Meanwhile the storage is free for others.
    await live.result_of(await live.http.post("/api/msd/write?image=b.img", content=b"other"))
    assert await tus.send(upload, offset, CONTENT[offset:]) == len(CONTENT)
    assert content_of(images) == CONTENT
    assert (await live.msd())["storage"]["images"]["a.img"]["sha256"] == SHA256


async def test_whoever_comes_back_takes_over_from_a_connection_that_seems_alive(
    tus: Tus, live: Any, images: Path
) -> None:
    upload = await tus.create()
    async with await tus.begin_to_send(upload, 0, len(CONTENT), CONTENT[:1_200_000]) as old:
        offset = await tus.offset(upload)
        # What was not yet on its way to the disk is sent again.
        assert offset <= 1_200_000
        assert b"MsdUploadInterruptedError" in await old.receive_some(65536)
        # So does a part that begins where the old one ended.
        async with await tus.begin_to_send(upload, offset, 999, CONTENT[offset : offset + 10]):
            assert await tus.send(upload, offset, CONTENT[offset:]) == len(CONTENT)
    assert content_of(images) == CONTENT


async def test_while_a_part_comes_in_mass_storage_is_busy(tus: Tus, live: Any) -> None:
    upload = await tus.create()
    other = await tus.create(filename="b.img")
    async with await tus.begin_to_send(upload, 0, len(CONTENT), CONTENT[:1_000_000]):
        state = await live.msd()
        assert state["busy"] is True
        assert state["storage"]["uploading"]["name"] == "a.img"
        assert state["storage"]["uploading"]["size"] == len(CONTENT)
        for answer in (
            await tus.ask("POST", UPLOADS, Upload_Length="1", Upload_Metadata=metadata(filename="c")),
            await tus.patch(other, 0, b"x"),
            await tus.ask("DELETE", other),
            await live.http.post("/api/msd/reset"),
        ):
            await live.refused(answer, 409, "MsdIsBusyError")
        assert await tus.offset(other) == 0


async def test_a_connected_drive_makes_uploads_wait(tus: Tus, live: Any, images: Path) -> None:
    upload = await tus.create()
    await live.result_of(await live.http.post("/api/msd/write?image=b.img", content=b"other"))
    await live.result_of(await live.http.post("/api/msd/set_params?image=b.img"))
    await live.result_of(await live.http.post("/api/msd/set_connected?connected=1"))
    await live.refused(await tus.patch(upload, 0, CONTENT), 400, "MsdConnectedError")
    assert await tus.offset(upload) == 0
    await live.result_of(await live.http.post("/api/msd/set_connected?connected=0"))
    assert await tus.send(upload, 0, CONTENT) == len(CONTENT)


def checksum(content: bytes, algorithm: str = "sha1") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_of_a_part_with_a_checksum_all_counts_or_nothing(
    tus: Tus, live: Any, images: Path, algorithm: str
) -> None:
    upload = await tus.create(sha256=SHA256)
    offset = await tus.send(
        upload, 0, CONTENT[:1_000_000], Upload_Checksum=checksum(CONTENT[:1_000_000], algorithm)
    )
    broken = await tus.patch(
        upload, offset, b"garbage" * 9999, Upload_Checksum=checksum(CONTENT[offset:], algorithm)
    )
    await live.refused(broken, 460, "MsdUploadChecksumError")
    assert await tus.offset(upload) == 1_000_000
    broken = await tus.patch(upload, offset, b"x", Upload_Checksum="crc32 AAAA")
    await live.refused(broken, 400, "TusHeaderError")
    offset = await tus.send(upload, offset, CONTENT[offset:2_000_000])
    offset = await tus.send(
        upload, offset, CONTENT[offset:], Upload_Checksum=checksum(CONTENT[offset:], algorithm)
    )
    assert offset == len(CONTENT)
    assert content_of(images) == CONTENT


@pytest.mark.parametrize("remove", [False, True])
async def test_an_image_that_is_not_what_was_announced_is_refused_with_the_last_part(
    tus: Tus, live: Any, images: Path, remove: bool
) -> None:
    upload = await tus.create(sha256="0" * 64, remove_incomplete=str(remove))
    offset = await tus.send(upload, 0, CONTENT[:-1])
    answer = await tus.patch(upload, offset, CONTENT[-1:])
    await live.refused(answer, 400, "MsdDigestMismatchError")
    assert (await tus.ask("HEAD", upload)).status_code == 404
    found = (await live.msd())["storage"]["images"]
    if remove:
        assert (found, names_in(images)) == ({}, set())
    else:
        assert found["a.img"]["complete"] is False
        assert names_in(images) == {"a.img", ".__a.img.incomplete"}


async def test_more_than_was_announced_is_refused_and_what_fits_is_kept(
    tus: Tus, live: Any, images: Path
) -> None:
    upload = await tus.create()
    await live.refused(await tus.patch(upload, 0, CONTENT + b"more"), 400, "MsdIncompleteError")
    offset = await tus.offset(upload)
    assert offset < len(CONTENT)
    assert await tus.send(upload, offset, CONTENT[offset:]) == len(CONTENT)
    assert content_of(images) == CONTENT


async def test_what_is_hashed_is_what_is_on_the_disk_even_if_a_client_sends_something_else_again(
    tus: Tus, live: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await tus.create()

    def refuse(*_: object) -> None:
        raise MsdPermissionsError("the disk is read-only now")

    monkeypatch.setattr(partial_image.PartialImage, "complete", refuse)
    await live.refused(await tus.patch(upload, 0, CONTENT), 400, "MsdPermissionsError")
    monkeypatch.undo()
    # All of it came and was hashed, but it was not the end: the last byte is asked for again.
    offset = await tus.offset(upload)
    assert offset == len(CONTENT) - 1
    last = bytes([CONTENT[-1] ^ 1])
    assert await tus.send(upload, offset, last) == len(CONTENT)
    content = content_of(images)
    assert content == CONTENT[:-1] + last
    found = (await live.msd())["storage"]["images"]["a.img"]
    assert (found["complete"], found["sha256"]) == (True, hashlib.sha256(content).hexdigest())


async def test_an_upload_can_be_given_up(tus: Tus, live: Any, images: Path) -> None:
    upload = await tus.create()
    await tus.send(upload, 0, CONTENT[:1_000_000])
    async with await tus.begin_to_send(upload, 1_000_000, 999, b"x"):
        answer = await tus.ask("DELETE", upload)
    assert (answer.status_code, answer.content) == (204, b"")
    assert ((await live.msd())["storage"]["images"], names_in(images)) == ({}, set())
    for method in ("HEAD", "DELETE"):
        assert (await tus.ask(method, upload)).status_code == 404
    await live.refused(await tus.patch(upload, 1_000_000, b"x"), 404, "MsdUploadUnknownError")


async def test_an_image_that_is_removed_or_replaced_ends_its_upload(
    tus: Tus, live: Any, images: Path
) -> None:
    upload = await tus.create()
    await live.result_of(await live.http.post("/api/msd/remove?image=a.img"))
    assert names_in(images) == set()
    assert (await tus.ask("HEAD", upload)).status_code == 404
    other = await tus.create()
    assert (await tus.ask("HEAD", upload)).status_code == 404
    await live.refused(
        await tus.ask("POST", UPLOADS, Upload_Length="1", Upload_Metadata=metadata(filename="a.img")),
        400,
        "MsdImageExistsError",
    )
    assert await tus.send(other, 0, CONTENT) == len(CONTENT)


async def test_what_the_server_offers(tus: Tus, live: Any) -> None:
    for path in (UPLOADS, f"{UPLOADS}/anything"):
        answer = await live.http.request("OPTIONS", path)
        assert answer.status_code == 204
        assert answer.headers["tus-resumable"] == "1.0.0"
        assert answer.headers["tus-version"] == "1.0.0"
        assert answer.headers["tus-extension"] == "creation,termination,checksum"
        assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256"
        async with live.anonymous() as anybody:
            assert (await anybody.request("OPTIONS", path)).status_code == 401


async def test_another_version_is_refused_before_anything_is_done(live: Any, images: Path) -> None:
    await live.msd_ready()
    for headers in ({}, {"Tus-Resumable": "0.2.2"}):
        named = {**headers, "Upload-Length": "1", "Upload-Metadata": metadata(filename="a.img")}
        answer = await live.http.post(UPLOADS, headers=named)
        await live.refused(answer, 412, "TusVersionError")
        assert answer.headers["tus-version"] == "1.0.0"
    assert names_in(images) == set()


async def test_requests_that_are_refused(tus: Tus, live: Any, images: Path) -> None:
    good = {"Upload_Length": "5", "Upload_Metadata": metadata(filename="a.img")}
    for bad, error in (
        ({"Upload_Length": "-1"}, "TusHeaderError"),
        ({"Upload_Defer_Length": "1"}, "TusHeaderError"),
        ({"Upload_Metadata": "filename !"}, "TusHeaderError"),
        ({"Upload_Metadata": ""}, "ValidatorError"),
        ({"Upload_Metadata": metadata(filename=".hidden")}, "ValidatorError"),
        ({"Upload_Metadata": metadata(filename="a", sha256="abc")}, "ValidatorError"),
        ({"Upload_Metadata": metadata(filename="a", remove_incomplete="perhaps")}, "ValidatorError"),
        ({"Upload_Metadata": metadata(filename="n" * 250)}, "ValidatorError"),
        ({"Upload_Length": str(2**60)}, "MsdNoSpaceError"),
    ):
        await live.refused(await tus.ask("POST", UPLOADS, **{**good, **bad}), 400, error)
    assert names_in(images) == set()
    upload = await tus.create()
    await live.refused(await tus.ask("PATCH", upload, b"x", Upload_Offset="0"), 415, "TusMediaTypeError")
    await live.refused(await tus.ask("PATCH", upload, b"x", Content_Type=PART), 400, "TusHeaderError")
    await live.refused(await tus.patch(upload, 1, b"x"), 409, "MsdUploadOffsetError")
    await live.refused(await tus.ask("POST", upload), 400, "TusHeaderError")
    await live.refused(await tus.patch(f"{UPLOADS}/{'0' * 32}", 0, b"x"), 404, "MsdUploadUnknownError")
    assert (await live.http.head(f"{UPLOADS}/..%2F..")).status_code == 404
    assert await tus.offset(upload) == 0


async def test_a_client_behind_a_proxy_that_knows_no_patch(tus: Tus, images: Path) -> None:
    upload = await tus.create()
    headers = {"Upload_Offset": "0", "Content_Type": PART, "X_HTTP_Method_Override": "PATCH"}
    answer = await tus.ask("POST", upload, CONTENT, **headers)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(CONTENT)))
    assert content_of(images) == CONTENT


async def test_a_storage_that_is_gone_for_a_while_does_not_end_its_uploads(
    live_with: Callable[[str], AbstractAsyncContextManager[Any]], tmp_path: Path
) -> None:
    images, elsewhere = tmp_path / "disk", tmp_path / "unplugged"
    images.mkdir()
    async with live_with(f"farhand:\n  images: {images}\n") as live:
        await live.msd_ready()
        tus = Tus(live)
        upload = await tus.create()
        offset = await tus.send(upload, 0, CONTENT[:1_000_000])
        images.rename(elsewhere)
        await live.msd_when(lambda state: state["storage"] is None)
        assert (await tus.ask("HEAD", upload)).status_code == 400
        await live.refused(await tus.patch(upload, offset, CONTENT[offset:]), 400, "MsdOfflineError")
        elsewhere.rename(images)
        await live.msd_ready()
        assert await tus.offset(upload) == offset
        assert await tus.send(upload, offset, CONTENT[offset:]) == len(CONTENT)
    assert content_of(images) == CONTENT


async def test_an_upload_that_was_finished_when_the_plug_was_pulled_is_finished(
    tus: Tus, live: Any, images: Path
) -> None:
    upload = await tus.create()
    await tus.send(upload, 0, CONTENT[:-1])
    # The last steps of the end: the data, the mark, and then the record, which did not come to be done.
    with (images / "a.img").open("r+b") as file:
        file.seek(len(CONTENT) - 1)
        file.write(CONTENT[-1:])
    (images / ".__a.img.incomplete").unlink()
    assert await tus.offset(upload) == len(CONTENT)
    assert (await tus.patch(upload, len(CONTENT) - 1, b"?")).status_code == 409
    assert (await tus.ask("DELETE", upload)).status_code == 204
    assert content_of(images) == CONTENT


async def test_what_is_no_record_is_no_upload(tus: Tus, images: Path) -> None:
    upload = await tus.create()
    for content in (b"", b"{", b"[]", b'{"id": 1}', b"\xff" * 100_000):
        (images / ".__a.img.upload").write_bytes(content)
        assert (await tus.ask("HEAD", upload)).status_code == 404
        (images / ".__b.img.upload").write_bytes(content)
        assert (await tus.ask("HEAD", upload)).status_code == 404


async def test_only_so_many_finished_uploads_are_remembered(
    tus: Tus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "REMEMBERED", 2)
    finished = [await tus.create(0, filename=name) for name in ("a", "b", "c")]
    statuses = [(await tus.ask("HEAD", upload)).status_code for upload in finished]
    assert statuses == [404, 200, 200]


async def test_a_checkpoint_is_what_a_power_cut_leaves(
    tus: Tus, live: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_image, "CHECKPOINT_BYTES", 1_500_000)
    upload = await tus.create()
    record = images / ".__a.img.upload"
    async with await tus.begin_to_send(upload, 0, len(CONTENT), CONTENT[:2_900_000]):
        with trio.fail_after(30):
            while not (offset := json.loads(record.read_bytes())["offset"]):
                await trio.sleep(0.02)
        assert 1_500_000 <= offset <= 2_900_000
        assert content_of(images)[:offset] == CONTENT[:offset]
