"""`farhand passwd` on real files: what it changes, what it refuses, and that it leaves nothing half done."""

from __future__ import annotations

import base64
import hashlib
import io
import stat
from pathlib import Path

import pytest

from firmware.core.files import exclusive
from firmware.passwd_command import run
from firmware.subsystems.auth.hashing import PasswordHasher, Scheme
from firmware.subsystems.auth.password_file import PasswordFile, load


class Terminal:
    """A configuration directory and somebody who types."""

    def __init__(self, config_dir: Path) -> None:
        self.config_dir = config_dir
        self.path = config_dir / "htpasswd"
        self.typed: list[str] = []
        self.prompts: list[str] = []
        self.output = ""
        self.complaints = ""

    def run(self, *arguments: str, stdin: str = "") -> int:
        stdout, stderr = io.StringIO(), io.StringIO()
        status = run(
            arguments,
            config_dir=self.config_dir,
            stdin=io.StringIO(stdin),
            stdout=stdout,
            stderr=stderr,
            ask=self._ask,
        )
        self.output, self.complaints = stdout.getvalue(), stderr.getvalue()
        return status

    def _ask(self, prompt: str) -> str:
        self.prompts.append(prompt)
        if not self.typed:
            raise EOFError
        return self.typed.pop(0)

    def accounts(self) -> PasswordFile:
        loaded = load(self.path)
        assert loaded is not None
        return loaded

    def lets_in(self, user: str, password: str) -> bool:
        stored = self.accounts().accounts.get(user)
        return stored is not None and PasswordHasher().verify(stored, password)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "config")


def ssha512(password: str) -> str:
    digest = hashlib.sha512(password.encode() + b"saltsalt").digest()
    return "{SSHA512}" + base64.b64encode(digest + b"saltsalt").decode()


BCRYPT = "$2y$05$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"


# ----- set


def test_set_asks_twice_and_writes_argon2id_into_a_private_file(terminal: Terminal) -> None:
    terminal.typed = ["correct horse", "correct horse"]
    assert terminal.run("set", "admin") == 0
    assert len(terminal.prompts) == 2
    assert terminal.lets_in("admin", "correct horse")
    assert terminal.accounts().accounts["admin"].scheme is Scheme.ARGON2ID
    assert stat.S_IMODE(terminal.path.stat().st_mode) == 0o600
    assert "Added" in terminal.output
    assert "correct horse" not in terminal.output + terminal.complaints


def test_set_changes_one_account_and_nothing_else(terminal: Terminal) -> None:
    terminal.config_dir.mkdir()
    terminal.path.write_text(f"# ours\nadmin:{ssha512('old')}\n?? \nguest:{ssha512('guest')}\n")
    assert terminal.run("set", "admin", "--stdin", stdin="new one\nignored\n") == 0
    lines = terminal.path.read_text().splitlines()
    assert [lines[0], *lines[2:]] == ["# ours", "?? ", f"guest:{ssha512('guest')}"]
    assert terminal.lets_in("admin", "new one")
    assert not terminal.lets_in("admin", "old")
    assert "Changed" in terminal.output
    assert "open" in terminal.output, "that sessions survive is said"


def test_set_mends_an_account_whose_scheme_is_not_accepted(terminal: Terminal) -> None:
    terminal.config_dir.mkdir()
    terminal.path.write_text(f"admin:{BCRYPT}\n")
    assert terminal.run("set", "admin", "--stdin", stdin="new one") == 0
    assert terminal.lets_in("admin", "new one")
    assert terminal.accounts().problems == ()


@pytest.mark.parametrize("stdin", ["  spaced out  \n", "  spaced out  \r\n", "  spaced out  "])
def test_only_the_line_end_is_taken_off_a_password_from_standard_input(
    terminal: Terminal, stdin: str
) -> None:
    assert terminal.run("set", "admin", "--stdin", stdin=stdin) == 0
    assert terminal.lets_in("admin", "  spaced out  ")


