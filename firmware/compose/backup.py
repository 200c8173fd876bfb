"""Makes the backup service, and looks through what is to be restored with everybody's own eyes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from api.server import ensure_certificate
from drivers.system.host_name import host_name
from firmware import usable
from firmware.boards.board import Board
from firmware.boards.data import read_board
from firmware.compose.authentication import FACTORS, password_file_of
from firmware.compose.logins import PASSKEYS
from firmware.core.errors import SetupError
from firmware.core.files import Observed, observe
from firmware.core.version import farhand_version
from firmware.settings import LoadedSettings, load
from firmware.subsystems.auth import passkeys, password_file, second_factors
from firmware.subsystems.auth.rights import Rights
from firmware.subsystems.auth.totp import TotpSecret
from firmware.subsystems.backup.errors import BackupUnusableError
from firmware.subsystems.backup.scope import CONFIG, STATE, Roots
from firmware.subsystems.backup.service import IMAGE_VERSION, BackupService

TLS: Final = "tls"


def backup_roots(loaded: LoadedSettings, state_dir: Path) -> Roots:
    """Return what a backup is of."""
    return Roots(loaded.directory, state_dir, loaded.settings.farhand.images)


def make_backup_service(loaded: LoadedSettings, board: Board, state_dir: Path) -> BackupService:
    """Make the backup service of an appliance on *board*."""
    check = partial(check_contents, base=read_board(board.name).settings, needs_account=not board.demo)
    return BackupService(
        backup_roots(loaded, state_dir),
        version=farhand_version(),
        host_name=host_name,
        check=check,
        image_version=IMAGE_VERSION,
    )


def check_contents(trial: Path, *, base: Mapping[str, object], needs_account: bool) -> list[str]:
    """Look whether an appliance could start with the files in *trial*, and somebody could log in to it.

    Return what is doubtful. Raises BackupUnusableError, a line for each mistake, with paths as in the backup.
    """
    try:
        return [_without(line, trial) for line in _checked(trial, base, needs_account=needs_account)]
    except SetupError as exc:
        raise BackupUnusableError(
            f"the appliance could not be used with this backup: {_without(str(exc), trial)}"
        ) from None


def _without(text: str, trial: Path) -> str:
    return text.replace(f"{trial}/", "")


def _checked(trial: Path, base: Mapping[str, object], *, needs_account: bool) -> list[str]:
    (trial / CONFIG).mkdir(exist_ok=True)
    loaded = load(trial / CONFIG, base=base)
    warnings = [*loaded.warnings, *usable.check(loaded)]
    auth = loaded.settings.kvmd.auth
    if auth.enabled:
        accounts = password_file.load(password_file_of(auth))
        if needs_account and (accounts is None or not accounts.accounts):
            raise SetupError("nobody could log in: there is no account in its password file")
        _require_good(auth.totp.secret.file, TotpSecret.parse)
        _require_good(loaded.settings.farhand.rights, Rights.parse)
        _require_good(trial / STATE / FACTORS, second_factors.check_file)
        _require_good(trial / STATE / PASSKEYS, passkeys.check_file)
    pair = trial / STATE / TLS
    if pair.exists():
        ensure_certificate(pair, (host_name(), "localhost"))
    return warnings


def _require_good(path: Path | None, parse: Callable[[bytes], object]) -> None:
    """Raise SetupError if there is a file at *path* that cannot be used."""
    seen = Observed() if path is None else observe(path)
    try:
        if seen.error is not None:
            raise ValueError(seen.error)
        if seen.data is not None:
            parse(seen.data)
    except ValueError as exc:
        raise SetupError(f"{exc} - at {path}") from None
