"""Which mechanism decides, and what becomes of it (contract http.md 3.1)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from api.credentials import (
    Basic,
    Bearer,
    Cookie,
    Identity,
    Malformed400,
    Malformed401,
    Nothing,
    Presented,
    XHeaders,
    identify,
    presented,
)
from firmware.core.errors import ForbiddenError, OperationError, UnauthorizedError, ValidatorError
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.grants import GrantKind

_CONTRACT = Path(__file__).parents[2] / "firmware/core/tests/data/vectors.json"
_VALIDATORS: dict[str, Any] = json.loads(_CONTRACT.read_text(encoding="utf-8"))["validators"]

TOKEN = "0123456789abcdef" * 4
OTHER_TOKEN = "f" * 64


def basic(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return "Basic " + base64.b64encode(data).decode()


def of(cookie: str | None = None, **headers: str) -> Presented:
    """Present headers, written with underscores for hyphens."""
    return presented(Headers([(name.replace("_", "-"), value) for name, value in headers.items()]), cookie)


# ----- the table of the contract


def test_each_mechanism_alone() -> None:
    assert of(X_KVMD_User="admin", X_KVMD_Passwd=" pass:word ") == XHeaders("admin", " pass:word ")
    assert of(cookie=TOKEN) == Cookie(TOKEN)
    assert of(Authorization=basic("admin:password")) == Basic("admin", "password")
    assert of() == Nothing()


def test_a_missing_password_header_is_an_empty_password() -> None:
    assert of(X_KVMD_User="admin") == XHeaders("admin", "")


def test_a_password_header_alone_is_nothing() -> None:
    assert of(X_KVMD_Passwd="password") == Nothing()
    assert of(X_KVMD_User="", X_KVMD_Passwd="password") == Nothing()


def test_an_empty_cookie_is_not_present() -> None:
    assert of(cookie="") == Nothing()
    assert of(cookie="", Authorization=basic("admin:x")) == Basic("admin", "x")


def test_header_names_are_case_insensitive() -> None:
    assert of(x_kvmd_user="admin", X_KVMD_PASSWD="x") == XHeaders("admin", "x")
    assert of(AUTHORIZATION=basic("admin:x")) == Basic("admin", "x")


@pytest.mark.parametrize("user", ["admin", "Not A User"])
@pytest.mark.parametrize("cookie", [None, TOKEN, "not a token"])
@pytest.mark.parametrize("authorization", [None, basic("guest:x"), "Basic !"])
def test_headers_beat_everything_even_if_malformed(
    user: str, cookie: str | None, authorization: str | None
) -> None:
    headers = Headers({"X-KVMD-User": user, "X-KVMD-Passwd": "x"})
    if authorization is not None:
        headers["Authorization"] = authorization
    decided = presented(headers, cookie)
    assert isinstance(decided, XHeaders if user == "admin" else Malformed400)


@pytest.mark.parametrize("cookie", [TOKEN, "stale and malformed"])
@pytest.mark.parametrize("authorization", [basic("admin:x"), "Basic !"])
def test_a_cookie_beats_basic_even_if_malformed(cookie: str, authorization: str) -> None:
    assert isinstance(
        of(cookie=cookie, Authorization=authorization), Cookie if cookie == TOKEN else Malformed400
    )


# ----- Basic


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_the_scheme_may_be_written_in_any_case(scheme: str) -> None:
    assert of(Authorization=basic("admin:x").replace("Basic", scheme)) == Basic("admin", "x")


@pytest.mark.parametrize("value", ["Bearer abc", "Digest x", "Basic", "Basically x", "", "Token basic x"])
def test_other_schemes_are_ignored(value: str) -> None:
    assert of(Authorization=value) == Nothing()


def test_the_user_ends_at_the_first_colon() -> None:
    assert of(Authorization=basic("admin:a:b::c")) == Basic("admin", "a:b::c")
    assert of(Authorization=basic("admin::")) == Basic("admin", ":")
    assert of(Authorization=basic("admin:")) == Basic("admin", "")


def test_more_than_one_blank_after_the_scheme() -> None:
    assert of(Authorization=basic("admin:x").replace(" ", "   ")) == Basic("admin", "x")


@pytest.mark.parametrize(
    "value",
    [
        "Basic !!!!",
        "Basic YWRtaW46eA",  # admin:x without its padding
        "Basic YWRt aW46eA==",
        "Basic " + "\u00e9" * 8,
        basic(b"admin:\xff\xfe"),
        basic("admin"),
        basic(""),
        "Basic =",
    ],
)
def test_what_cannot_be_decoded_is_unauthorized(value: str) -> None:
    assert isinstance(of(Authorization=value), Malformed401)


@pytest.mark.parametrize(
    "text", ["Admin:x", ":x", "ad min:x", "admin:\u043f", "admin:\t", "admin:" + "x" * 513]
)
def test_impossible_characters_are_a_bad_request(text: str) -> None:
    assert isinstance(of(Authorization=basic(text)), Malformed400)


@given(
    st.from_regex(r"[a-z_]([a-z0-9@._-]{0,30}[a-z0-9_-])?", fullmatch=True),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=512),
)
def test_every_user_and_password_travels_in_basic_and_headers(user: str, passwd: str) -> None:
    assert of(Authorization=basic(f"{user}:{passwd}")) == Basic(user, passwd)
    assert of(X_KVMD_User=user, X_KVMD_Passwd=passwd) == XHeaders(user, passwd)


@given(st.text(st.characters(exclude_characters="\r\n"), max_size=80), st.text(max_size=80))
def test_no_header_or_cookie_makes_it_fail(value: str, cookie: str) -> None:
    for prefix in ("", "Basic "):
        assert of(Authorization=prefix + value) is not None
    assert of(X_KVMD_User=value, X_KVMD_Passwd=value) is not None
    assert isinstance(of(cookie=cookie), Cookie | Malformed400 | Nothing)


# ----- the contract's vectors, through the mechanisms that carry them


def headers_can_carry(text: object) -> bool:
    return isinstance(text, str) and text != "" and "\n" not in text


@pytest.mark.parametrize(("raw", "user"), _VALIDATORS["user"]["accepted"])
def test_users_that_the_contract_accepts(raw: str, user: str) -> None:
    assert of(Authorization=basic(f"{raw}:x")) == Basic(user, "x")
    if headers_can_carry(raw):
        assert of(X_KVMD_User=raw) == XHeaders(user, "")


@pytest.mark.parametrize("raw", [raw for raw in _VALIDATORS["user"]["rejected"] if raw is not None])
def test_users_that_the_contract_refuses(raw: str) -> None:
    if ":" not in raw:  # in Basic it would end the user
        assert isinstance(of(Authorization=basic(f"{raw}:x")), Malformed400)
    if headers_can_carry(raw):
        assert isinstance(of(X_KVMD_User=raw), Malformed400)


@pytest.mark.parametrize(("raw", "passwd"), _VALIDATORS["passwd"]["accepted"])
def test_passwords_that_the_contract_accepts(raw: str, passwd: str) -> None:
    assert of(Authorization=basic(f"admin:{raw}")) == Basic("admin", passwd)
    assert of(X_KVMD_User="admin", X_KVMD_Passwd=raw) == XHeaders("admin", passwd)


@pytest.mark.parametrize("raw", [raw for raw in _VALIDATORS["passwd"]["rejected"] if raw is not None])
def test_passwords_that_the_contract_refuses(raw: str) -> None:
    assert isinstance(of(Authorization=basic(f"admin:{raw}")), Malformed400)
    if headers_can_carry(raw):
        assert isinstance(of(X_KVMD_User="admin", X_KVMD_Passwd=raw), Malformed400)


@pytest.mark.parametrize(("raw", "token"), _VALIDATORS["auth token"]["accepted"])
def test_tokens_that_the_contract_accepts(raw: str, token: str) -> None:
    assert of(cookie=raw) == Cookie(token)


@pytest.mark.parametrize("raw", _VALIDATORS["auth token"]["rejected"])
def test_tokens_that_the_contract_refuses(raw: str) -> None:
    assert isinstance(of(cookie=raw), Malformed400 if raw else Nothing)


# ----- what they are worth


BACKUP = Caller("admin", "1f", "api token backup")


class Door:
    """An authenticator that knows one user and one session."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.asked = 0

    async def check_login(self, user: str, passwd: str, *, client: str) -> Caller | None:
        self.asked += 1
        assert client == "192.0.2.1"
        return Caller("admin") if (user, passwd) == ("admin", "right") else None

    async def check_secret(self, kind: GrantKind, secret: str, *, client: str) -> Caller | None:
        self.asked += 1
        assert (kind, client) == (GrantKind.TOKEN, "192.0.2.1")
        return BACKUP if secret == "fht_right" else None

    def caller_of(self, token: str) -> Caller | None:
        self.asked += 1
        return Caller("admin") if token == TOKEN else None