@pytest.mark.parametrize(
    ("arguments", "entered", "complaint"),
    [
        (["set", "admin"], ["one", "two"], "same password twice"),
        (["set", "admin"], ["", ""], "empty"),
        (["set", "admin"], ["one"], "end of input"),
        (["set", "admin", "--stdin"], "", "got nothing"),
        (["set", "admin", "--stdin"], "\n", "empty"),
        (["set", "admin", "--stdin"], "admin\n", "default"),
        (["set", "admin", "--stdin"], "пароль\n", "printable ASCII"),
        (["set", "admin", "--stdin"], "x" * 513, "512"),
        (["set", "Admin", "--stdin"], "x", "USER"),
        (["set", "a:b", "--stdin"], "x", "USER"),
        (["del", "nobody"], "", "nobody"),
    ],
)
@pytest.mark.parametrize("content", [None, f"guest:{ssha512('guest')}\n"])
def test_what_is_refused_changes_nothing(
    terminal: Terminal, arguments: list[str], entered: str | list[str], complaint: str, content: str | None
) -> None:
    if content is not None:
        terminal.config_dir.mkdir()
        terminal.path.write_text(content)
    if isinstance(entered, list):
        terminal.typed = list(entered)
        entered = ""
    assert terminal.run(*arguments, stdin=entered) == 1
    assert complaint in terminal.complaints
    assert terminal.output == ""
    assert (terminal.path.read_text() if terminal.path.exists() else None) == content


def test_another_user_may_be_called_by_the_default_password(terminal: Terminal) -> None:
    assert terminal.run("set", "operator", "--stdin", stdin="admin") == 0


def test_no_password_begins_like_a_token(terminal: Terminal) -> None:
    assert terminal.run("set", "operator", "--stdin", stdin="fht_is a bad beginning") == 1
    assert "like an API token" in terminal.complaints


# ----- del and list


def test_del_removes_one_account(terminal: Terminal) -> None:
    for user in ("admin", "guest"):
        assert terminal.run("set", user, "--stdin", stdin="password of mine") == 0
    assert terminal.run("del", "admin") == 0
    assert list(terminal.accounts().accounts) == ["guest"]
    assert "No account is left" not in terminal.output
    assert terminal.run("del", "guest") == 0
    assert "No account is left" in terminal.output


def test_list_shows_users_and_schemes_and_no_hashes(terminal: Terminal) -> None:
    terminal.config_dir.mkdir()
    terminal.path.write_text(f"admin:{ssha512('x')}\nold:{BCRYPT}\nhunter2\n")
    assert terminal.run("list") == 0
    first, *rest = terminal.output.splitlines()
    assert first == "admin {SSHA512}"
    assert len(rest) == 2
    assert "old" in rest[0]
    assert "bcrypt" in rest[0]
    assert "line 3" in rest[1]
    assert "hunter2" not in terminal.output
    assert ssha512("x")[10:20] not in terminal.output


def test_list_without_a_file_says_how_to_make_one(terminal: Terminal) -> None:
    assert terminal.run("list") == 1
    assert "farhand passwd set" in terminal.complaints


# ----- import


