"""`farhand backup`, `restore` and `factory-reset`, with real files."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from firmware import backup_command
from firmware.cli import main
from firmware.core.lock import state_directory
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, save

PASSWORD = "long enough for a backup"


class Machine:
    """Directories of an appliance, and its command line."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.config = folder / "config"
        self.state = folder / "state"
        self.config.mkdir()
        self._patch = patch

    def run(self, *words: str, given: str = f"{PASSWORD}\n") -> int:
        self._patch.setattr("sys.stdin", io.StringIO(given))
        return main([*words, "--config", str(self.config), "--state", str(self.state)])

    def make_usable(self) -> None:
        stored = PasswordHasher().hash("a password")
        save(self.config / "htpasswd", PasswordFile.empty().with_account("admin", stored))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_backup_comes_back(machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine.make_usable()
    (machine.config / "override.yaml").write_text("kvmd: {atx: {type: disabled}}\n")
    file = tmp_path / "b.age"
    assert machine.run("backup", str(file), "--stdin") == 0
    assert file.stat().st_mode & 0o777 == 0o600
    # Never over another file.
    assert machine.run("backup", str(file), "--stdin") == 2
    (machine.config / "override.yaml").write_text("broken: [")
    (machine.config / "htpasswd").unlink()
    assert machine.run("restore", str(file), "--stdin", given="another password\n") == 1
    assert "not the one" in capsys.readouterr().err
    assert machine.run("restore", str(file), "--stdin") == 0
    assert "are restored" in capsys.readouterr().out
    assert (machine.config / "override.yaml").read_text() == "kvmd: {atx: {type: disabled}}\n"
    assert (machine.config / "htpasswd").exists()
    with state_directory(machine.state):
        assert machine.run("restore", str(file), "--stdin") == 0
    assert "when that is started again" in capsys.readouterr().out
    assert (machine.state / "restore").is_dir()


def test_mistakes_are_told_in_a_line(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.run("restore", str(tmp_path / "none"), "--stdin") == 2
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "other").write_bytes(b"PK\x03\x04")
    assert machine.run("restore", str(tmp_path / "other"), "--stdin") == 1
    assert "age-encryption.org" in capsys.readouterr().err
    assert machine.run("backup", str(tmp_path / "b.age"), "--stdin", given="short\n") == 1
    assert "8 to 1024" in capsys.readouterr().err
    assert not (tmp_path / "b.age").exists()


def test_a_reset_waits_for_the_next_start_of_an_image(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.state.mkdir()
    assert machine.run("factory-reset", "--yes") == 2
    assert "not started from a Farhand image" in capsys.readouterr().err
    (tmp_path / "version").touch()
    monkeypatch.setattr(backup_command, "IMAGE_VERSION", tmp_path / "version")
    assert machine.run("factory-reset", "--yes") == 0
    assert (machine.state / "factory-reset").exists()
