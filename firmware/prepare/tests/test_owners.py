"""Whose the files are after a start: the appliance's user's, but for what the system's services believe."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware.core.files import replace
from firmware.prepare.owners import adopt, hand_over
from firmware.prepare.places import Owner

USER = Owner(65534, 65533)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

type Tree = dict[str, tuple[int, int]]


def owners(directory: Path) -> Tree:
    return {
        str(path.relative_to(directory)): (path.lstat().st_uid, path.lstat().st_gid)
        for path in (directory, *directory.rglob("*"))
    }


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory as a version that ran as root left it, with links of root's."""
    state = tmp_path / "state"
    for folder in ("images", "switch/edids", "tls"):
        (state / folder).mkdir(parents=True)
    for name in ("images/a.iso", "switch/edids/b", "tls/key.pem", "tokens.json"):
        (state / name).write_bytes(b"x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"x")
    (state / "link").symlink_to(outside / "file")
    (state / "folder").symlink_to(outside)
    return state


@as_root
def test_everything_is_handed_over_but_links_and_what_they_lead_to(old: Path) -> None:
    hand_over(old, USER)
    found = owners(old)
    assert {name: found.pop(name) for name in ("link", "folder")} == {"link": (0, 0), "folder": (0, 0)}
    assert set(found.values()) == {USER}
    assert set(owners(old.parent / "outside").values()) == {(0, 0)}
    assert hand_over(old, USER) == 0


@as_root
def test_what_was_cut_off_anywhere_is_finished_by_the_next_start(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = 0
    while True:
        hand_back(old)
        with monkeypatch.context() as patch:
            patch.setattr(os, "chown", cut_after(done))
            try:
                hand_over(old, USER)
            except OSError:
                done += 1
            else:
                break
        hand_over(old, USER)
        assert {owner for name, owner in owners(old).items() if name not in ("link", "folder")} == {USER}
    assert done == 9


def cut_after(left: int) -> Callable[..., None]:
    """Return a chown that works so many times."""
    real: Callable[..., None] = os.chown

    def chown(*arguments: Any, **named: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("the power is gone")
        real(*arguments, **named)

    return chown


def hand_back(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)


def test_roots_key_is_taken_over_once(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    assert not adopt(old, new)
    old.write_bytes(b"key")
    assert adopt(old, new)
    assert (old.exists(), new.read_bytes()) == (False, b"key")
    old.symlink_to(new)
    assert not adopt(old, tmp_path / "other")


@as_root
def test_a_key_that_the_appliances_user_put_there_is_not(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_bytes(b"mine")
    os.chown(old, *USER)
    assert not adopt(old, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@as_root
def test_root_writes_through_no_link_that_another_user_made(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"root's")
    link = tmp_path / "override.yaml"
    link.symlink_to(target)
    replace(link, b"by root's own link")
    assert target.read_bytes() == b"by root's own link"
    os.chown(link, *USER, follow_symlinks=False)
    with pytest.raises(PermissionError, match="another user"):
        replace(link, b"elsewhere")
    assert target.read_bytes() == b"by root's own link"
