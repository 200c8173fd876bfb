"""Second factors that users have of their own; beyond the contract, which knows a shared one alone.

Passwords and codes are in the body, since parameters of the query are in the audit trail.
"""

from __future__ import annotations

import msgspec
from quart import Response

from api.params import Param
from api.routing import Access, Answer, Body, Call, Route, envelope
from firmware.core.errors import ForbiddenError, TooManyAttemptsError
from firmware.core.validators import valid_passwd, valid_user
from firmware.core.validators.auth import USER_MAX_CHARS
from firmware.subsystems.auth.enrolment import (
    AuthenticationOffError,
    Enrolments,
    NoOwnFactorError,
    NotEnrollingError,
    WrongCodeError,
)
from firmware.subsystems.auth.kept import NotKeptError
from firmware.subsystems.auth.rights import Capability

BODY_LIMIT_BYTES = 4096
FORM = "application/x-www-form-urlencoded"
USER = Param(
    "user",
    valid_user,
    description="whose factor is taken away",
    schema={"type": "string", "pattern": "^[a-z_]([a-z0-9@._-]*[a-z0-9_-])?$", "maxLength": USER_MAX_CHARS},
)


class PasswordForm(msgspec.Struct, frozen=True):
    """The caller's password once more."""

    passwd: str
    """With the present code or a recovery code appended, if there is a second factor."""


class CodeForm(msgspec.Struct, frozen=True):
    """A code of the new secret."""

    code: str


class OwnFactorState(msgspec.Struct, frozen=True):
    """What the caller has."""

    enabled: bool
    recovery_codes_left: int


class NewSecret(msgspec.Struct, frozen=True):
    """A secret that counts once a code of it was given."""

    secret: str
    """Base32."""
    uri: str
    qr: str
    """The URI as a QR code: a `data:` URL of an SVG picture."""


class RecoveryCodes(msgspec.Struct, frozen=True):
    """They are shown this once; each stands once for a code at login."""

    recovery_codes: list[str]


class Enrolled(msgspec.Struct, frozen=True):
    """Who has a second factor of their own."""

    users: list[str]


async def password_of(call: Call) -> str:
    """Return the password that the form of *call* has. Raises ValidatorError."""
    return valid_passwd((await call.request.form).get("passwd", ""))


def second_factor_routes(enrolments: Enrolments) -> list[Route]:
    """List the routes of own second factors."""

    async def show(call: Call) -> Response:
        left = enrolments.recovery_codes_left(call.user)
        return envelope(OwnFactorState(left is not None, left or 0))

    async def enroll(call: Call) -> Response:
        made = await enrolments.begin(
            call.user, await password_of(call), client=call.client, host=call.request.host
        )
        return envelope(NewSecret(made.secret, made.uri, made.qr))

    async def confirm(call: Call) -> Response:
        code = "".join((await call.request.form).get("code", "").split())
        return envelope(RecoveryCodes(await enrolments.confirm(call.user, code)))

    async def renew(call: Call) -> Response:
        codes = await enrolments.renew_recovery_codes(call.user, await password_of(call), client=call.client)
        return envelope(RecoveryCodes(codes))

    async def disable(call: Call) -> Response:
        await enrolments.disable(call.user, await password_of(call), client=call.client)
        return envelope()

    async def users(_call: Call) -> Response:
        return envelope(Enrolled(enrolments.users()))

    async def reset(call: Call) -> Response:
        await enrolments.reset(call[USER])
        return envelope()

    confirmed = (ForbiddenError, TooManyAttemptsError, AuthenticationOffError)
    return [
        Route(
            "GET",
            "/api/auth/totp",
            Access.USER,
            None,
            show,
            summary="whether the caller has a second factor of their own",
            answers=(Answer(OwnFactorState),),
        ),
        Route(
            "POST",
            "/api/auth/totp/enroll",
            Access.USER,
            None,
            enroll,
            summary="draw a secret for an authenticator app; it counts once it is confirmed",
            in_person=True,
            body_limit_bytes=BODY_LIMIT_BYTES,
            body=Body(FORM, PasswordForm),
            answers=(Answer(NewSecret),),
            errors=confirmed,
        ),
        Route(
            "POST",
            "/api/auth/totp/confirm",
            Access.USER,
            None,
            confirm,
            summary="have the secret count, by a code of it",
            in_person=True,
            body_limit_bytes=BODY_LIMIT_BYTES,
            body=Body(FORM, CodeForm),
            answers=(Answer(RecoveryCodes),),
            errors=(NotEnrollingError, WrongCodeError, NotKeptError),
        ),
        Route(
            "POST",
            "/api/auth/totp/recovery_codes",
            Access.USER,
            None,
            renew,
            summary="replace the recovery codes",
            in_person=True,
            body_limit_bytes=BODY_LIMIT_BYTES,
            body=Body(FORM, PasswordForm),
            answers=(Answer(RecoveryCodes),),
            errors=(*confirmed, NoOwnFactorError, NotKeptError),
        ),
        Route(
            "POST",
            "/api/auth/totp/disable",
            Access.USER,
            None,
            disable,
            summary="give up the own second factor",
            in_person=True,
            body_limit_bytes=BODY_LIMIT_BYTES,
            body=Body(FORM, PasswordForm),
            errors=(*confirmed, NoOwnFactorError, NotKeptError),
        ),
        Route(
            "GET",
            "/api/auth/totp/users",
            Access.USER,
            Capability.ADMIN,
            users,
            summary="who has a second factor of their own",
            answers=(Answer(Enrolled),),
        ),
        Route(
            "POST",
            "/api/auth/totp/reset",
            Access.USER,
            Capability.ADMIN,
            reset,
            (USER,),
            summary="take the second factor from a user who lost it",
            in_person=True,
            errors=(NoOwnFactorError, NotKeptError),
        ),
    ]
