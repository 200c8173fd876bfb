"""Noticing changes of a file and replacing it, on a real file system."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from firmware.core import files
from firmware.core.errors import SetupError
from firmware.core.files import Observed, exclusive, make_directory, observe, replace


def later_ns() -> int:
    """Return a time by which every file of the test has settled."""
    return time.time_ns() + 60_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    path.write_bytes(b"first")
    return path


def test_an_unchanged_settled_file_is_not_read_again(path: Path) -> None:
    known = observe(path, wall_clock_ns=later_ns)
    assert known.data == b"first"
    assert observe(path, known) is known


def test_a_file_changed_a_moment_ago_is_read_again_whatever_its_time_stamps(path: Path) -> None:
    known = observe(path)
    status = path.stat()
    # A change within one tick of the file system's clock: same size, same time stamps.
    unseen = Observed(files.FileIdentity.of(status), b"older", settled=known.settled)
    assert observe(path, unseen).data == b"first"


@pytest.mark.parametrize("settled", [True, False])
def test_every_way_of_changing_a_file_is_noticed(path: Path, settled: bool) -> None:
    clock = later_ns if settled else time.time_ns
    known = observe(path, wall_clock_ns=clock)
    assert known.identity is not None

    path.write_bytes(b"other")
    os.utime(path, ns=(known.identity.modified_ns, known.identity.modified_ns))
    in_place = observe(path, known, wall_clock_ns=clock)
    assert in_place.data == b"other", "written in place, size and modification time kept"

    path.with_name("new").write_bytes(b"third")
    path.with_name("new").replace(path)
    renamed = observe(path, in_place, wall_clock_ns=clock)
    assert renamed.data == b"third"

    path.unlink()
    gone = observe(path, renamed, wall_clock_ns=clock)
    assert (gone.data, gone.error) == (None, None)

    path.write_bytes(b"back")
    assert observe(path, gone, wall_clock_ns=clock).data == b"back"


def test_same_as_tells_a_touched_file_from_an_untouched_one(path: Path) -> None:
    known = observe(path)
    assert observe(path, known).same_as(known)
    path.write_bytes(b"first")
    assert not observe(path, known).same_as(known)


def test_what_is_no_file_of_reasonable_size_is_told_not_raised(tmp_path: Path) -> None:
    assert observe(tmp_path).error is not None
    assert observe(tmp_path / "missing").error is None
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert observe(fifo).error == "expected a regular file, got something else"
    huge = tmp_path / "huge"
    with huge.open("wb") as stream:
        stream.truncate(files.MAX_FILE_BYTES + 1)
    assert "at most" in (observe(huge).error or "")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert observe(loop).error is not None


def test_the_representation_shows_no_content(path: Path) -> None:
    assert "first" not in repr(observe(path))


def test_a_replaced_file_is_private_and_leaves_nothing_behind(path: Path) -> None:
    path.chmod(0o644)
    old_umask = os.umask(0)
    try:
        replace(path, b"second")
    finally:
        os.umask(old_umask)
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["htpasswd"]  # noqa: PTH208 (names only)


def test_a_new_file_is_made(tmp_path: Path) -> None:
    replace(tmp_path / "new", b"content")
    assert (tmp_path / "new").read_bytes() == b"content"


def test_the_file_behind_a_link_is_replaced_not_the_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "htpasswd"
    link.symlink_to(path)
    replace(link, b"second")
    assert link.is_symlink()
    assert path.read_bytes() == b"second"


def test_everything_is_on_the_disk_before_the_new_file_shows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        happened.append(f"sync {'directory' if is_directory else 'file'} while {path.read_bytes().decode()}")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    replace(path, b"second")
    assert happened == ["sync file while first", "sync directory while second"]


def test_a_full_disk_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        replace(path, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(path.parent) == ["htpasswd"]  # noqa: PTH208 (names only)


@pytest.mark.parametrize("is_readable", [True, False])
def test_what_cannot_be_put_on_the_disk_is_put_back_if_it_is_known(
    path: Path, monkeypatch: pytest.MonkeyPatch, is_readable: bool
) -> None:
    real_open, real_fsync = os.open, os.fsync

    def open_or_not(name: Path, flags: int, *arguments: int) -> int:
        if name == path and not is_readable:
            raise PermissionError(13, "Permission denied")
        return real_open(name, flags, *arguments)

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")
        real_fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_or_not)
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="Input/output error"):
            replace(path, b"second")
    assert path.read_bytes() == (b"first" if is_readable else b"second"), "never nothing"
    assert [entry.name for entry in path.parent.iterdir()] == ["htpasswd"]


def test_directories_are_made_once_for_their_owner_only(tmp_path: Path) -> None:
    for _ in range(2):
        make_directory(tmp_path / "one/two")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("one", "one/two")] == [0o700, 0o700]
    (tmp_path / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(FileExistsError):
            make_directory(tmp_path / name)


def test_a_file_may_be_for_others_to_read(path: Path) -> None:
    replace(path, b"second", mode=0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays_who_it_was(path: Path) -> None:
    os.chown(path, 12345, 23456)
    replace(path, b"second")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_new_file_belongs_to_the_owner_of_its_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    replace(tmp_path / "new", b"content")
    assert ((tmp_path / "new").stat().st_uid, (tmp_path / "new").stat().st_gid) == (12345, 23456)


def test_two_changers_do_not_meet(path: Path) -> None:
    with exclusive(path), pytest.raises(SetupError, match="try again"), exclusive(path):
        pytest.fail("both got in")
    with exclusive(path):
        pass
