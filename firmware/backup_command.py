"""`farhand backup`, `farhand restore` and `farhand factory-reset`: what the API does, on the machine itself.

A password is asked for without echo, or taken from the first line of standard input; never from the command
line, where other users of the machine could read it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TextIO

import trio

from drivers.errors import DriverError
from drivers.system.host_name import host_name
from firmware.boards.choose import choose_board
from firmware.boards.data import read_board
from firmware.compose.backup import check_contents
from firmware.core.errors import OperationError, SetupError
from firmware.core.files import replace
from firmware.core.lock import state_directory
from firmware.core.version import farhand_version
from firmware.settings import load
from firmware.subsystems.backup.pending import ResetRequest, carry_out_restore, request_reset
from firmware.subsystems.backup.scope import Roots
from firmware.subsystems.backup.sealed import (
    SEALED_MAX_BYTES,
    make_backup,
    open_backup,
    restore_backup,
    valid_backup_password,
)
from firmware.subsystems.backup.service import IMAGE_VERSION, UNSUPPORTED

DONE: Final = 0
REFUSED: Final = 1


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> tuple[argparse.ArgumentParser, ...]:
    """Add the commands to *commands* and return their parsers."""
    backup = commands.add_parser("backup", help="write configuration and settings into one encrypted file")
    backup.add_argument("file", type=Path, metavar="FILE", help="the file to write; it must not be there")
    restore = commands.add_parser("restore", help="have a backup take the place of everything")
    restore.add_argument("file", type=Path, metavar="FILE", help="a backup")
    reset = commands.add_parser("factory-reset", help="forget everything at the next start")
    reset.add_argument("--images", action="store_true", help="the images too")
    reset.add_argument("--yes", action="store_true", required=True, help="I mean it")
    for command in (backup, restore):
        command.add_argument(
            "--stdin", action="store_true", help="take the password from the first line of standard input"
        )
    for command in (backup, restore, reset):
        command.add_argument(
            "--state", type=Path, metavar="DIR", help="state directory (default: as for run)"
        )
    return backup, restore, reset


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where the commands read and write; *ask* prompts for a password without echo."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    ask: Callable[[str], str]

    def say(self, text: str) -> None:
        """Print *text*."""
        print(text, file=self.stdout)

    def password(self, *, from_stdin: bool, twice: bool) -> str:
        """Return a password. Raises OperationError, SetupError."""
        if from_stdin:
            return valid_backup_password(self.stdin.readline().rstrip("\r\n"))
        password = valid_backup_password(self.ask("Password of the backup: "))
        if twice and self.ask("The same again: ") != password:
            raise SetupError("the two passwords differ; nothing was written")
        return password


def run(options: argparse.Namespace, config_dir: Path, terminal: Terminal) -> int:
    """Carry out a command and return the exit status. Raises SetupError."""
    command = {"backup": _backup, "restore": _restore, "factory-reset": _reset}[options.command]
    try:
        return command(options, config_dir, terminal)
    except (OperationError, DriverError) as exc:
        print(f"farhand {options.command}: {exc}", file=terminal.stderr)
        return REFUSED
    except OSError as exc:
        where = f" - at {exc.filename}" if exc.filename else ""
        raise SetupError(f"{exc.strerror or exc}{where}") from exc


def _backup(options: argparse.Namespace, config_dir: Path, terminal: Terminal) -> int:
    roots = _roots(options, config_dir)
    if options.file.exists():
        raise SetupError(f"expected a new file, got one that is there already - at {options.file}")
    password = terminal.password(from_stdin=options.stdin, twice=True)
    work = partial(make_backup, roots, password, version=farhand_version(), host_name=host_name())
    sealed = trio.run(work)
    replace(options.file, sealed)
    terminal.say(f"{options.file}: {len(sealed)} bytes. Nothing opens it without the password.")
    return DONE


def _restore(options: argparse.Namespace, config_dir: Path, terminal: Terminal) -> int:
    roots = _roots(options, config_dir)
    with options.file.open("rb") as stream:
        sealed = stream.read(SEALED_MAX_BYTES + 1)
    password = terminal.password(from_stdin=options.stdin, twice=False)
    check = partial(check_contents, base=_board_settings(config_dir), needs_account=True)

    async def work() -> None:
        backup = await open_backup(sealed, password)
        roots.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        for warning in await restore_backup(backup, roots, check):
            terminal.say(f"warning: {warning}")
        manifest = backup.manifest
        terminal.say(
            f"The backup of {manifest.host_name}, made at {manifest.made_at}"
            f" by version {manifest.version}, is good."
        )

    trio.run(work)
    try:
        with state_directory(roots.state):
            carry_out_restore(roots)
    except SetupError:
        terminal.say("An appliance is running: it is restored when that is started again.")
        return DONE
    terminal.say(f"{roots.config} and the settings in {roots.state} are restored.")
    return DONE


def _reset(options: argparse.Namespace, config_dir: Path, terminal: Terminal) -> int:
    if not IMAGE_VERSION.exists():
        raise SetupError(UNSUPPORTED)
    request_reset(_roots(options, config_dir).state, ResetRequest(options.images))
    terminal.say("The next start of this machine forgets everything.")
    return DONE


def _roots(options: argparse.Namespace, config_dir: Path) -> Roots:
    """Return the directories; with a given state directory the configuration may be broken."""
    try:
        farhand = load(config_dir).settings.farhand
    except SetupError:
        if options.state is None:
            raise
        return Roots(config_dir.absolute(), options.state.absolute())
    state = (options.state or farhand.state).absolute()
    return Roots(config_dir.absolute(), state, farhand.images)


def _board_settings(config_dir: Path) -> Mapping[str, object]:
    """Return what the board brings along; nothing of one that is not known."""
    try:
        return read_board(choose_board(load(config_dir).settings.farhand.board)).settings
    except SetupError:
        return {}
