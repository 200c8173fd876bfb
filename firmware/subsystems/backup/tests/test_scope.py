"""What is in a backup, and what is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from firmware.core.files import MAX_FILE_BYTES
from firmware.subsystems.backup import scope
from firmware.subsystems.backup.errors import BackupTooLargeError
from firmware.subsystems.backup.scope import Roots, present, read_all

type Put = Callable[[Roots, Mapping[str, bytes]], None]
type Files = dict[str, bytes]


def test_settings_are_in_it_and_images_and_the_trail_are_not(roots: Roots, files: Files, put: Put) -> None:
    others = ("images/os.iso", "audit/audit.jsonl", "update/bundle.raucb", "farhand.lock", ".a.1.tmp")
    put(roots, {f"state/{name}": b"no" for name in others})
    put(roots, {"config/.htpasswd.0a.tmp": b"half written"})
    contents = read_all(roots)
    assert contents.files == files
    assert contents.left_out == ()
    assert set(present(roots)) == set(files)


def test_images_elsewhere_in_the_state_are_not_in_it(roots: Roots, files: Files, put: Put) -> None:
    put(roots, {"state/media/os.iso": b"no"})
    assert set(read_all(Roots(roots.config, roots.state, roots.state / "media")).files) == set(files)


def test_a_state_within_the_configuration_is_not_in_it_twice(tmp_path: Path, put: Put) -> None:
    roots = Roots(tmp_path, tmp_path / "state")
    put(roots, {"config/override.yaml": b"a", "state/edid.json": b"b"})
    assert set(read_all(roots).files) == {"config/override.yaml", "state/edid.json"}


def test_what_is_left_out_is_told(roots: Roots, files: Files, tmp_path: Path) -> None:
    (roots.config / "link").symlink_to("/etc/hostname")
    (roots.config / "folder").symlink_to(tmp_path)
    os.mkfifo(roots.config / "pipe")
    (roots.config / "big").write_bytes(bytes(MAX_FILE_BYTES + 1))
    contents = read_all(roots)
    assert contents.files == files
    told = dict(line.split(": ", 1) for line in contents.left_out)
    assert set(told) == {"config/link", "config/folder", "config/pipe", "config/big"}
    assert "link" in told["config/link"]


def test_too_much_is_refused(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope, "MAX_BYTES", 10)
    with pytest.raises(BackupTooLargeError):
        read_all(roots)
