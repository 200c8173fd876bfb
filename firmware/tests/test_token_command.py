"""`farhand token` with real files."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from firmware.cli import main
from firmware.core.errors import ValidatorError
from firmware.core.files import exclusive
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.token_command import lifetime_s


class Machine:
    """Directories of an appliance, and its command line."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = folder / "config"
        self.state = folder / "state"
        self.config.mkdir()
        self.state.mkdir()
        self._capsys = capsys
        stored = PasswordHasher().hash("a password")
        save(self.config / "htpasswd", PasswordFile.empty().with_account("alice", stored))

    def run(self, *words: str) -> tuple[int, str, str]:
        """Return the exit status and what was printed and complained."""
        status = main(["token", *words, "--config", str(self.config), "--state", str(self.state)])
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    def create(self, user: str = "alice", **given: str) -> tuple[int, str, str]:
        options = {"name": "backup", "may": "view,power", "for": "90d"} | given
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return self.run("create", user, *words)


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, capsys)


def test_a_token_is_made_listed_and_revoked(machine: Machine) -> None:
    status, out, err = machine.create()
    assert status == 0
    assert re.fullmatch("fht_[0-9a-f]{64}\n", out)
    assert "may power,view, ends 20" in err
    file = machine.state / "grants.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert out.strip()[4:] not in file.read_text()
    status, listed, _ = machine.run("list")
    found = re.fullmatch(
        "([0-9a-f]{16}) token alice 'backup' may power,view, ends .* UTC, never used\n", listed
    )
    assert (status, found is not None) == (0, True)
    assert found is not None
    assert machine.run("revoke", found[1])[0] == 0
    assert machine.run("list") == (0, "", "")
    status, _, err = machine.run("revoke", found[1])
    assert status == 1
    assert "of none - at ID" in err


@pytest.mark.parametrize(
    ("user", "given", "words"),
    [
        ("bob", {}, "expected a user of the password file, got bob"),
        ("Alice", {}, "at USER"),
        ("alice", {"name": ""}, "at --name"),
        ("alice", {"may": "fly"}, "at --may"),
        ("alice", {"may": ","}, "at --may"),
        ("alice", {"for": "90"}, "at --for"),
        ("alice", {"for": "0d"}, "at --for"),
        ("alice", {"for": "3651d"}, "at --for"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_made(
    machine: Machine, user: str, given: dict[str, str], words: str
) -> None:
    status, out, err = machine.create(user, **given)
    assert (status, out) == (1, "")
    assert words in err
    assert not (machine.state / "grants.json").exists()


def test_a_name_is_used_once(machine: Machine) -> None:
    assert machine.create(**{"for": "never"})[0] == 0
    status, _, err = machine.create()
    assert status == 1
    assert "no token of alice has yet" in err


def test_files_that_cannot_be_used_are_named(machine: Machine) -> None:
    file = machine.state / "grants.json"
    with exclusive(file):
        assert "somebody else is changing" in machine.create()[2]
    file.write_text("{")
    for words in (["list"], ["revoke", "1f"]):
        status, _, err = machine.run(*words)
        assert status == 2
        assert str(file) in err
    machine.state = machine.state / "missing"
    status, _, err = machine.run("list")
    assert status == 2
    assert "expected the state directory" in err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("never", None), ("60s", 60), ("30m", 1800), ("12h", 43_200), ("3650d", 315_360_000)],
)
def test_times(text: str, seconds: int | None) -> None:
    assert lifetime_s(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "1", "1.5h", "-1d", "1w", "\u0661d", "1d "])
def test_no_times(text: str) -> None:
    with pytest.raises(ValidatorError, match="at --for"):
        lifetime_s(text)
