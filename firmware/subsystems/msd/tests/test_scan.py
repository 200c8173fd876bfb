"""One look at real directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from firmware.subsystems.msd.scan import scan


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")


def test_what_is_an_image_and_what_is_not(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a.img",
        "sub/deep/er/b.ISO",
        ".hidden",
        ".dir/c.img",
        "lost+found/d.img",
        "sub/.__x.incomplete",
    )
    make(tmp_path.parent, "outside.img")
    (tmp_path / "link.img").symlink_to(tmp_path / "a.img")
    (tmp_path / "linked").symlink_to(tmp_path / "sub")
    os.mkfifo(tmp_path / "fifo.img")
    (tmp_path / os.fsdecode(b"latin\xe9.img")).write_bytes(b"")
    entered: list[Path] = []
    found = scan(tmp_path, entered=entered.append)
    assert set(found.images) == {"a.img", "sub/deep/er/b.ISO"}
    assert entered[0] == tmp_path
    assert {tmp_path / "sub", tmp_path / "sub/deep", tmp_path / "sub/deep/er"} <= set(entered)
    image = found.images["a.img"]
    assert (image.size, image.mod_ts) == (5, (tmp_path / "a.img").stat().st_mtime)
    assert (image.complete, image.removable, image.writable) == (True, True, True)
    assert found.images["sub/deep/er/b.ISO"].writable is False


def test_marks_belong_to_the_image_beside_them(tmp_path: Path) -> None:
    make(tmp_path, "a.img", ".__a.img.incomplete", "sub/a.img", "b.img")
    found = scan(tmp_path)
    assert {name: image.complete for name, image in found.images.items()} == {
        "a.img": False,
        "sub/a.img": True,
        "b.img": True,
    }


def test_the_root_is_a_part_and_images_are_on_it(tmp_path: Path) -> None:
    found = scan(tmp_path)
    assert set(found.parts) == {""}
    facts = os.statvfs(tmp_path)
    assert found.parts[""].size == facts.f_blocks * facts.f_frsize


def test_directories_that_vanish_or_may_not_be_read_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.img", "gone/b.img")

    def vanish(directory: Path) -> None:
        if directory.name == "gone":
            (directory / "b.img").unlink()
            directory.rmdir()

    assert set(scan(tmp_path, entered=vanish).images) == {"a.img"}


def test_a_root_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "gone")
    make(tmp_path, "file")
    with pytest.raises(NotADirectoryError):
        scan(tmp_path / "file")
