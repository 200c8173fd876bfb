"""Passkeys (WebAuthn): made and kept by their users, and logged in by at the console; beyond the contract."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import Response

from api.cookies import session_cookie
from api.params import Param
from api.routes.second_factor import BODY_LIMIT_BYTES, FORM, PasswordForm, password_of
from api.routing import Access, Answer, Body, Call, Route, Traced, envelope
from firmware.core.errors import ForbiddenError, TooManyAttemptsError
from firmware.core.validators import valid_passkey_id, valid_passkey_name
from firmware.core.validators.auth import PASSKEY_ID_MAX_CHARS, PASSKEY_NAME_MAX_CHARS
from firmware.subsystems.auth.enrolment import AuthenticationOffError
from firmware.subsystems.auth.kept import NotKeptError
from firmware.subsystems.auth.passkeys import Passkeys, TooManyPasskeysError, UnknownPasskeyError
from firmware.subsystems.auth.webauthn import NoHostNameError

RESPONSE_LIMIT_BYTES = 32 * 1024
"""An answer with an attestation that has certificates is some kilobytes."""
ID = Param(
    "id",
    valid_passkey_id,
    description="a passkey's id, as the list tells it",
    schema={"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": PASSKEY_ID_MAX_CHARS},
)
NAME = Param(
    "name",
    valid_passkey_name,
    description="what its user calls it",
    schema={"type": "string", "minLength": 1, "maxLength": PASSKEY_NAME_MAX_CHARS},
)


class PasskeyState(msgspec.Struct, frozen=True):
    """One passkey of the caller."""

    id: str
    name: str
    host: str
    """The name of the appliance that it counts for."""
    made_s: int
    """Unix time."""
    counts: bool
    """Whether it lets its user in: not after a change of the password."""


class OwnPasskeys(msgspec.Struct, frozen=True):
    """All of the caller's."""

    passkeys: list[PasskeyState]


class CeremonyOptions(msgspec.Struct, frozen=True):
    """What the browser is to be asked for."""

    options: dict[str, object]
    """For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`."""


class CeremonyResponse(msgspec.Struct, frozen=True, rename="camel"):
    """What the browser answered: `PublicKeyCredential.toJSON()`."""

    id: str
    raw_id: str
    type: str
    response: dict[str, object]


class MadePasskeyState(msgspec.Struct, frozen=True):
    """The new one."""

    id: str


class LoggedIn(msgspec.Struct, frozen=True):
    """Whose passkey it was."""

    user: str


def passkey_routes(passkeys: Passkeys) -> list[Route]:
    """List the routes of passkeys."""

    async def show(call: Call) -> Response:
        return envelope(
            OwnPasskeys(
                [
                    PasskeyState(one.id, one.name, one.host, one.made_s, shown.counts)
                    for shown in await passkeys.of(call.user)
                    for one in (shown.passkey,)
                ]
            )
        )

    async def begin(call: Call) -> Response:
        options = await passkeys.begin_registration(
            call.user, await password_of(call), client=call.client, host=call.request.host
        )
        return _options(options)

    async def finish(call: Call) -> Response:
        made = await passkeys.finish_registration(
            call.user, call[NAME], await _answer(call), host=call.request.host
        )
        return envelope(MadePasskeyState(made))

    async def rename(call: Call) -> Response:
        await passkeys.rename(call.user, call[ID], call[NAME])
        return envelope()

    async def remove(call: Call) -> Response:
        await passkeys.remove(call.user, call[ID])
        return envelope()

    async def begin_login(call: Call) -> Response:
        return _options(passkeys.begin_login(call.request.host))

    async def finish_login(call: Call) -> Response:
        user, token = await passkeys.finish_login(
            await _answer(call), client=call.client, host=call.request.host
        )
        answer = envelope(LoggedIn(user))
        answer.headers["Set-Cookie"] = session_cookie(token)
        return answer

    return [
        Route(
            "GET",
            "/api/auth/passkeys",
            Access.USER,
            None,
            show,
            summary="the caller's passkeys",
            answers=(Answer(OwnPasskeys),),
        ),
        Route(
            "POST",
            "/api/auth/passkeys/register",
            Access.USER,
            None,
            begin,
            summary="begin to make a passkey; the caller shows the password once more",
            in_person=True,
            body_limit_bytes=BODY_LIMIT_BYTES,
            body=Body(FORM, PasswordForm),
            answers=(Answer(CeremonyOptions),),
            errors=(
                ForbiddenError,
                TooManyAttemptsError,
                AuthenticationOffError,
                NoHostNameError,
                TooManyPasskeysError,
                NotKeptError,
            ),
        ),
        Route(
            "POST",
            "/api/auth/passkeys/register/finish",
            Access.USER,
            None,
            finish,
            (NAME,),
            summary="keep the passkey that the browser made",
            in_person=True,
            body_limit_bytes=RESPONSE_LIMIT_BYTES,
            body=Body("application/json", CeremonyResponse),
            answers=(Answer(MadePasskeyState),),
            errors=(ForbiddenError, NoHostNameError, TooManyPasskeysError, NotKeptError),
        ),
        Route(
            "POST",
            "/api/auth/passkeys/rename",
            Access.USER,
            None,
            rename,
            (ID, NAME),
            summary="give one of the caller's passkeys another name",
            in_person=True,
            errors=(UnknownPasskeyError, NotKeptError),
        ),
        Route(
            "POST",
            "/api/auth/passkeys/remove",
            Access.USER,
            None,
            remove,
            (ID,),
            summary="have one of the caller's passkeys count no more",
            in_person=True,
            errors=(UnknownPasskeyError, NotKeptError),
        ),
        Route(
            "POST",
            "/api/auth/passkeys/login",
            Access.PUBLIC,
            None,
            begin_login,
            traced=Traced.NOTHING,
            summary="begin to log in by a passkey",
            answers=(Answer(CeremonyOptions),),
            errors=(NoHostNameError,),
        ),
        Route(
            "POST",
            "/api/auth/passkeys/login/finish",
            Access.PUBLIC,
            None,
            finish_login,
            # The authentication service tells of it, and of those that are refused.
            traced=Traced.NOTHING,
            summary="log in by a passkey: the answer sets the cookie auth_token",
            body_limit_bytes=RESPONSE_LIMIT_BYTES,
            body=Body("application/json", CeremonyResponse),
            answers=(Answer(LoggedIn),),
            errors=(ForbiddenError, NoHostNameError, NotKeptError),
        ),
    ]


def _options(options: dict[str, Any]) -> Response:
    return envelope(CeremonyOptions(options))


async def _answer(call: Call) -> bytes:
    data = await call.request.get_data()
    assert isinstance(data, bytes), "bytes unless text is asked for"
    return data
