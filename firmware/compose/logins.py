"""Makes the ways to log in that go beyond the contract, as routes."""

from __future__ import annotations

import time

import trio

from api.routes.second_factor import second_factor_routes
from api.routing import Route
from firmware.subsystems.auth.enrolment import Enrolments
from firmware.subsystems.auth.service import AuthService


def make_login_routes(auth: AuthService) -> list[Route]:
    """List the routes of second factors."""
    enrolments = Enrolments(auth, auth.factors, clock=trio.current_time, wall_clock=time.time)
    return second_factor_routes(enrolments)
