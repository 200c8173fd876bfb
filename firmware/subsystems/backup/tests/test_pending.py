"""Restores and resets that are not cut off; those that are stand beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware.subsystems.backup.pending import (
    ResetRequest,
    cancel_reset,
    cancel_restore,
    carry_out_reset,
    carry_out_restore,
    is_restore_pending,
    pending_reset,
    request_reset,
    stage_restore,
)
from firmware.subsystems.backup.scope import Roots

type Everything = Callable[[Roots], dict[str, bytes]]

NEW = {
    "config/override.yaml": b"kvmd: {hid: {}}\n",
    "config/htpasswd": b"alice:hash\n",
    "config/keymaps/own/xx": b"keys\n",
    "state/tls/key.pem": b"other key\n",
    "state/switch/settings.json": b"{}\n",
}


def test_a_restore_waits_and_then_takes_the_place_of_everything(roots: Roots, everything: Everything) -> None:
    before = everything(roots)
    (roots.state / "images").mkdir()
    (roots.state / "images" / "os.iso").write_bytes(b"image")
    stage_restore(roots.state, NEW)
    assert is_restore_pending(roots.state)
    waiting = everything(roots)
    assert {name: waiting[name] for name in before} == before
    assert carry_out_restore(roots)
    assert everything(roots) == NEW | {"state/images/os.iso": b"image"}
    assert not carry_out_restore(roots)
    assert (roots.config / "htpasswd").stat().st_mode & 0o777 == 0o600


def test_a_backup_of_nothing_leaves_nothing(roots: Roots, everything: Everything) -> None:
    stage_restore(roots.state, {})
    assert carry_out_restore(roots)
    assert everything(roots) == {}


def test_a_configuration_that_is_not_there_is_made(roots: Roots, everything: Everything) -> None:
    shutil.rmtree(roots.config)
    stage_restore(roots.state, NEW)
    carry_out_restore(roots)
    assert everything(roots) == NEW


def test_a_newer_restore_takes_the_place_of_one_that_waits(roots: Roots, everything: Everything) -> None:
    stage_restore(roots.state, {"config/override.yaml": b"first"})
    stage_restore(roots.state, NEW)
    carry_out_restore(roots)
    assert everything(roots) == NEW


def test_a_restore_that_waits_can_be_cancelled(roots: Roots, everything: Everything) -> None:
    before = everything(roots)
    stage_restore(roots.state, NEW)
    assert cancel_restore(roots.state)
    assert not cancel_restore(roots.state)
    assert not carry_out_restore(roots)
    assert everything(roots) == before


def test_what_stands_in_the_way_gives_way(roots: Roots, everything: Everything, tmp_path: Path) -> None:
    (roots.config / "keymaps").write_bytes(b"a file")
    shutil.rmtree(roots.state / "tls")
    outside = tmp_path / "outside"
    outside.mkdir()
    (roots.state / "tls").symlink_to(outside)
    (roots.config / "override.yaml").unlink()
    (roots.config / "override.yaml").mkdir()
    stage_restore(roots.state, NEW)
    carry_out_restore(roots)
    assert everything(roots) == NEW
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("images", [False, True])
def test_a_reset_forgets_everything(roots: Roots, everything: Everything, images: bool) -> None:
    (roots.state / "images").mkdir()
    (roots.state / "images" / "os.iso").write_bytes(b"image")
    (roots.config / "link").symlink_to("/etc/hostname")
    stage_restore(roots.state, NEW)
    request_reset(roots.state, ResetRequest(images))
    assert carry_out_reset(roots) == ResetRequest(images)
    assert everything(roots) == ({} if images else {"state/images/os.iso": b"image"})
    assert list(roots.config.iterdir()) == []
    assert not carry_out_restore(roots)
    assert carry_out_reset(roots) is None
    assert Path("/etc/hostname").exists()


def test_a_reset_that_waits_can_be_cancelled(roots: Roots, everything: Everything) -> None:
    before = everything(roots)
    request_reset(roots.state, ResetRequest(True))
    assert pending_reset(roots.state) == ResetRequest(True)
    assert cancel_reset(roots.state)
    assert carry_out_reset(roots) is None
    assert everything(roots) == before


def test_a_damaged_request_spares_the_images(roots: Roots) -> None:
    request_reset(roots.state, ResetRequest(True))
    (roots.state / "factory-reset").write_bytes(b"\0\0")
    assert pending_reset(roots.state) == ResetRequest(False)
