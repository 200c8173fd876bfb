"""The password file: Apache htpasswd syntax, one `user:hash` a line (contract subsystems.md section 1).

It changes a file line by line without touching what it does not understand, and never shows the content of a
line: it may be a password in the clear. All but `load` and `save` is pure: bytes in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Self

from firmware.core.errors import SetupError, ValidatorError
from firmware.core.files import observe, replace
from firmware.core.validators import valid_user
from firmware.subsystems.auth.hashing import CostClass, StoredHash, UnsupportedHashError, parse_stored


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that lets nobody in. `message` names the line or the user, never the line's content.

    `user` and `scheme` are given where the line is well-formed and only its scheme is not accepted.
    """

    line_number: int
    message: str
    user: str | None = None
    scheme: str | None = None


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """A password file as read: its accounts, and its lines to write it back as it was."""

    accounts: Mapping[str, StoredHash]
    problems: tuple[Problem, ...] = ()
    lines: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def empty(cls) -> Self:
        """Return a file without a line."""
        return cls.parse(b"")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read *data*; blank lines and lines with `#` first mean nothing, the first line of a user counts."""
        lines = tuple(data.removesuffix(b"\n").split(b"\n")) if data else ()
        accounts: dict[str, StoredHash] = {}
        problems: list[Problem] = []
        seen: set[str] = set()
        for number, raw in enumerate(lines, 1):
            line = raw.strip()
            if not line or line.startswith(b"#"):
                continue
            entry = _split_line(line)
            if entry is None:
                problems.append(
                    Problem(number, f"line {number}: expected user:hash, got something else; ignored")
                )
                continue
            user, stored_text = entry
            if user in seen:
                problems.append(Problem(number, f"line {number}: the user has an earlier line; ignored"))
                continue
            seen.add(user)
            try:
                accounts[user] = parse_stored(stored_text)
            except UnsupportedHashError as exc:
                problems.append(_unsupported(number, user, exc))
        return cls(MappingProxyType(accounts), tuple(problems), lines)

    def cost_classes(self) -> Mapping[CostClass, StoredHash]:
        """Return one hash for each price that a check of some account has, in the order of the file."""
        classes: dict[CostClass, StoredHash] = {}
        for stored in self.accounts.values():
            classes.setdefault(stored.cost, stored)
        return classes

    def users(self) -> list[str]:
        """Return everybody who has a line, whether its hash is accepted or not."""
        return [*self.accounts, *(problem.user for problem in self.problems if problem.user is not None)]

    def with_account(self, user: str, stored_text: str) -> PasswordFile:
        """Return the file with *user*'s line replaced or added; other lines stay byte for byte."""
        parse_stored(stored_text)
        if valid_user(user) != user:
            raise ValueError("expected a user name without surrounding blanks")
        new_line = f"{user}:{stored_text}".encode("ascii")
        lines: list[bytes] = []
        placed = False
        for line in self.lines:
            if not _is_line_of(user, line):
                lines.append(line)
            elif not placed:
                lines.append(new_line)
                placed = True
        if not placed:
            lines.append(new_line)
        return self.parse(_join(lines))

    def without(self, user: str) -> PasswordFile:
        """Return the file without any line of *user*; other lines stay byte for byte."""
        return self.parse(_join([line for line in self.lines if not _is_line_of(user, line)]))

    def render(self) -> bytes:
        """Return the file's bytes, each line ended."""
        return _join(self.lines)


def _join(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _split_line(line: bytes) -> tuple[str, str] | None:
    """Return user and hash, None where the line is not one of a user that could ever log in."""
    try:
        user, stored_text = line.decode("ascii").split(":")
        if not stored_text or valid_user(user) != user:
            return None
    except (ValueError, ValidatorError):  # UnicodeDecodeError is a ValueError
        return None
    return user, stored_text


def _is_line_of(user: str, line: bytes) -> bool:
    name, colon, _hash = line.strip().partition(b":")
    return bool(colon) and name == user.encode()


def _unsupported(number: int, user: str, exc: UnsupportedHashError) -> Problem:
    if exc.label is None:
        return Problem(number, f"line {number}: {exc}; ignored", user=user)
    return Problem(
        number,
        f"the entry of user {user} cannot be used: {exc}; set a password with `farhand passwd set {user}`",
        user=user,
        scheme=exc.label,
    )


def load(path: Path) -> PasswordFile | None:
    """Read the password file at *path*; None if there is none. Blocks. Raises SetupError if that fails."""
    seen = observe(path)
    if seen.error is not None:
        raise SetupError(f"cannot read the password file: {seen.error} - at {path}; check its owner and mode")
    return None if seen.data is None else PasswordFile.parse(seen.data)


def save(path: Path, passwords: PasswordFile) -> None:
    """Replace the password file at *path* crash-safely. Blocks. Raises SetupError; then it is as before."""
    try:
        replace(path, passwords.render())
    except OSError as exc:
        raise SetupError(
            f"cannot write the password file: {exc.strerror or exc} - at {path}; check its directory"
        ) from exc
