"""Directories that change, watched through the real kernel."""

from __future__ import annotations

import ctypes
import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from drivers.errors import DriverError
from drivers.system.inotify import DirectoryWatch
from drivers.wire.inotify import IN_CLOSE_WRITE, IN_DELETE_SELF, IN_MOVE_SELF

DEADLINE_S = 20


async def masks(watch: DirectoryWatch) -> int:
    """Wait for changes and return all that they are."""
    with trio.fail_after(DEADLINE_S):
        events = await watch.changed()
    mask = 0
    for event in events:
        mask |= event.mask
    return mask


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "new.img").write_bytes(b"x"),
        lambda root: (root / "old.img").unlink(),
        lambda root: (root / "old.img").rename(root / "other.img"),
        lambda root: (root / "old.img").rename(root.parent / "gone.img"),
        lambda root: (root / "old.img").chmod(0o600),
        lambda root: (root / "new").mkdir(),
        lambda root: (root / "sub").rmdir(),
    ],
)
async def test_what_changes_in_a_directory_is_seen(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "old.img").write_bytes(b"x")
    with DirectoryWatch() as watch:
        watch.add(root)
        change(root)
        assert await masks(watch)


async def test_a_file_is_seen_when_its_writer_has_closed_it(tmp_path: Path) -> None:
    with DirectoryWatch() as watch, (tmp_path / "a.img").open("wb") as file:
        watch.add(tmp_path)
        file.write(b"x")
        file.flush()
        with trio.move_on_after(0.1):
            pytest.fail(f"a piece is no change of the directory: {await watch.changed()}")
        file.close()
        assert await masks(watch) & IN_CLOSE_WRITE


async def test_the_end_of_the_directory_itself_is_seen(tmp_path: Path) -> None:
    for end, expected in (
        (shutil.rmtree, IN_DELETE_SELF),
        (lambda path: path.rename(tmp_path / "x"), IN_MOVE_SELF),
    ):
        root = tmp_path / "root"
        root.mkdir()
        with DirectoryWatch() as watch:
            watch.add(root)
            end(root)
            assert await masks(watch) & expected


async def test_only_what_is_kept_is_watched(tmp_path: Path) -> None:
    kept, dropped = tmp_path / "kept", tmp_path / "dropped"
    kept.mkdir()
    dropped.mkdir()
    with DirectoryWatch() as watch:
        number = watch.add(kept)
        assert watch.add(kept) == number
        watch.add(dropped)
        assert watch.statistics() == {"directories_watched": 2}
        watch.keep_only({number})
        assert watch.statistics() == {"directories_watched": 1}
        (dropped / "a").touch()
        (kept / "b").touch()
        with trio.fail_after(DEADLINE_S):
            assert {event.name for event in await watch.changed()} == {b"b"}


def test_what_cannot_be_watched(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    with DirectoryWatch() as watch:
        for name in ("gone", "file", "link"):
            with pytest.raises(OSError, match=r"No such|Not a directory"):
                watch.add(tmp_path / name)
    watch.close()


def test_the_kernels_limit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DirectoryWatch() as watch:

        class FullKernel:
            def inotify_add_watch(self, *_arguments: object) -> int:
                ctypes.set_errno(errno.ENOSPC)
                return -1

        monkeypatch.setattr(watch, "_libc", FullKernel())
        with pytest.raises(DriverError, match="max_user_watches"):
            watch.add(tmp_path)
