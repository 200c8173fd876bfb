"""Which credentials a request presents, and what they are worth (contract http.md 3.1).

The first mechanism that is present decides, and later ones are not tried after a failure. Reads text and
asks the authentication service; it holds no rule of its own about who may get in, and never shows a secret.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from firmware.core.errors import ForbiddenError, UnauthorizedError, ValidatorError
from firmware.core.validators import valid_auth_token, valid_passwd, valid_user
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.grants import GrantKind, is_token

TOKEN_COOKIE: Final = "auth_token"  # noqa: S105 (a name)
USER_HEADER: Final = "X-KVMD-User"
PASSWD_HEADER: Final = "X-KVMD-Passwd"  # noqa: S105 (a name)
SESSION_HEADER: Final = "X-Auth-Token"
BASIC_PREFIX: Final = "basic "
BEARER_PREFIX: Final = "bearer "

type Mechanism = Literal["xhdr", "token", "basic", "bearer"]


@dataclass(frozen=True, slots=True)
class XHeaders:
    """`X-KVMD-User` and `X-KVMD-Passwd`, well-formed."""

    user: str
    passwd: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cookie:
    """The cookie `auth_token`, well-formed."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionToken:
    """`X-Auth-Token` of Redfish (DSP0266 13.3.3); whatever is no token of ours is nobody's."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Basic:
    """`Authorization: Basic`, well-formed."""

    user: str
    passwd: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """An API token in `Authorization: Bearer` (RFC 6750), or in Redfish's `X-Auth-Token`."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Malformed400:
    """The mechanism that decides carries characters that no user, password or token has."""

    message: str


@dataclass(frozen=True, slots=True)
class Malformed401:
    """`Authorization: Basic` with something that cannot be decoded."""

    message: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """No mechanism is present."""


type Presented = XHeaders | SessionToken | Cookie | Basic | Bearer | Malformed400 | Malformed401 | Nothing


class Headers(Protocol):
    """Request headers: names in any letter case, the first value of a repeated one (werkzeug's `Headers`)."""

    def get(self, key: str, /) -> str | None:
        """Return the value of header *key*, None if there is none."""
        ...


def presented(headers: Headers, cookie: str | None, *, session_header: bool = False) -> Presented:
    """Return the one mechanism that decides. *cookie* is the value of `auth_token`, None if there is none.

    With *session_header* a session's token may also stand in `X-Auth-Token`, where Redfish clients put it.
    """
    try:
        if user := headers.get(USER_HEADER):
            return XHeaders(
                valid_user(user, USER_HEADER), valid_passwd(headers.get(PASSWD_HEADER) or "", PASSWD_HEADER)
            )
        if session_header and (token := headers.get(SESSION_HEADER)):
            token = token.strip()
            return Bearer(token) if is_token(token) else SessionToken(token)
        if cookie:
            return Cookie(valid_auth_token(cookie, f"cookie {TOKEN_COOKIE}"))
        authorization = headers.get("Authorization") or ""
        if authorization[: len(BASIC_PREFIX)].lower() == BASIC_PREFIX:
            return _basic(authorization[len(BASIC_PREFIX) :].strip())
        if authorization[: len(BEARER_PREFIX)].lower() == BEARER_PREFIX:
            secret = authorization[len(BEARER_PREFIX) :].strip()
            # Other schemes are none of ours (contract), and so is what others put there, as a proxy may.
            return Bearer(secret) if is_token(secret) else Nothing()
    except ValidatorError as exc:
        return Malformed400(str(exc))
    return Nothing()


def _basic(encoded: str) -> Basic | Malformed401:
    """Read credentials of RFC 7617: the user ends at the first colon, the password may hold more of them."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):  # UnicodeDecodeError is a ValueError
        return Malformed401("expected base64 of UTF-8 text, got something else - at Authorization")
    user, colon, passwd = text.partition(":")
    if not colon:
        return Malformed401("expected user:password, got text without a colon - at Authorization")
    return Basic(valid_user(user, "user of Authorization"), valid_passwd(passwd, "password of Authorization"))


class Authenticator(Protocol):
    """What is needed of the authentication service."""

    @property
    def enabled(self) -> bool:
        """Whether credentials are asked for at all."""
        ...

    async def check_login(self, user: str, passwd: str, *, client: str) -> Caller | None:
        """Return who calls with these credentials from the address *client*, None if they are wrong.

        Raises TooManyAttemptsError if that address has no more guesses for now.
        """
        ...

    async def check_secret(self, kind: GrantKind, secret: str, *, client: str) -> Caller | None:
        """Return who calls with the secret of a token; None and raises as `check_login`."""
        ...

    def caller_of(self, token: str) -> Caller | None:
        """Return whose session *token* is, None if nobody's."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls, and how that is known. `token` is the session's, if a cookie decided."""

    caller: Caller
    mechanism: Mechanism | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def how(self) -> str:
        """How that is known, for the audit trail: the token or share link, else the mechanism."""
        return self.caller.how or self.mechanism or ""

    def __str__(self) -> str:
        """Return what an access log shows (contract subsystems.md 1)."""
        return f"{self.caller.user} ({self.how})" if self.mechanism else "-"


ANYBODY: Final = Identity(Caller(""))
"""While authentication is off, and where nobody is asked."""


async def identify(credentials: Presented, authenticator: Authenticator, client: str) -> Identity:
    """Return who presents *credentials* from the address *client*; anybody while authentication is off.

    Raises ValidatorError (400) if they are malformed, UnauthorizedError (401) if there are none or they
    cannot be decoded, ForbiddenError (403) if they are wrong, TooManyAttemptsError (429) if too many wrong
    ones came from there.
    """
    if not authenticator.enabled:
        return ANYBODY
    match credentials:
        case XHeaders(user, passwd):
            caller = await authenticator.check_login(user, passwd, client=client)
            return Identity(_required(caller, USER_HEADER), "xhdr")
        case Basic(user, passwd):
            caller = await authenticator.check_login(user, passwd, client=client)
            return Identity(_required(caller, "Authorization"), "basic")
        case Bearer(secret):
            caller = await authenticator.check_secret(GrantKind.TOKEN, secret, client=client)
            if caller is None:
                raise ForbiddenError("expected an API token, got one that has ended or never was")
            return Identity(caller, "bearer")
        case Cookie(token):
            caller = authenticator.caller_of(token)
            if caller is not None:
                return Identity(caller, "token", token)
            raise ForbiddenError(
                "expected the token of a live session, got an unknown or expired one - at cookie"
            )
        case SessionToken(token):
            caller = authenticator.caller_of(token)
            if caller is not None:
                return Identity(caller, "token", token)
            # Not 403: Redfish clients log in again on this one.
            raise UnauthorizedError(
                f"expected the token of a live session, got an unknown or expired one - at {SESSION_HEADER}"
            )
        case Malformed400(message):
            raise ValidatorError(message)
        case Malformed401(message):
            raise UnauthorizedError(message)
        case Nothing():
            raise UnauthorizedError("expected credentials, got none - log in or send them")


def _required(caller: Caller | None, where: str) -> Caller:
    if caller is None:
        raise ForbiddenError(f"expected a valid user, password and code, got a wrong one - at {where}")
    return caller
