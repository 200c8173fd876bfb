"""`farhand passwd`: sets, removes, lists and imports the accounts of the password file.

A command changes the file as a whole or not at all. It never prints a password or a hash, and takes none from
the command line, where other users of the machine could read it.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn, TextIO

from firmware.core.errors import SetupError, ValidatorError
from firmware.core.files import exclusive
from firmware.core.validators import valid_passwd, valid_user
from firmware.subsystems.auth.default_password import DEFAULT_PASSWORD, DEFAULT_USER, has_default_password
from firmware.subsystems.auth.grants import is_token
from firmware.subsystems.auth.hashing import Hasher, PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, Problem, load, save

PASSWORD_FILE_NAME: Final = "htpasswd"  # noqa: S105 (a file name)

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2


class _UsageError(Exception):
    """The command line is not understood; the message is argparse's."""


class _Refused(Exception):  # noqa: N818 (not a fault: the answer to what was asked is no)
    """The command is not carried out; nothing has changed. Each argument is a line to print."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{self.format_usage()}{self.prog}: {message}")


def default_password_file(config_dir: Path) -> Path:
    """Return where the accounts are if the configuration does not say otherwise."""
    return config_dir / PASSWORD_FILE_NAME


def run(
    arguments: Sequence[str],
    *,
    config_dir: Path,
    stdin: TextIO,
    stdout: TextIO,
    stderr: TextIO | None = None,
    password_file_of: Callable[[Path], Path] = default_password_file,
    ask: Callable[[str], str] = getpass.getpass,
    hasher: Hasher | None = None,
) -> int:
    """Carry out `farhand passwd ARGUMENTS` and return the exit status: 0 done, 1 refused, 2 cannot.

    *config_dir* holds unless `--config DIR` is given; *password_file_of* finds the password file of a
    configuration directory. *ask* prompts for a password without echo. What is wrong goes to *stderr*.
    """
    complaints = stderr if stderr is not None else sys.stderr
    try:
        options = _parser(config_dir).parse_args(arguments)
        path = password_file_of(options.config)
        _Command(path, stdin, stdout, ask, hasher or PasswordHasher()).carry_out(options)
    except SystemExit:  # how argparse ends after --help, which is all it exits for here
        return DONE
    except _UsageError as exc:
        print(exc, file=complaints)
        return USAGE
    except SetupError as exc:
        for line in str(exc).splitlines():
            print(f"farhand passwd: {line}", file=complaints)
        return USAGE
    except (_Refused, ValidatorError) as exc:
        for line in exc.args:
            print(f"farhand passwd: {line}", file=complaints)
        return REFUSED
    return DONE


def _parser(config_dir: Path) -> _Parser:
    parser = _Parser(prog="farhand passwd", description="Set, remove, list and import accounts.")
    parser.add_argument(
        "--config", metavar="DIR", type=Path, default=config_dir, help="configuration directory"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    setter = commands.add_parser("set", help="set a user's password; adds the user if need be")
    setter.add_argument("user", metavar="USER")
    setter.add_argument(
        "--stdin", action="store_true", help="take the password from the first line of standard input"
    )
    remover = commands.add_parser("del", help="remove a user")
    remover.add_argument("user", metavar="USER")
    commands.add_parser("list", help="list the users and the schemes of their hashes")
    importer = commands.add_parser("import", help="take over the users of a PiKVM htpasswd file")
    importer.add_argument("file", metavar="FILE", type=Path)
    return parser


class _Command:
    def __init__(
        self, path: Path, stdin: TextIO, stdout: TextIO, ask: Callable[[str], str], hasher: Hasher
    ) -> None:
        self._path = path
        self._stdin = stdin
        self._stdout = stdout
        self._ask = ask
        self._hasher = hasher

    def carry_out(self, options: argparse.Namespace) -> None:
        match options.command:
            case "set":
                self._set(valid_user(options.user, "USER"), from_stdin=options.stdin)
            case "del":
                self._delete(valid_user(options.user, "USER"))
            case "list":
                self._list()
            case "import":
                self._import(options.file)

    def _set(self, user: str, *, from_stdin: bool) -> None:
        stored_text = self._hasher.hash(self._new_password(user, from_stdin=from_stdin))
        with self._changing() as present:
            known = user in present.users()
            save(self._path, present.with_account(user, stored_text))
        self._say(f"{'Changed the password' if known else 'Added the account'} of {user} in {self._path}")
        if known:
            self._say("Sessions that are open stay open until they log out or the appliance restarts")

    def _delete(self, user: str) -> None:
        if load(self._path) is None:
            raise _Refused(f"there is no password file - at {self._path}; so {user} has no account")
        with self._changing() as present:
            if user not in present.users():
                raise _Refused(f"expected a user of the password file, got {user} - at {self._path}")
            remaining = present.without(user)
            save(self._path, remaining)
        self._say(f"Removed {user} from {self._path}; sessions that are open end now")
        if not remaining.accounts:
            self._say("No account is left: nobody can log in, and the appliance will not start again")

    def _list(self) -> None:
        present = load(self._path)
        if present is None:
            raise _Refused(
                f"there is no password file - at {self._path}; make one with `farhand passwd set USER`"
            )
        for user, stored in present.accounts.items():
            self._say(f"{user} {stored.scheme}")
        for problem in present.problems:
            self._say(f"# {problem.message}")

    def _import(self, source: Path) -> None:
        imported = load(source)
        if imported is None:
            raise _Refused(f"expected a PiKVM htpasswd file, got nothing - at {source}")
        reasons = [_reason(problem) for problem in imported.problems]
        if has_default_password(imported, self._hasher):
            reasons.append(f"user {DEFAULT_USER} has the default password, which is not accepted")
        if reasons:
            raise _Refused(
                *reasons,
                f"nothing was imported; remove these lines from {source} or mend them, then try again",
            )
        if not imported.accounts:
            raise _Refused(f"expected a PiKVM htpasswd file, got one without users - at {source}")
        with self._changing() as present:
            replaced = sorted(set(imported.accounts) & set(present.users()))
            merged = present
            for user, stored in imported.accounts.items():
                merged = merged.with_account(user, stored.text)
            save(self._path, merged)
        self._say(f"Imported {len(imported.accounts)} accounts into {self._path}")
        if replaced:
            self._say(f"Passwords replaced: {', '.join(replaced)}")

    def _new_password(self, user: str, *, from_stdin: bool) -> str:
        if from_stdin:
            line = self._stdin.readline()
            if not line:
                raise _Refused("expected a password on standard input, got nothing")
            password = line.removesuffix("\n").removesuffix("\r")
        else:
            password = self._answer(f"New password for {user}: ")
        valid_passwd(password, "password")
        if not password:
            raise _Refused("expected a password, got an empty one")
        if is_token(password):
            raise _Refused("expected a password, got what begins like an API token (fht_)")
        if (user, password) == (DEFAULT_USER, DEFAULT_PASSWORD):
            raise _Refused(
                "expected another password than the default one, with which the appliance does not start"
            )
        if not from_stdin and self._answer("The same again: ") != password:
            raise _Refused("expected the same password twice, got two different ones")
        return password

    def _answer(self, prompt: str) -> str:
        try:
            return self._ask(prompt)
        except EOFError:
            raise _Refused("expected a password, got the end of input") from None

    @contextmanager
    def _changing(self) -> Iterator[PasswordFile]:
        """Lend the present password file to the body, which alone may replace it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(self._path):
                yield load(self._path) or PasswordFile.empty()
        except OSError as exc:
            raise SetupError(
                f"cannot change the password file: {exc.strerror or exc} - at {self._path}; "
                "check its directory"
            ) from exc

    def _say(self, line: str) -> None:
        print(line, file=self._stdout)


def _reason(problem: Problem) -> str:
    if problem.user is None:
        return problem.message
    scheme = problem.scheme or f"of line {problem.line_number} (unknown)"
    return f"user {problem.user}: the scheme {scheme} is not accepted"
