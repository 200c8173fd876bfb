"""Makes the ways to log in that go beyond the contract, as routes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import trio

from api.routes.passkeys import passkey_routes
from api.routes.second_factor import second_factor_routes
from api.routing import Route
from firmware.subsystems.auth.enrolment import Enrolments
from firmware.subsystems.auth.passkeys import Passkeys
from firmware.subsystems.auth.service import AuthService

PASSKEYS: Final = "passkeys.json"
"""In the state directory."""


async def make_login_routes(auth: AuthService, state_dir: Path) -> list[Route]:
    """List the routes of second factors and passkeys. Raises SetupError if a file cannot be used."""
    enrolments = Enrolments(auth, auth.factors, clock=trio.current_time, wall_clock=time.time)
    passkeys = Passkeys(auth, state_dir / PASSKEYS, clock=trio.current_time, wall_clock=time.time)
    await passkeys.load()
    return [*second_factor_routes(enrolments), *passkey_routes(passkeys)]
