"""`farhand token`: makes, lists and revokes API tokens; also lists and revokes share links.

It changes the file that a running appliance looks at, which notices within a second, and works as well while
none runs. A new secret is the only thing on standard output, so that a script can keep it.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from firmware.compose.authentication import password_file_of
from firmware.core.errors import OperationError, SetupError, ValidatorError
from firmware.core.files import observe
from firmware.core.validators import valid_session_id, valid_token_name, valid_user
from firmware.settings import load
from firmware.subsystems.auth import password_file
from firmware.subsystems.auth.grant_files import FILE_NAME, change, read_book, read_uses
from firmware.subsystems.auth.grants import (
    TOKEN_MAX_S,
    Grant,
    GrantBook,
    GrantKind,
    UnknownGrantError,
    make_grant,
)
from firmware.subsystems.auth.rights import Capability, valid_capabilities

DONE: Final = 0
REFUSED: Final = 1

NEVER: Final = "never"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LIFETIME: Final = re.compile(r"([0-9]{1,9})([smhd])")


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> tuple[argparse.ArgumentParser, ...]:
    """Add the command to *commands* and return the parsers of its own commands."""
    token = commands.add_parser("token", help="make, list and revoke API tokens")
    acts = token.add_subparsers(dest="act", required=True, metavar="COMMAND")
    create = acts.add_parser("create", help="make a token for a user, and print its secret")
    create.add_argument("user", metavar="USER")
    create.add_argument("--name", required=True, help="what it is for")
    create.add_argument(
        "--may",
        required=True,
        metavar="LIST",
        help=",".join(Capability),
    )
    create.add_argument(
        "--for", required=True, dest="lifetime", metavar="TIME", help=f"such as 90d or 12h, or {NEVER}"
    )
    listing = acts.add_parser("list", help="list tokens and share links that have not ended")
    revoke = acts.add_parser("revoke", help="revoke a token or share link")
    revoke.add_argument("id", metavar="ID", help="as the list tells it")
    for act in (create, listing, revoke):
        act.add_argument("--state", type=Path, metavar="DIR", help="state directory (default: as for run)")
    return create, listing, revoke


def run(
    options: argparse.Namespace,
    config_dir: Path,
    stdout: TextIO,
    stderr: TextIO,
    wall_clock: Callable[[], float] = time.time,
) -> int:
    """Carry out `farhand token` and return the exit status. Raises SetupError."""
    settings = load(config_dir).settings
    state = options.state or settings.farhand.state
    if not state.is_dir():
        raise SetupError(f"expected the state directory, found none at {state}; give another with --state")
    path, now = state / FILE_NAME, wall_clock()
    try:
        match options.act:
            case "create":
                grant, secret = _create(options, path, password_file_of(settings.kvmd.auth), now)
                print(secret, file=stdout)
                print(f"{_line(grant)}\nThe secret is shown this once.", file=stderr)
            case "list":
                _list(path, now, stdout)
            case "revoke":
                grant = _revoke(valid_session_id(options.id, "ID"), path, now)
                print(f"Revoked: {_line(grant)}", file=stderr)
    except OperationError as exc:
        print(f"farhand token: {exc}", file=stderr)
        return REFUSED
    return DONE


def lifetime_s(text: str) -> int | None:
    """Return what `--for` says in seconds, None for `never`. Raises ValidatorError."""
    if text == NEVER:
        return None
    found = _LIFETIME.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= TOKEN_MAX_S:
        raise ValidatorError(
            f"expected a time such as 90d, 12h, 30m or 60s up to {TOKEN_MAX_S // 86_400}d, or {NEVER}, "
            f"got {text!r} - at --for"
        )
    return seconds


def _create(options: argparse.Namespace, path: Path, passwords: Path, now: float) -> tuple[Grant, str]:
    user = valid_user(options.user, "USER")
    name = valid_token_name(options.name, "--name")
    capabilities = valid_capabilities(options.may, "--may")
    ends_in_s = lifetime_s(options.lifetime)
    accounts = password_file.load(passwords)
    if accounts is None or user not in accounts.users():
        raise ValidatorError(f"expected a user of the password file, got {user} - at {passwords}")
    grant, secret = make_grant(GrantKind.TOKEN, user, name, capabilities, lifetime_s=ends_in_s, now=now)
    change(path, lambda book: book.with_grant(grant, now))
    return grant, secret


def _list(path: Path, now: float, stdout: TextIO) -> None:
    try:
        book = read_book(observe(path))
    except ValueError as exc:
        raise SetupError(f"{exc} - at {path}") from None
    uses = read_uses(path)
    for grant in book.live(now):
        use = uses.get(grant.id)
        used = "never used" if use is None else f"used {_day(use.at)} from {use.client}"
        print(f"{_line(grant)}, {used}", file=stdout)


def _revoke(grant_id: str, path: Path, now: float) -> Grant:
    revoked: list[Grant] = []

    def without(book: GrantBook) -> GrantBook:
        found = book.get(grant_id, now)
        if found is None:
            raise UnknownGrantError(
                f"expected the id of a token or share link, got {grant_id} of none - at ID"
            )
        revoked.append(found)
        return book.without(lambda grant: grant.id == grant_id)

    change(path, without)
    return revoked[0]


def _line(grant: Grant) -> str:
    end = "does not end" if grant.ends_at is None else f"ends {_day(grant.ends_at)}"
    may = ",".join(sorted(grant.capabilities))
    return f"{grant.id} {grant.kind} {grant.user} {grant.label!r} may {may}, {end}"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
