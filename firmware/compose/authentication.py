"""Makes the authentication service; refuses a default password where others can reach it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import trio

from firmware.boards.board import Board
from firmware.core.errors import SetupError
from firmware.settings import ListenAddress, LoadedSettings
from firmware.subsystems.audit.service import Actor, AuditService
from firmware.subsystems.auth import password_file
from firmware.subsystems.auth.config import AuthConfig, HtpasswdAuthConfig
from firmware.subsystems.auth.default_password import decide
from firmware.subsystems.auth.events import AuthEvent, AuthEventKind
from firmware.subsystems.auth.grant_files import FILE_NAME as GRANTS_FILE
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.material import AuthOptions
from firmware.subsystems.auth.service import AuthService

FACTORS: Final = "second_factors.json"
"""In the state directory."""


def password_file_of(config: AuthConfig) -> Path:
    """Return the password file. Raises SetupError for account services that this version cannot ask."""
    if not isinstance(config.internal, HtpasswdAuthConfig):
        raise SetupError(f"expected htpasswd, got {config.internal.type!r} - at kvmd/auth/internal/type")
    return config.internal.file


async def make_authentication(
    loaded: LoadedSettings,
    board: Board,
    addresses: list[ListenAddress],
    audit: AuditService,
    state_dir: Path,
) -> tuple[AuthService, bool]:
    """Make the authentication service; refuse to start with a default password where others can reach it."""

    def witness(event: AuthEvent) -> None:
        actor = Actor(event.user, event.how, event.client)
        if event.kind in (AuthEventKind.REFUSED, AuthEventKind.LIMITED):
            audit.note_refused(event.kind, actor)
        else:
            audit.note(event.kind, actor)

    config = loaded.settings.kvmd.auth
    options = AuthOptions(
        password_file=password_file_of(config),
        totp_secret_file=config.totp.secret.file,
        rights_file=loaded.settings.farhand.rights,
        factors_file=state_dir / FACTORS,
        grants_file=state_dir / GRANTS_FILE,
        enabled=config.enabled,
        expire_s=config.expire,
        extend=config.extend,
    )
    if not config.enabled:
        return AuthService(options), False
    passwords = await trio.to_thread.run_sync(password_file.load, options.password_file)
    decision = await trio.to_thread.run_sync(
        lambda: decide(
            passwords,
            demo_board=board.demo,
            loopback_only=all(address.is_loopback for address in addresses),
            hasher=PasswordHasher(),
        )
    )
    auth = AuthService(options, fallback=decision.fallback, witness=witness)
    await auth.prepare()
    return auth, decision.default_password
