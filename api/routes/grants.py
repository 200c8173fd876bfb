"""API tokens and share links: made, listed and revoked by their users, and by administrators.

A secret is in the one answer to whoever made it, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import msgspec
from quart import Response

from api.cookies import session_cookie
from api.credentials import TOKEN_COOKIE
from api.params import Param
from api.routing import (
    Access,
    Answer,
    Call,
    Handler,
    Route,
    Traced,
    envelope,
    html_page,
    with_retry_after,
)
from firmware.core.errors import ForbiddenError, OperationError, TooManyAttemptsError, ValidatorError
from firmware.core.validators import (
    valid_int,
    valid_session_id,
    valid_share_label,
    valid_token_name,
)
from firmware.core.validators.auth import LABEL_MAX_CHARS
from firmware.subsystems.auth.grant_keeper import GrantsUnavailableError
from firmware.subsystems.auth.grants import (
    SHARE_DEFAULT_S,
    SHARE_MAX_S,
    TOKEN_MAX_S,
    Grant,
    GrantExistsError,
    GrantKind,
    TooManyGrantsError,
    UnknownGrantError,
)
from firmware.subsystems.auth.rights import Capability, valid_capabilities
from firmware.subsystems.auth.service import AuthService

NEVER: Final = "never"
SHARE_PATH: Final = "/share/<secret>"
# A link is passed on in chats and mails: what it allows has an end at the appliance itself.
SHAREABLE: Final = tuple(capability for capability in Capability if capability is not Capability.ADMIN)


def valid_token_expire(raw: object, name: str) -> int | None:
    """Return a token's lifetime in seconds, None for `never`. Raises ValidatorError."""
    if isinstance(raw, str) and raw.strip().lower() == NEVER:
        return None
    try:
        return valid_int(raw, name, minimum=1, maximum=TOKEN_MAX_S)
    except ValidatorError as exc:
        raise ValidatorError(f"{exc}, or {NEVER}") from None


def _capability_list(allowed: Iterable[str]) -> dict[str, object]:
    return {"type": "string", "description": f"separated by commas, of {', '.join(allowed)}"}


_LABEL_SCHEMA: Final = {"type": "string", "maxLength": LABEL_MAX_CHARS}
NAME = Param("name", valid_token_name, description="what the token is for", schema=_LABEL_SCHEMA)
LABEL = Param("label", valid_share_label, "", "whom or what the link is for", schema=_LABEL_SCHEMA)
TOKEN_CAPABILITIES = Param(
    "capabilities",
    valid_capabilities,
    description="what it allows, at most what its user may do when it is used",
    schema=_capability_list(Capability),
)
SHARE_CAPABILITIES = Param(
    "capabilities",
    partial(valid_capabilities, allowed=SHAREABLE),
    frozenset({Capability.VIEW}),
    "what it allows, at most what its user may do when it is used",
    schema=_capability_list(SHAREABLE),
)
TOKEN_EXPIRE = Param(
    "expire",
    valid_token_expire,
    description=f"after how many seconds it ends, or `{NEVER}`",
    schema={"oneOf": [{"type": "integer", "minimum": 1, "maximum": TOKEN_MAX_S}, {"const": NEVER}]},
)
SHARE_EXPIRE = Param(
    "expire",
    partial(valid_int, minimum=1, maximum=SHARE_MAX_S),
    SHARE_DEFAULT_S,
    "after how many seconds it ends",
)
ID = Param(
    "id",
    valid_session_id,
    description="the id, as the list tells it",
    schema={"type": "string", "pattern": "^[0-9a-f]{1,32}$"},
)


class GrantState(msgspec.Struct, frozen=True, kw_only=True):
    """One token or share link, without its secret. Seconds."""

    id: str
    user: str
    own: bool
    name: str
    """A share link's label; may be empty."""
    capabilities: list[Capability]
    age_s: float
    left_s: int | None
    """Until it ends; null = it does not."""
    used_s: float | None
    """Since it was used last; null = never."""
    used_from: str
    """The address it was used from last; empty if never."""


class Tokens(msgspec.Struct, frozen=True):
    """The tokens that the caller may see, the oldest first."""

    tokens: list[GrantState]


class Shares(msgspec.Struct, frozen=True):
    """The share links that the caller may see, the oldest first."""

    shares: list[GrantState]


class MadeToken(msgspec.Struct, frozen=True):
    """A new token. Its secret is told this once."""

    secret: str
    token: GrantState


class MadeShare(msgspec.Struct, frozen=True):
    """A new share link. Its secret is told this once."""

    secret: str
    path: str
    """Where to open it, relative to the console."""
    share: GrantState