def test_import_takes_over_all_accounts(terminal: Terminal, tmp_path: Path) -> None:
    terminal.config_dir.mkdir()
    terminal.path.write_text(f"# ours\nadmin:{ssha512('old')}\nguest:{ssha512('guest')}\n")
    source = tmp_path / "pikvm-htpasswd"
    source.write_text(f"# theirs\nadmin:{ssha512('new')}\noperator:$apr1$saltsalt$EGVZDNN6gOqijy.tv9axG/\n")
    assert terminal.run("import", str(source)) == 0
    assert "2 accounts" in terminal.output
    assert "replaced: admin\n" in terminal.output
    assert terminal.lets_in("admin", "new")
    assert terminal.lets_in("operator", "correct horse")
    assert terminal.lets_in("guest", "guest")
    assert stat.S_IMODE(terminal.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"old:{BCRYPT}", "user old: the scheme bcrypt"),
        ("old:hunter2", "user old: the scheme of line 2"),
        ("hunter2", "line 2"),
        (f"admin:{ssha512('admin')}", "user admin has the default password"),
        (f"operator:{ssha512('twice')}", "line 2"),
    ],
)
@pytest.mark.parametrize("present", [None, f"guest:{ssha512('guest')}\n"])
def test_one_bad_entry_and_nothing_is_imported(
    terminal: Terminal, tmp_path: Path, line: str, reason: str, present: str | None
) -> None:
    if present is not None:
        terminal.config_dir.mkdir()
        terminal.path.write_text(present)
    source = tmp_path / "pikvm-htpasswd"
    source.write_text(f"operator:{ssha512('x')}\n{line}\n")
    assert terminal.run("import", str(source)) == 1
    assert reason in terminal.complaints
    assert "nothing was imported" in terminal.complaints
    assert "hunter2" not in terminal.complaints
    assert (terminal.path.read_text() if terminal.path.exists() else None) == present


def test_every_bad_entry_is_reported_at_once(terminal: Terminal, tmp_path: Path) -> None:
    source = tmp_path / "pikvm-htpasswd"
    source.write_text(f"one:{BCRYPT}\ntwo:$y$j9T$abc$def\n")
    assert terminal.run("import", str(source)) == 1
    assert "user one: the scheme bcrypt" in terminal.complaints
    assert "user two: the scheme yescrypt" in terminal.complaints


def test_a_file_without_accounts_is_not_imported(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.run("import", str(tmp_path / "missing")) == 1
    (tmp_path / "empty").write_text("# nobody\n")
    assert terminal.run("import", str(tmp_path / "empty")) == 1
    assert terminal.run("import", str(tmp_path)) == 2
    assert "cannot read" in terminal.complaints
    assert not terminal.path.exists()


# ----- the command line


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["set"], ["set", "a", "b"], ["list", "--hashes"]])
def test_a_command_line_that_is_not_understood(terminal: Terminal, arguments: list[str]) -> None:
    assert terminal.run(*arguments) == 2
    assert "usage: farhand passwd" in terminal.complaints
    assert not terminal.path.exists()


@pytest.mark.parametrize("arguments", [["--help"], ["set", "--help"]])
def test_help_is_no_error(
    terminal: Terminal, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.run(*arguments) == 0
    assert "usage: farhand passwd" in capsys.readouterr().out


def test_another_configuration_directory(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.run("--config", str(tmp_path / "other"), "set", "admin", "--stdin", stdin="new one") == 0
    assert not terminal.path.exists()
    assert load(tmp_path / "other" / "htpasswd") is not None


def test_the_configuration_may_put_the_file_elsewhere(tmp_path: Path) -> None:
    stdout = io.StringIO()
    status = run(
        ["set", "admin", "--stdin"],
        config_dir=tmp_path,
        stdin=io.StringIO("new one\n"),
        stdout=stdout,
        password_file_of=lambda config_dir: config_dir / "deep" / "users",
    )
    assert status == 0
    assert load(tmp_path / "deep" / "users") is not None


def test_two_commands_at_once_do_not_lose_an_account(terminal: Terminal) -> None:
    terminal.config_dir.mkdir()
    with exclusive(terminal.path):
        assert terminal.run("set", "admin", "--stdin", stdin="new one") == 2
        assert "try again" in terminal.complaints
    assert terminal.run("set", "admin", "--stdin", stdin="new one") == 0


def test_a_directory_that_cannot_be_written_is_named(terminal: Terminal) -> None:
    terminal.config_dir.write_text("not a directory")
    assert terminal.run("set", "admin", "--stdin", stdin="new one") == 2
    assert str(terminal.path) in terminal.complaints
