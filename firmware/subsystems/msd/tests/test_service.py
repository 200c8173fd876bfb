"""Mass storage on an emulated PC and real directories: rules, failures, and what is shown of them."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from drivers.absent import AbsentDrive
from drivers.emulated.pc import EmulatedPc
from drivers.ports import MediaSlot, Medium
from firmware.core.errors import OperationError, ValidatorError
from firmware.core.supervise import Supervisor
from firmware.state.msd import MsdState
from firmware.subsystems.msd import disk_threads, files, writer
from firmware.subsystems.msd.config import MsdConfig
from firmware.subsystems.msd.errors import (
    MsdConnectedError,
    MsdDisabledError,
    MsdImageExistsError,
    MsdImageStaticError,
    MsdIncompleteError,
    MsdIsBusyError,
    MsdNoSpaceError,
    MsdOfflineError,
    MsdPermissionsError,
    MsdRemoteDisabledError,
    MsdRemountError,
    MsdUnknownImageError,
    storage_error,
)
from firmware.subsystems.msd.loader import is_remote_image
from firmware.subsystems.msd.location import StorageLocation
from firmware.subsystems.msd.service import MsdService

DEADLINE_S = 30
MIB = 1 << 20

type Operation = Callable[[], Awaitable[object]]


class Bench:
    """Mass storage, its PC and its directory."""

    def __init__(self, root: Path, pc: EmulatedPc, msd: MsdService) -> None:
        self.root = root
        self.pc = pc
        self.msd = msd

    @property
    def state(self) -> MsdState:
        return self.msd.state.value

    async def until(self, condition: Callable[[MsdState], object]) -> None:
        with trio.fail_after(DEADLINE_S):
            while not condition(self.state):
                await self.msd.state.wait_newer(self.msd.state.version)

    def images(self) -> dict[str, bool]:
        """Whether each listed image is complete."""
        assert self.state.storage is not None
        return {name: image.complete for name, image in self.state.storage.images.items()}

    async def upload(self, name: str, content: bytes = b"12345", **more: Any) -> None:
        await self.upload_pieces(name, len(content), [content], **more)

    async def upload_pieces(self, name: str, size: int, pieces: Iterable[bytes], **more: Any) -> None:
        async with self.msd.writing(name, size, **more) as image:
            for piece in pieces:
                await image.write(piece)

    async def read(self, name: str) -> bytes:
        async with self.msd.reading(name) as image:
            return b"".join([piece async for piece in image.pieces()])


@asynccontextmanager
async def running(
    root: Path, *, slot: MediaSlot | None = None, location: StorageLocation | None = None, **config: Any
) -> AsyncIterator[Bench]:
    pc = EmulatedPc()
    msd = MsdService(
        MsdConfig(**config),
        slot=slot or pc.media,
        location=location or StorageLocation(root, own=True),
        supervisor=Supervisor(),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(pc.run)
        await nursery.start(msd.run)
        bench = Bench(root, pc, msd)
        if slot is None and config.get("type") != "disabled":
            await bench.until(lambda state: state.online)
        yield bench
        nursery.cancel_scope.cancel()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path / "images") as bench:
        yield bench


# -- what is selected -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_remote"),
    [
        ("http://host/a.iso", True),
        ("https://[::1]/a.iso", True),
        (" nbd+unix://x ", True),
        ("a://host", False),
        ("ab://host", False),
        ("h1.2p://host", True),
        ("http:///a.iso", False),
        ("http.://host", False),
        ("dir/http.iso", False),
        ("", False),
    ],
)
def test_what_looks_like_an_image_elsewhere(text: str, is_remote: bool) -> None:
    assert is_remote_image(text) is is_remote


async def test_selecting(bench: Bench) -> None:
    await bench.upload("a.img")
    await bench.upload("b.ISO")
    await bench.msd.set_params(image="a.img", cdrom=False, rw=True)
    drive = bench.state.drive
    assert drive is not None
    assert drive.image is not None
    assert (drive.image.name, drive.image.size, drive.rw) == ("a.img", 5, True)
    await bench.msd.set_params(image="b.ISO")
    assert bench.state.drive is not None
    assert bench.state.drive.rw is False
    await bench.msd.set_params(rw=True)
    assert bench.state.drive.rw is False, "an .iso is never writable, also when it was chosen before"
    await bench.msd.set_params(image="")
    assert bench.state.drive.image is None
    with pytest.raises(MsdUnknownImageError):
        await bench.msd.set_params(image="c.img")
    with pytest.raises(MsdRemoteDisabledError):
        await bench.msd.set_params(image="http://host/a.img")


async def test_a_selected_image_that_is_removed_is_selected_no_more(bench: Bench) -> None:
    await bench.upload("a.img")
    await bench.msd.set_params(image="a.img")
    await bench.msd.remove("a.img")
    assert bench.state.drive is not None
    assert bench.state.drive.image is None
    assert bench.images() == {}


async def test_a_selected_image_that_vanishes_is_said_when_it_is_connected(bench: Bench) -> None:
    await bench.upload("a.img")
    await bench.msd.set_params(image="a.img")
    (bench.root / "a.img").unlink()
    await bench.until(lambda state: state.storage is not None and not state.storage.images)
    assert bench.state.drive is not None
    assert bench.state.drive.image is not None
    assert (bench.state.drive.image.name, bench.state.drive.image.size) == ("a.img", 5)
    with pytest.raises(MsdUnknownImageError):
        await bench.msd.set_connected(True)
    assert bench.pc.media.medium is None


async def test_incomplete_images_can_be_connected(bench: Bench) -> None:
    with pytest.raises(MsdIncompleteError):
        await bench.upload_pieces("a.img", 10, [b"12345"])
    assert bench.images() == {"a.img": False}
    await bench.msd.set_params(image="a.img")
    await bench.msd.set_connected(True)
    assert bench.pc.media.medium is not None


async def test_a_medium_that_the_host_ejects(bench: Bench) -> None:
    await bench.upload("a.img")
    await bench.msd.set_params(image="a.img")
    await bench.msd.set_connected(True)
    bench.pc.media.host_eject()
    await bench.until(lambda state: state.drive is not None and not state.drive.connected)
    await bench.msd.set_connected(True)
    await bench.msd.reset()
    assert bench.state.drive is not None
    assert bench.state.drive.connected is False
    assert bench.state.drive.image is not None, "what is selected stays"


async def test_an_image_from_outside_is_shown_and_forgotten_when_it_is_out(
    bench: Bench, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.img"
    outside.write_bytes(bytes(4096))
    ways: list[Operation] = [lambda: bench.msd.set_connected(False), bench.msd.reset, bench.pc.media.eject]
    for take_out in ways:
        await bench.pc.media.insert(Medium(outside, cdrom=True, rw=False))
        await bench.until(lambda state: state.drive is not None and state.drive.connected)
        await bench.until(
            lambda state: state.drive is not None and state.drive.image is not None and state.drive.image.size
        )
        assert bench.state.drive is not None
        image = bench.state.drive.image
        assert image is not None
        assert (image.name, image.in_storage, image.complete, image.removable) == (
            "outside.img",
            False,
            True,
            False,
        )
        assert (image.size, image.writable) == (4096, True)
        await take_out()
        await bench.until(lambda state: state.drive is not None and state.drive.image is None)


# -- failures ---------------------------------------------------------------------------------------------


@pytest.mark.fault("images' disk", "missing")
async def test_a_storage_that_is_gone_shows_nothing_and_refuses(tmp_path: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    async with running(root, location=StorageLocation(root)) as bench:
        await bench.upload("a.img")
        await bench.msd.set_params(image="a.img")
        await bench.msd.set_connected(True)
        shutil.rmtree(root)
        await bench.until(lambda state: state.storage is None)
        assert bench.state == MsdState(enabled=True)
        await bench.msd.set_connected(False)
        operations: list[Operation] = [
            lambda: bench.msd.set_connected(True),
            lambda: bench.msd.set_connected(False),
            lambda: bench.msd.set_params(cdrom=True),
            lambda: bench.msd.remove("a.img"),
            lambda: bench.upload("b.img"),
            lambda: bench.read("a.img"),
        ]
        for operation in operations:
            with pytest.raises(MsdOfflineError):
                await operation()
        await bench.msd.reset()
        root.mkdir()
        await bench.until(lambda state: state.online)


async def test_without_a_drive_the_storage_is_of_use(tmp_path: Path) -> None:
    async with running(tmp_path / "images", slot=AbsentDrive("no drive")) as bench:
        await bench.until(lambda state: state.storage is not None)
        await bench.upload("a.img")
        assert bench.state.online is False
        assert bench.images() == {"a.img": True}
        with pytest.raises(MsdOfflineError):
            await bench.msd.set_params(image="a.img")
        await bench.msd.reset()


async def test_disabled(tmp_path: Path) -> None:
    async with running(tmp_path / "images", type="disabled") as bench:
        assert bench.state == MsdState(enabled=False)
        operations: list[Operation] = [
            bench.msd.reset,
            lambda: bench.msd.remove("x"),
            lambda: bench.upload("x"),
        ]
        for operation in operations:
            with pytest.raises(MsdDisabledError):
                await operation()
        assert not bench.root.exists()


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, MsdNoSpaceError),
        (errno.EROFS, MsdPermissionsError),
        (errno.EIO, MsdOfflineError),
        (errno.ENOENT, MsdUnknownImageError),
        (errno.ENAMETOOLONG, ValidatorError),
    ],
)
def test_what_file_systems_say_in_the_contracts_words(number: int, error: type[OperationError]) -> None:
    assert type(storage_error(OSError(number, "why"), "the image x")) is error


# -- transfers --------------------------------------------------------------------------------------------


def failing_after(monkeypatch: pytest.MonkeyPatch, written: int, number: int) -> None:
    """Let the disk fail with *number* once *written* bytes were written."""
    writev, left = os.writev, written

    def fail(fd: int, pieces: Any) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(number, os.strerror(number))
        done = writev(fd, pieces)
        left -= done
        return done

    monkeypatch.setattr(os, "writev", fail)


@pytest.mark.fault("images' disk", "ENOSPC")
async def test_a_disk_that_fills_up_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_after(monkeypatch, 2 * MIB, errno.ENOSPC)
    with pytest.raises(MsdNoSpaceError, match=r"sub/a\.img"):
        await bench.upload_pieces("sub/a.img", 64 * MIB, itertools.repeat(bytes(MIB), 64))
    assert list(bench.root.iterdir()) == []
    assert bench.images() == {}
    assert bench.state.busy is False


@pytest.mark.fault("images' disk", "EIO")
async def test_a_disk_that_fails_ends_the_body_although_nothing_comes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_after(monkeypatch, 0, errno.EIO)

    async def stall() -> None:
        async with bench.msd.writing("a.img", 64 * MIB) as image:
            await image.write(bytes(2 * MIB))
            await trio.sleep_forever()

    with trio.fail_after(DEADLINE_S), pytest.raises(MsdOfflineError):
        await stall()
    assert bench.images() == {"a.img": False}


async def test_a_disk_that_cannot_take_the_full_size_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _size: int) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(MsdNoSpaceError, match="File too large"):
        await bench.upload("sub/a.img")
    assert list(bench.root.iterdir()) == []
    assert bench.images() == {}


async def test_a_disk_that_takes_a_little_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    writev, turns = os.writev, itertools.cycle([1, 7, 100_000])

    def write_some(fd: int, pieces: Any) -> int:
        return writev(fd, [memoryview(b"".join(pieces))[: next(turns)]])

    monkeypatch.setattr(os, "writev", write_some)
    content = bytes(range(256)) * 2000
    pieces = [content[at : at + 3000] for at in range(0, len(content), 3000)]
    await bench.upload_pieces("a.img", len(content), pieces)
    assert (bench.root / "a.img").read_bytes() == content


async def test_what_comes_is_put_on_the_disk_as_often_as_it_is_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    between: list[int] = [0]
    writev, fsync = os.writev, os.fsync

    def count(fd: int, pieces: Any) -> int:
        done = writev(fd, pieces)
        between[-1] += done
        return done

    def note(fd: int) -> None:
        fsync(fd)
        between.append(0)

    async with running(tmp_path / "images", sync_chunk_size=64 * 1024) as bench:
        monkeypatch.setattr(os, "writev", count)
        monkeypatch.setattr(os, "fsync", note)
        await bench.upload_pieces("a.img", 2 * MIB, itertools.repeat(bytes(16 * 1024), 128))
    assert max(between) == 64 * 1024
    assert sum(between) == 2 * MIB


@pytest.mark.fault("images' disk", "stalls")
async def test_a_disk_that_hangs_is_given_up_and_tidied_up_when_it_answers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    writev = os.writev

    def hang(fd: int, pieces: Any) -> int:
        answers.wait(DEADLINE_S)
        return writev(fd, pieces)

    monkeypatch.setattr(os, "writev", hang)
    monkeypatch.setattr(disk_threads, "DISK_DEADLINE_S", 0.2)
    monkeypatch.setattr(disk_threads, "CLEAN_UP_S", 0.2)
    with trio.fail_after(DEADLINE_S), pytest.raises(MsdOfflineError, match="answer within"):
        await bench.upload("a.img", bytes(MIB), remove_incomplete=True)
    assert bench.state.busy is False
    assert (bench.root / "a.img").exists()
    answers.set()
    with trio.fail_after(DEADLINE_S):
        while (bench.root / "a.img").exists():
            await trio.sleep(0.01)


async def test_more_than_was_declared_is_refused(bench: Bench) -> None:
    with pytest.raises(MsdIncompleteError, match="got more"):
        await bench.upload_pieces("a.img", 4, [b"123", b"45"])
    assert bench.images() == {"a.img": False}


@pytest.mark.parametrize(("every_s", "is_told"), [(0.0, True), (1000.0, False)])
async def test_progress_is_told_now_and_then(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, every_s: float, is_told: bool
) -> None:
    monkeypatch.setattr(writer, "PROGRESS_S", every_s)

    def written() -> int:
        assert bench.state.storage is not None
        assert bench.state.storage.uploading is not None
        return bench.state.storage.uploading.written

    async with bench.msd.writing("a.img", 4 * MIB) as image:
        assert written() == 0
        await image.write(bytes(3 * MIB))
        with trio.fail_after(DEADLINE_S):
            while image.written < 3 * MIB:
                await trio.sleep(0.01)
        assert written() == (3 * MIB if is_told else 0)
        await image.write(bytes(MIB))
    assert bench.state.storage is not None
    assert bench.state.storage.uploading is None


async def test_an_upload_that_is_cancelled_leaves_the_mark_or_nothing(bench: Bench) -> None:
    for remove in (False, True):
        name = f"{remove}.img"
        with trio.CancelScope() as scope:
            async with bench.msd.writing(name, 2 * MIB, remove_incomplete=remove) as image:
                await image.write(bytes(MIB))
                scope.cancel()
                await trio.sleep_forever()
        assert bench.images().get(name) is (None if remove else False)
    assert sorted(path.name for path in bench.root.iterdir()) == [".__False.img.incomplete", "False.img"]


async def test_one_operation_at_a_time(bench: Bench) -> None:
    await bench.upload("a.img")
    async with bench.msd.reading("a.img") as image:
        assert bench.state.busy is True
        assert bench.state.storage is not None
        assert bench.state.storage.downloading is not None
        operations: list[Operation] = [
            bench.msd.reset,
            lambda: bench.msd.remove("a.img"),
            lambda: bench.upload("b.img"),
        ]
        for operation in operations:
            with pytest.raises(MsdIsBusyError):
                await operation()
        assert b"".join([piece async for piece in image.pieces()]) == b"12345"
        # Whoever has all of it may go on, and what follows is not ended by us.
        async with bench.msd.writing("b.img", 1) as other:
            await other.write(b"1")
    assert bench.state.busy is False


async def test_a_reader_that_stops_ends_the_reading(bench: Bench) -> None:
    await bench.upload("a.img", bytes(8 * MIB))
    with trio.fail_after(DEADLINE_S):
        async with bench.msd.reading("a.img") as image, aclosing(image.pieces()) as pieces:
            assert len(await anext(pieces)) == 65536
    assert bench.state.busy is False


async def test_an_image_that_shrinks_while_it_is_read_is_an_error(bench: Bench) -> None:
    await bench.upload("a.img", bytes(64 * MIB))

    async def shrink_and_read() -> None:
        async with bench.msd.reading("a.img") as image:
            os.truncate(bench.root / "a.img", MIB)
            async for _piece in image.pieces():
                pass

    with trio.fail_after(DEADLINE_S), pytest.raises(MsdOfflineError, match="got none"):
        await shrink_and_read()


async def test_while_connected_images_stay_as_they_are(bench: Bench) -> None:
    await bench.upload("a.img")
    await bench.msd.set_params(image="a.img")
    await bench.msd.set_connected(True)
    operations: list[Operation] = [lambda: bench.msd.remove("a.img"), lambda: bench.upload("b.img")]
    for operation in operations:
        with pytest.raises(MsdConnectedError):
            await operation()


async def test_names_that_lead_out_of_the_storage_reach_nothing(bench: Bench, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.img").write_bytes(b"secret")
    (bench.root / "link").symlink_to(elsewhere)
    (bench.root / "link.img").symlink_to(elsewhere / "secret.img")
    with pytest.raises(MsdImageExistsError, match="expected a directory"):
        await bench.upload("link/new.img")
    with pytest.raises(MsdImageExistsError):
        await bench.upload("link.img")
    for name in ("link/secret.img", "link.img"):
        with pytest.raises(MsdUnknownImageError):
            files.open_to_read(bench.root, name)
        with pytest.raises(MsdUnknownImageError):
            await bench.msd.remove(name)
    assert [path.name for path in elsewhere.iterdir()] == ["secret.img"]


async def test_what_is_no_file_is_not_read(bench: Bench) -> None:
    os.mkfifo(bench.root / "fifo")
    with pytest.raises(MsdUnknownImageError, match="something else"):
        files.open_to_read(bench.root, "fifo")


async def test_images_that_may_not_be_removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.upload("a.img")
    find = bench.msd._storage.find

    async def static(name: str) -> Any:
        return msgspec.structs.replace(await find(name), removable=False)

    monkeypatch.setattr(bench.msd._storage, "find", static)
    with pytest.raises(MsdImageStaticError):
        await bench.msd.remove("a.img")
    assert (bench.root / "a.img").exists()


async def test_a_storage_that_cannot_be_made_writable_is_not_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_only() -> bool:
        return True

    await bench.upload("a.img")
    monkeypatch.setattr(bench.msd._remounter, "_is_read_only", read_only)
    monkeypatch.setattr(bench.msd._remounter, "_command", ("/bin/false", "{mode}"))
    with pytest.raises(MsdRemountError):
        await bench.upload("b.img")
    with pytest.raises(MsdRemountError):
        await bench.msd.remove("a.img")
    await bench.msd.set_params(image="a.img", cdrom=False, rw=True)
    with pytest.raises(MsdRemountError):
        await bench.msd.set_connected(True)
    assert bench.pc.media.medium is None
    assert not (bench.root / "b.img").exists()
    assert (bench.root / "a.img").exists()