@pytest.mark.parametrize(
    ("credentials", "identity", "shown"),
    [
        (XHeaders("admin", "right"), Identity(Caller("admin"), "xhdr"), "admin (xhdr)"),
        (Cookie(TOKEN), Identity(Caller("admin"), "token", TOKEN), "admin (token)"),
        (Basic("admin", "right"), Identity(Caller("admin"), "basic"), "admin (basic)"),
        (Bearer("fht_right"), Identity(BACKUP, "bearer"), "admin (api token backup)"),
    ],
)
async def test_right_credentials_say_who_calls(
    credentials: Presented, identity: Identity, shown: str
) -> None:
    assert await identify(credentials, Door(), "192.0.2.1") == identity
    assert str(identity) == shown


@pytest.mark.parametrize(
    ("credentials", "error"),
    [
        (XHeaders("admin", "wrong"), ForbiddenError),
        (Cookie(OTHER_TOKEN), ForbiddenError),
        (Basic("guest", "right"), ForbiddenError),
        (Bearer("fht_wrong"), ForbiddenError),
        (Malformed400("why"), ValidatorError),
        (Malformed401("why"), UnauthorizedError),
        (Nothing(), UnauthorizedError),
    ],
)
async def test_everything_else_is_refused(credentials: Presented, error: type[OperationError]) -> None:
    with pytest.raises(error) as caught:
        await identify(credentials, Door(), "192.0.2.1")
    assert caught.value.contract_name == error.__name__
    assert "wrong" not in str(caught.value).replace("got a wrong one", "")
    assert OTHER_TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "credentials",
    [XHeaders("admin", "wrong"), Cookie(OTHER_TOKEN), Malformed400("why"), Malformed401("why"), Nothing()],
)
async def test_switched_off_nobody_is_asked(credentials: Presented) -> None:
    door = Door(enabled=False)
    assert str(await identify(credentials, door, "192.0.2.1")) == "-"
    assert door.asked == 0


@pytest.mark.parametrize(
    "credentials",
    [
        of(X_KVMD_User="admin", X_KVMD_Passwd="hunter2"),
        of(X_KVMD_User="admin", X_KVMD_Passwd="hunter2\u00e9"),
        of(Authorization=basic("admin:hunter2")),
        of(Authorization=basic("admin:hunter2\t")),
        of(cookie=TOKEN.replace("0", "hunter2")),
        Identity(Caller("admin"), "token", "hunter2"),
    ],
)
def test_no_secret_is_shown(credentials: Presented | Identity) -> None:
    assert "hunter2" not in repr(credentials)
    assert "hunter2" not in str(credentials)
