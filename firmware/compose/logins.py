"""Makes the ways to log in that go beyond the contract, as routes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import trio

from api.routes.oidc import oidc_routes
from api.routes.passkeys import passkey_routes
from api.routes.second_factor import second_factor_routes
from api.routing import Route
from drivers.network.provider_http import HttpProvider
from firmware.core.errors import SetupError
from firmware.subsystems.auth.enrolment import Enrolments
from firmware.subsystems.auth.oidc import Oidc
from firmware.subsystems.auth.oidc_config import OidcConfig, read_client_secret
from firmware.subsystems.auth.passkeys import Passkeys
from firmware.subsystems.auth.service import AuthService

PASSKEYS: Final = "passkeys.json"
"""In the state directory."""


async def make_login_routes(auth: AuthService, config: OidcConfig, state_dir: Path) -> list[Route]:
    """List the routes of second factors, passkeys and the login provider.

    Raises SetupError if a file cannot be used.
    """
    enrolments = Enrolments(auth, auth.factors, clock=trio.current_time, wall_clock=time.time)
    passkeys = Passkeys(auth, state_dir / PASSKEYS, clock=trio.current_time, wall_clock=time.time)
    await passkeys.load()
    return [
        *second_factor_routes(enrolments),
        *passkey_routes(passkeys),
        *oidc_routes(await _make_oidc(auth, config)),
    ]


async def _make_oidc(auth: AuthService, config: OidcConfig) -> Oidc | None:
    if not config.issuer or not auth.enabled:
        return None
    secret = ""
    if config.client_secret_file is not None:
        try:
            secret = await trio.to_thread.run_sync(read_client_secret, config.client_secret_file)
        except ValueError as exc:
            raise SetupError(f"{exc} - at farhand/oidc/client_secret_file") from None
    return Oidc(config, secret, HttpProvider(), auth, clock=trio.current_time, wall_clock=time.time)