def grant_routes(auth: AuthService) -> list[Route]:
    """List the routes of API tokens and share links."""

    def state(grant: Grant, user: str) -> GrantState:
        now = auth.grants.now()
        use = auth.grants.last_use(grant.id)
        return GrantState(
            id=grant.id,
            user=grant.user,
            own=grant.user == user,
            name=grant.label,
            capabilities=sorted(grant.capabilities),
            age_s=max(0.0, now - grant.made_at),
            left_s=auth.grants.left_s(grant),
            used_s=None if use is None else max(0.0, now - use.at),
            used_from="" if use is None else use.client,
        )

    async def make(
        call: Call, kind: GrantKind, label: str, wanted: frozenset[Capability], lifetime_s: int | None
    ) -> tuple[str, GrantState]:
        if not auth.enabled:
            raise GrantsUnavailableError("expected users who log in, got authentication switched off")
        if call.user not in await auth.users():
            # Nothing would tell when somebody is gone for whom others vouch.
            raise ForbiddenError(f"expected a user with a password of this appliance, got {call.user}")
        if beyond := wanted - auth.may(call.caller):
            raise ForbiddenError(
                f"expected at most what {call.user} may do, got {', '.join(sorted(beyond))} - at capabilities"
            )
        grant, secret = await auth.grants.make(kind, call.user, label, wanted, lifetime_s)
        call.noted["id"] = grant.id
        return secret, state(grant, call.user)

    async def revoke(call: Call, kind: GrantKind) -> Response:
        grant = await auth.revoke(call[ID], kind, by=call.user)
        call.noted |= {"user": grant.user, "name": grant.label}
        return envelope()

    def shown(call: Call, kind: GrantKind) -> list[GrantState]:
        return [state(grant, call.user) for grant in auth.grants_shown_to(call.user, kind)]

    async def tokens(call: Call) -> Response:
        return envelope(Tokens(shown(call, GrantKind.TOKEN)))

    async def make_token(call: Call) -> Response:
        lifetime_s = call[TOKEN_EXPIRE]
        secret, made = await make(call, GrantKind.TOKEN, call[NAME], call[TOKEN_CAPABILITIES], lifetime_s)
        return envelope(MadeToken(secret, made))

    async def shares(call: Call) -> Response:
        return envelope(Shares(shown(call, GrantKind.SHARE)))

    async def make_share(call: Call) -> Response:
        lifetime_s = call[SHARE_EXPIRE]
        secret, made = await make(call, GrantKind.SHARE, call[LABEL], call[SHARE_CAPABILITIES], lifetime_s)
        return envelope(MadeShare(secret, f"share/{secret}", made))

    async def open_share(call: Call) -> Response:
        # Relative, because a reverse proxy may serve us below a path that only it knows.
        slash_at_end = bytes(call.request.scope["raw_path"]).endswith(b"/")
        console = Response(b"", 303, headers={"Location": "../../" if slash_at_end else "../"})
        if not auth.enabled:
            return console
        try:
            token = await auth.open_shared(
                call.path_part("secret"),
                client=call.client,
                instead_of=call.request.cookies.get(TOKEN_COOKIE, ""),
            )
        except TooManyAttemptsError as exc:
            return with_retry_after(html_page(exc.status, "Too many attempts", str(exc)), exc)
        except ForbiddenError as exc:
            return html_page(
                exc.status, "This link does not work", "It has ended or was revoked. Ask for another one."
            )
        if token is not None:
            console.headers["Set-Cookie"] = session_cookie(token)
        return console

    def listing(path: str, handler: Handler, what: str, answer: type) -> Route:
        summary = f"one's {what}; those of everybody with `admin`"
        return _in_person("GET", path, handler, (), summary=summary, answer=answer)

    def making(path: str, handler: Handler, params: tuple[Param[Any], ...], what: str, answer: type) -> Route:
        summary = f"make {what}; the answer is the only one with its secret"
        errors = (GrantExistsError, TooManyGrantsError, GrantsUnavailableError)
        return _in_person("POST", path, handler, params, summary=summary, answer=answer, errors=errors)

    def revoking(path: str, kind: GrantKind, what: str) -> Route:
        summary = f"revoke {what}, and end what is open by it"
        errors = (UnknownGrantError, GrantsUnavailableError)
        return _in_person("POST", path, partial(revoke, kind=kind), (ID,), summary=summary, errors=errors)

    token_params = (NAME, TOKEN_CAPABILITIES, TOKEN_EXPIRE)
    share_params = (LABEL, SHARE_CAPABILITIES, SHARE_EXPIRE)
    return [
        listing("tokens", tokens, "API tokens", Tokens),
        making("tokens", make_token, token_params, "an API token", MadeToken),
        revoking("tokens/revoke", GrantKind.TOKEN, "an API token"),
        listing("shares", shares, "share links", Shares),
        making("shares", make_share, share_params, "a share link", MadeShare),
        revoking("shares/revoke", GrantKind.SHARE, "a share link"),
        Route(
            "GET",
            SHARE_PATH,
            Access.PUBLIC,
            None,
            open_share,
            # The authentication service tells of it, and of those that are refused.
            traced=Traced.NOTHING,
            summary="open a share link: sets the cookie auth_token and leads to the console",
            answers=(Answer(None, 303, "", description="to the console"),),
            errors=(ForbiddenError, TooManyAttemptsError),
            refuses_by_page=True,
        ),
    ]


def _in_person(
    method: str,
    path: str,
    handler: Handler,
    params: tuple[Param[Any], ...],
    *,
    summary: str,
    answer: Any = dict[str, object],
    errors: tuple[type[OperationError], ...] = (),
) -> Route:
    return Route(
        method,
        f"/api/auth/{path}",
        Access.USER,
        None,
        handler,
        params,
        summary,
        answers=(Answer(answer),),
        errors=errors,
        in_person=True,
    )
