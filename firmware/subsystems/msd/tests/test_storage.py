"""The storage on real directories: what changes is seen, what vanishes is offline, what returns is back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from drivers.errors import DriverError
from drivers.system.inotify import DirectoryWatch
from firmware.core.supervise import Backoff, Supervisor
from firmware.subsystems.msd import storage as module
from firmware.subsystems.msd.errors import MsdOfflineError, MsdUnknownImageError
from firmware.subsystems.msd.location import StorageLocation
from firmware.subsystems.msd.scan import Scan
from firmware.subsystems.msd.storage import ImageStorage

DEADLINE_S = 30


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quiet comes soon, and without a change nobody looks."""
    monkeypatch.setattr(module, "QUIET_S", 0.05)
    monkeypatch.setattr(module, "LOOK_S", 1000)


@asynccontextmanager
async def running(location: StorageLocation) -> AsyncIterator[ImageStorage]:
    storage = ImageStorage(location)
    supervisor = Supervisor()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            supervisor.supervise, "storage", storage.run, Backoff(first_s=0.05, factor=1.0, longest_s=0.05)
        )
        yield storage
        nursery.cancel_scope.cancel()


async def until(storage: ImageStorage, condition: Callable[[Scan | None], object]) -> None:
    with trio.fail_after(DEADLINE_S):
        while not condition(storage.state.value):
            await storage.state.wait_newer(storage.state.version)


async def has(storage: ImageStorage, *names: str) -> None:
    await until(storage, lambda found: found is not None and set(found.images) == set(names))


async def test_images_come_and_go_in_new_directories_too(tmp_path: Path) -> None:
    async with running(StorageLocation(tmp_path)) as storage:
        await has(storage)
        (tmp_path / "a.img").write_bytes(b"1")
        await has(storage, "a.img")
        (tmp_path / "new").mkdir()
        with trio.fail_after(DEADLINE_S):
            while storage.statistics()["directories_watched"] != 2:
                await trio.sleep(0.01)
        (tmp_path / "new/b.img").write_bytes(b"22")
        await has(storage, "a.img", "new/b.img")
        (tmp_path / "new").rename(tmp_path / "other")
        await has(storage, "a.img", "other/b.img")
        (tmp_path / "other/b.img").unlink()
        await has(storage, "a.img")
        assert storage.statistics()["images"] == 1


@pytest.mark.fault("images' disk", "vanishes", "returns")
async def test_a_storage_that_vanishes_is_offline_until_it_returns(tmp_path: Path) -> None:
    root = tmp_path / "images"
    async with running(StorageLocation(root)) as storage:
        with pytest.raises(MsdOfflineError):
            storage.present()
        root.mkdir()
        (root / "a.img").touch()
        await has(storage, "a.img")
        shutil.rmtree(root)
        await until(storage, lambda found: found is None)
        with pytest.raises(MsdOfflineError):
            await storage.find("a.img")
        root.mkdir()
        await has(storage)
    assert storage.state.value is None


async def test_our_own_directory_is_made_and_no_other(tmp_path: Path) -> None:
    async with running(StorageLocation(tmp_path / "deep/images", own=True)) as storage:
        await has(storage)
    assert not (tmp_path / "foreign").exists()


async def test_what_came_a_moment_ago_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_S", 1000)
    async with running(StorageLocation(tmp_path)) as storage:
        await has(storage)
        (tmp_path / "a.img").write_bytes(b"1")
        assert (await storage.find("a.img")).size == 1
        with pytest.raises(MsdUnknownImageError, match=r"b\.img"):
            await storage.find("b.img")


async def test_changes_that_never_end_are_looked_at_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUIET_S", 1000)
    monkeypatch.setattr(module, "UNQUIET_S", 0.1)
    async with running(StorageLocation(tmp_path)) as storage:
        await has(storage)
        (tmp_path / "a.img").write_bytes(b"1")
        await has(storage, "a.img")


async def test_without_watches_it_looks_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_self: DirectoryWatch, _directory: Path) -> int:
        raise DriverError("no more watches")

    monkeypatch.setattr(DirectoryWatch, "add", refuse)
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    async with running(StorageLocation(tmp_path)) as storage:
        await has(storage)
        (tmp_path / "a.img").write_bytes(b"1")
        await has(storage, "a.img")
    assert caplog.text.count("no more watches") == 1


@pytest.mark.fault("images' disk", "stalls")
async def test_a_disk_that_hangs_is_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def hang(*_arguments: object, **_named: object) -> Scan:
        answers.wait(DEADLINE_S)
        return Scan()

    monkeypatch.setattr(module, "scan", hang)
    storage = ImageStorage(StorageLocation(tmp_path))
    storage._calls._deadline_s = 0.1
    with pytest.raises(DriverError, match="expected the storage"):
        await storage.refresh()
    with pytest.raises(MsdOfflineError):
        await storage.refresh_or_offline()
    answers.set()


async def test_the_room_alone_can_be_looked_at(tmp_path: Path) -> None:
    async with running(StorageLocation(tmp_path)) as storage:
        await has(storage)
        before = storage.present()
        await storage.refresh_parts()
        assert set(storage.present().parts) == {""}
        assert storage.present().images == before.images


def test_names_of_paths(tmp_path: Path) -> None:
    storage = ImageStorage(StorageLocation(tmp_path / "root"))
    assert storage.name_of(tmp_path / "root/sub/a.img") == "sub/a.img"
    assert storage.name_of(tmp_path / "rootless/a.img") is None


async def test_the_kernels_name_of_an_image_is_known_too(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    async with running(StorageLocation(tmp_path / "link")) as storage:
        await has(storage)
        assert storage.name_of(tmp_path / "real/a.img") == "a.img"
