"""Logging in through an OpenID Connect provider; what a browser is led through, so answers are for people.

Beyond the contract. The routes are there without a provider too, and say that there is none.
"""

from __future__ import annotations

import re
import secrets
from html import escape
from typing import Final
from urllib.parse import urljoin

import msgspec
from quart import Response

from api.cookies import session_cookie
from api.params import Param
from api.routing import Access, Answer, Call, Route, envelope, html_page, media
from firmware.core.errors import OperationError
from firmware.core.validators import valid_oidc_text
from firmware.core.validators.auth import OIDC_TEXT_MAX_CHARS
from firmware.subsystems.auth.external import NameTakenError
from firmware.subsystems.auth.oidc import Oidc
from firmware.subsystems.auth.oidc_wire import LoginFailedError, ProviderTroubleError

BROWSER_COOKIE: Final = "oidc_login"
BROWSER_COOKIE_S: Final = 600
CALLBACK: Final = "/api/auth/oidc/callback"
_BROWSER: Final = re.compile(r"[0-9a-f]{64}")
_TEXT: Final = {"type": "string", "maxLength": OIDC_TEXT_MAX_CHARS}
STATE: Final = Param("state", valid_oidc_text, "", "as it was sent to the provider", schema=_TEXT)
CODE: Final = Param("code", valid_oidc_text, "", "the provider's authorization code", schema=_TEXT)
ERROR: Final = Param("error", valid_oidc_text, "", "why the provider refuses", schema=_TEXT)


class OidcState(msgspec.Struct, frozen=True):
    """Whether there is such a login."""

    enabled: bool
    name: str
    """What the login page calls it."""


class NoProviderError(OperationError):
    """No provider is configured."""


def oidc_routes(oidc: Oidc | None) -> list[Route]:
    """List the routes of the login through *oidc*; None = there is none."""

    async def show(_call: Call) -> Response:
        return envelope(OidcState(oidc is not None, "" if oidc is None else oidc.name))

    async def begin(call: Call) -> Response:
        try:
            provider = _required(oidc)
            browser = secrets.token_hex(32)
            target = await provider.begin(browser, _redirect_uri(provider, call))
        except OperationError as exc:
            return _page(exc)
        answer = Response(b"", 302, headers={"Location": target})
        # Lax, since the provider's page sends the browser back; it gives no rights to anybody.
        answer.headers["Set-Cookie"] = (
            f"{BROWSER_COOKIE}={browser}; HttpOnly; Path=/; SameSite=Lax; Max-Age={BROWSER_COOKIE_S}"
        )
        return answer

    async def finish(call: Call) -> Response:
        try:
            provider = _required(oidc)
            if error := call[ERROR]:
                raise provider.refused(error, client=call.client)
            browser = call.request.cookies.get(BROWSER_COOKIE, "")
            token = await provider.finish(
                browser if _BROWSER.fullmatch(browser) else "",
                _redirect_uri(provider, call),
                state=call[STATE],
                code=call[CODE],
                client=call.client,
            )
        except OperationError as exc:
            return _page(exc)
        # A page that goes on by itself: with a redirect the browser would still be coming from the provider's
        # site, and would not send the session's cookie, which is `SameSite=Strict`.
        answer = Response(
            "<!doctype html><html lang=en><meta charset=utf-8>"
            '<meta http-equiv=refresh content="0; url=../../../">'
            '<title>Farhand</title><p><a href="../../../">Go on</a></p></html>',
            content_type="text/html; charset=utf-8",
        )
        answer.headers.add("Set-Cookie", session_cookie(token))
        answer.headers.add("Set-Cookie", f"{BROWSER_COOKIE}=; HttpOnly; Path=/; SameSite=Lax; Max-Age=0")
        return answer

    return [
        Route(
            "GET",
            "/api/auth/oidc",
            Access.PUBLIC,
            None,
            show,
            summary="whether one can log in through a provider",
            answers=(Answer(OidcState),),
        ),
        Route(
            "GET",
            "/api/auth/oidc/login",
            Access.PUBLIC,
            None,
            begin,
            summary="send the browser to the provider",
            answers=(Answer(None, 302, "", description="to the provider"),),
            errors=(NoProviderError, ProviderTroubleError),
            refuses_by_page=True,
        ),
        Route(
            "GET",
            CALLBACK,
            Access.PUBLIC,
            None,
            finish,
            (STATE, CODE, ERROR),
            summary="where the provider sends the browser back to: sets the cookie auth_token",
            answers=(media("text/html", "a page that goes on to the console"),),
            errors=(NoProviderError, LoginFailedError, NameTakenError, ProviderTroubleError),
            refuses_by_page=True,
        ),
    ]


def _required(oidc: Oidc | None) -> Oidc:
    if oidc is None:
        raise NoProviderError("expected a provider in the configuration (farhand/oidc/issuer), got none")
    return oidc


def _redirect_uri(oidc: Oidc, call: Call) -> str:
    base = oidc.url or f"{call.request.scheme}://{call.request.host}/"
    return urljoin(base if base.endswith("/") else f"{base}/", CALLBACK.removeprefix("/"))


def _page(error: OperationError) -> Response:
    """Return *error* as a page with a way back."""
    title = f"{error.status} The login failed"
    text = f'{escape(str(error))}</p><p><a href="../../../login">Back to the login page</a>'
    return html_page(error.status, title, text)
