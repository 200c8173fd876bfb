"""Login, logout and the probe (contract http.md 3.2 to 3.4)."""

from __future__ import annotations

import msgspec
from quart import Response

from api.cookies import session_cookie
from api.credentials import TOKEN_COOKIE
from api.params import Param
from api.routing import Access, Answer, Body, Call, Route, Traced, envelope
from firmware.core.errors import ForbiddenError, OperationError, TooManyAttemptsError
from firmware.core.validators import (
    valid_auth_token,
    valid_login_redirect,
    valid_passwd,
    valid_session_expire,
    valid_session_id,
    valid_user,
)
from firmware.subsystems.auth.grants import GrantKind
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.auth.service import AuthService

LOGIN_BODY_LIMIT_BYTES = 4096
SESSION = Param(
    "id",
    valid_session_id,
    description="a session's id, as the list tells it",
    schema={"type": "string", "pattern": "^[0-9a-f]{1,32}$"},
)


class LoginForm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of the login form, for the description of the API (contract http.md 3.2)."""

    user: str
    passwd: str = ""
    expire: str = "0"
    """Seconds; 0 = as long as the configuration allows."""
    redirect: str = ""
    """A page to be sent to instead of an answer."""


class SessionState(msgspec.Struct, frozen=True):
    """One login; *own* is that of the request. Seconds."""

    id: str
    user: str
    own: bool
    age_s: float
    left_s: float | None
    """Until it expires; null = never."""


class Sessions(msgspec.Struct, frozen=True):
    """Who is logged in, the least recently used first."""

    sessions: list[SessionState]


class ActingFor(msgspec.Struct, frozen=True):
    """By what somebody acts for a user."""

    kind: GrantKind
    name: str
    left_s: int | None
    """Until it ends; null = it does not."""


class GrantedRights(msgspec.Struct, frozen=True):
    """What the caller may do."""

    user: str
    """Empty while authentication is off."""
    capabilities: list[Capability]
    grant: ActingFor | None
    """The token or share link of the user by which it is somebody else; null = the user in person."""


class UnknownSessionError(OperationError):
    """There is no session of that id (any more)."""


def auth_routes(auth: AuthService, *, allow_redirects: tuple[str, ...]) -> list[Route]:
    """List the routes of authentication."""

    async def login(call: Call) -> Response:
        if not auth.enabled:
            return envelope()
        form = await call.request.form
        user = valid_user(form.get("user", ""))
        passwd = valid_passwd(form.get("passwd", ""))
        expire = valid_session_expire(form.get("expire", "0"))
        redirect = valid_login_redirect(form.get("redirect", ""), allowed=allow_redirects)
        token = await auth.login(user, passwd, expire, client=call.client)
        answer = Response(b"", 302, headers={"Location": redirect}) if redirect else envelope()
        if token is not None:
            answer.headers["Set-Cookie"] = session_cookie(token)
            auth.bind_origin(token, call.request.headers.get("Origin"))
        return answer

    async def logout(call: Call) -> Response:
        if auth.enabled:
            auth.logout(valid_auth_token(call.request.cookies.get(TOKEN_COOKIE)))
        return envelope()

    async def check(_call: Call) -> Response:
        return envelope()

    async def rights(call: Call) -> Response:
        grant = auth.grants.get(call.caller.grant or "")
        acting = None if grant is None else ActingFor(grant.kind, grant.label, auth.grants.left_s(grant))
        return envelope(GrantedRights(call.user, sorted(auth.may(call.caller)), acting))

    async def sessions(call: Call) -> Response:
        own = auth.session_id(call.request.cookies.get(TOKEN_COOKIE, ""))
        return envelope(
            Sessions(
                [
                    SessionState(info.id, info.user, info.id == own, info.age_s, info.left_s)
                    for info in auth.sessions_shown_to(call.caller)
                ]
            )
        )

    async def end(call: Call) -> Response:
        if not auth.end_session(call[SESSION], by=call.caller):
            raise UnknownSessionError("expected the id of a session, got one of none - at id")
        return envelope()

    return [
        Route(
            "POST",
            "/api/auth/login",
            Access.PUBLIC,
            None,
            login,
            # The authentication service tells of it, and of those that are refused.
            traced=Traced.NOTHING,
            summary="log in: the answer sets the cookie auth_token",
            body_limit_bytes=LOGIN_BODY_LIMIT_BYTES,
            body=Body("application/x-www-form-urlencoded", LoginForm),
            answers=(Answer(dict[str, object]), Answer(None, 302, "", description="to `redirect`")),
            errors=(ForbiddenError, TooManyAttemptsError),
        ),
        Route("POST", "/api/auth/logout", Access.USER, None, logout, summary="end all sessions of this user"),
        Route(
            "GET",
            "/api/auth/sessions",
            Access.USER,
            None,
            sessions,
            summary="who is logged in; without `admin` one's own logins",
            answers=(Answer(Sessions),),
        ),
        Route(
            "POST",
            "/api/auth/sessions/end",
            Access.USER,
            None,
            end,
            (SESSION,),
            summary="end one session, and what it opened; without `admin` one's own",
            errors=(UnknownSessionError,),
        ),
        Route(
            "GET",
            "/api/auth/rights",
            Access.USER,
            None,
            rights,
            summary="what the caller may do",
            answers=(Answer(GrantedRights),),
        ),
        Route(
            "GET",
            "/api/auth/check",
            Access.USER,
            None,
            check,
            summary="tell whether the credentials are good",
        ),
    ]
