"""The password file's syntax: any bytes can be read, and changing one account leaves the rest alone."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.errors import SetupError, ValidatorError
from firmware.subsystems.auth.hashing import Scheme, UnsupportedHashError, parse_stored
from firmware.subsystems.auth.password_file import PasswordFile, load, save


def sha(password: str) -> str:
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$BSim6MHCi9U3UE8vLMIqmA$OdWUXimGPTql3kiL+DsAPoicRZArq0fYsnHU6zUU7jI"
BCRYPT = "$2y$05$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"

user_names = st.from_regex(r"[a-z_]([a-z0-9@._-]{0,20}[a-z0-9_-])?", fullmatch=True)
hashes = st.text(max_size=10).map(sha) | st.just(ARGON2)
entries = st.builds(lambda user, text: f"{user}:{text}".encode(), user_names, hashes)
noise = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b""))
files = st.lists(entries | noise | st.sampled_from([b"", b"# comment", b"admin:" + BCRYPT.encode()])).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)


def test_an_ordinary_file() -> None:
    parsed = PasswordFile.parse(
        f"# made by hand\nadmin:{ARGON2}\n\n guest:{sha('x')} \r\nop@example.com:{sha('y')}".encode()
    )
    assert {user: stored.scheme for user, stored in parsed.accounts.items()} == {
        "admin": Scheme.ARGON2ID,
        "guest": Scheme.SHA,
        "op@example.com": Scheme.SHA,
    }
    assert parsed.problems == ()


def test_bcrypt_is_refused_by_user_name() -> None:
    parsed = PasswordFile.parse(f"admin:{BCRYPT}\n".encode())
    assert not parsed.accounts
    (problem,) = parsed.problems
    assert (problem.user, problem.scheme) == ("admin", "bcrypt")
    assert "user admin" in problem.message
    assert "bcrypt" in problem.message
    assert parsed.users() == ["admin"]


@pytest.mark.parametrize(
    "line",
    [
        b"no colon hunter2",
        b"admin:hunter2",
        b"admin:",
        b":hunter2",
        b"Admin:" + sha("hunter2").encode(),
        b"admin:" + sha("x").encode() + b":hunter2",
        "админ:hunter2".encode(),
        b"\xff\xfe\x00hunter2",
        b"admin:{SHA}hunter2",
        b"x" * 200 + b":hunter2",
    ],
)
def test_a_broken_line_is_named_by_its_number_and_never_shown(line: bytes) -> None:
    parsed = PasswordFile.parse(b"# one\n\n" + line + b"\nguest:" + sha("x").encode() + b"\n")
    assert list(parsed.accounts) == ["guest"]
    (problem,) = parsed.problems
    assert problem.line_number == 3
    assert "line 3" in problem.message or "user admin" in problem.message
    assert "hunter2" not in repr(parsed)


def test_the_first_line_of_a_user_counts() -> None:
    parsed = PasswordFile.parse(f"admin:{sha('first')}\nadmin:{sha('second')}\n".encode())
    assert parsed.accounts["admin"] == parse_stored(sha("first"))
    assert [problem.line_number for problem in parsed.problems] == [2]
    refused_first = PasswordFile.parse(f"admin:{BCRYPT}\nadmin:{sha('second')}\n".encode())
    assert not refused_first.accounts, "a refused first line must not let a forgotten second one in"


@given(st.binary(max_size=400) | files)
def test_any_bytes_can_be_read_and_written_back(data: bytes) -> None:
    parsed = PasswordFile.parse(data)
    written = parsed.render()
    assert written == (data if data.endswith(b"\n") or not data else data + b"\n")
    assert PasswordFile.parse(written) == parsed


@given(files, user_names, hashes)
def test_setting_an_account_changes_nothing_else(data: bytes, user: str, text: str) -> None:
    before = PasswordFile.parse(data)
    after = before.with_account(user, text)
    assert after.accounts[user] == parse_stored(text)
    assert {**before.accounts, user: None} == {**after.accounts, user: None}
    others = [line for line in before.lines if line.strip().partition(b":")[0] != user.encode()]
    assert [line for line in after.lines if line.strip().partition(b":")[0] != user.encode()] == others
    assert sum(line.startswith(user.encode() + b":") for line in after.lines) == 1


@given(files, user_names)
def test_removing_an_account_changes_nothing_else(data: bytes, user: str) -> None:
    before = PasswordFile.parse(data)
    known = before.users()
    for name in {*known, user}:
        after = before.without(name)
        assert name not in after.users()
        assert {key: value for key, value in before.accounts.items() if key != name} == after.accounts


@given(files)
def test_problems_name_lines_and_never_show_them(data: bytes) -> None:
    parsed = PasswordFile.parse(data)
    for problem in parsed.problems:
        line = parsed.lines[problem.line_number - 1].strip().decode("latin-1")
        content = line.removeprefix(f"{problem.user}:") if problem.user else line
        assert len(content) < 12 or content not in problem.message
        assert len(line) < 12 or line not in repr(parsed)


@pytest.mark.parametrize("text", ["hunter2", BCRYPT, f"{sha('x')}\nroot:{sha('y')}", ""])
def test_what_is_no_accepted_hash_is_not_written(text: str) -> None:
    with pytest.raises(UnsupportedHashError):
        PasswordFile.empty().with_account("admin", text)


@pytest.mark.parametrize("user", [" admin", "admin\n"])
def test_a_user_is_not_written_with_blanks_around(user: str) -> None:
    with pytest.raises(ValueError, match="blanks"):
        PasswordFile.empty().with_account(user, ARGON2)


@pytest.mark.parametrize("user", ["Admin", "a:b", "a\nb", "", "# a"])
def test_a_user_that_could_never_log_in_is_not_written(user: str) -> None:
    with pytest.raises(ValidatorError):
        PasswordFile.empty().with_account(user, ARGON2)


def test_cost_classes_are_one_for_each_price() -> None:
    parsed = PasswordFile.parse(f"a:{sha('1')}\nb:{ARGON2}\nc:{sha('2')}\n".encode())
    assert [stored.scheme for stored in parsed.cost_classes().values()] == [Scheme.SHA, Scheme.ARGON2ID]
    assert not PasswordFile.empty().cost_classes()


def test_load_and_save(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    assert load(path) is None
    save(path, PasswordFile.empty().with_account("admin", ARGON2))
    loaded = load(path)
    assert loaded is not None
    assert list(loaded.accounts) == ["admin"]


def test_unusable_paths_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot read the password file: .* - at .*check its owner"):
        load(tmp_path)
    with pytest.raises(SetupError, match=r"cannot write the password file: .* - at .*check its directory"):
        save(tmp_path / "missing" / "htpasswd", PasswordFile.empty())
