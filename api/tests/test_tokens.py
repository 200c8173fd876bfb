"""API tokens over real sockets: each way in takes them, they may little, end at once, and the trail tells."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from api.credentials import Basic, Bearer, Nothing, SessionToken, XHeaders, presented
from api.routing import SAFE_METHODS, Access
from api.tests.open_for_long import all_open, ended
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, save

PASSWORD = "long enough"
STORED = PasswordHasher().hash(PASSWORD)
TOTP_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
HEX = "0123456789abcdef" * 4


class Site:
    """An appliance with an operator, a viewer and an administrator."""

    def __init__(self, live: Any, config: Path) -> None:
        self.live = live
        self.config = config

    def client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.live.url, headers=headers, timeout=30, verify=False)

    def user(self, name: str) -> httpx.AsyncClient:
        return self.client({"X-KVMD-User": name, "X-KVMD-Passwd": PASSWORD})

    def bearer(self, secret: str) -> httpx.AsyncClient:
        return self.client({"Authorization": f"Bearer {secret}"})

    async def token(self, user: str = "alice", **wish: str) -> dict[str, Any]:
        async with self.user(user) as client:
            query = {"name": "backup", "capabilities": "view,power", "expire": "never", **wish}
            made = await self.live.result_of(await client.post("/api/auth/tokens", params=query))
        assert set(made) == {"secret", "token"}
        return dict(made)

    async def secret(self, user: str = "alice", **wish: str) -> str:
        return str((await self.token(user, **wish))["secret"])


@pytest.fixture
async def site(
    tmp_path: Path, live_with: Callable[[str], AbstractAsyncContextManager[Any]]
) -> AsyncIterator[Site]:
    config = tmp_path / "config"
    config.mkdir()
    passwords = PasswordFile.empty()
    for name in ("alice", "viewer", "root"):
        passwords = passwords.with_account(name, STORED)
    save(config / "htpasswd", passwords)
    (config / "rights.toml").write_text('users.alice = "operator"\nusers.viewer = "viewer"\n')
    override = f"kvmd: {{auth: {{totp: {{secret: {{file: {config}/totp.secret}}}}}}}}"
    async with live_with(override) as live:
        yield Site(live, config)


def assert_in_no_file(directory: Path, secret: str) -> None:
    for file in directory.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


# ----- how it travels

TEXT = st.text(st.characters(exclude_characters="\r\n"), max_size=80)
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=80)


def of(cookie: str | None = None, *, session_header: bool = False, **headers: str) -> object:
    given = Headers([(name.replace("_", "-"), value) for name, value in headers.items()])
    return presented(given, cookie, session_header=session_header)


@given(st.sampled_from(["Bearer ", "bearer ", "BEARER  "]), PRINTABLE)
def test_every_token_travels_as_bearer(scheme: str, rest: str) -> None:
    assert of(Authorization=f"{scheme}fht_{rest}") == Bearer(f"fht_{rest}")
    assert of(X_Auth_Token=f"fht_{rest}", session_header=True) == Bearer(f"fht_{rest}")
    assert of(X_Auth_Token=f"fht_{rest}") == Nothing()
    # What is none of ours is ignored, as other schemes are.
    if not rest.startswith("fht_"):
        assert of(Authorization=scheme + rest) == Nothing()
        if rest:
            assert of(X_Auth_Token=rest, session_header=True) == SessionToken(rest)


@given(TEXT)
def test_no_header_makes_it_fail_or_be_shown(value: str) -> None:
    found = of(Authorization=f"Bearer fht_{value}")
    assert isinstance(found, Bearer)
    assert value not in repr(found) or value in "Bearer()"


def test_a_token_stands_in_place_of_the_password() -> None:
    secret = f"fht_{HEX}"
    assert of(X_KVMD_User="alice", X_KVMD_Passwd=secret) == XHeaders("alice", secret)
    encoded = b64encode(f"alice:{secret}".encode()).decode()
    assert of(Authorization=f"Basic {encoded}") == Basic("alice", secret)


async def test_each_way_in_takes_it_without_a_code(site: Site) -> None:
    secret = await site.secret()
    (site.config / "totp.secret").write_text(TOTP_SECRET)
    async with site.user("alice") as client:
        assert (await client.get("/api/auth/check")).status_code == 403  # a password needs a code now
    ways = [
        {"Authorization": f"Bearer {secret}"},
        {"X-KVMD-User": "alice", "X-KVMD-Passwd": secret},
        {"Authorization": "Basic " + b64encode(f"alice:{secret}".encode()).decode()},
    ]
    for headers in ways:
        async with site.client(headers) as client:
            rights = await site.live.result_of(await client.get("/api/auth/rights"))
            assert (rights["user"], rights["capabilities"]) == ("alice", ["power", "view"])
            assert rights["grant"] == {"kind": "token", "name": "backup", "left_s": None}
            assert (await client.get("/api/streamer")).status_code == 200
            assert (await client.get("/redfish/v1/Systems/0")).status_code == 200
        async with site.live.websocket(headers=headers) as socket:
            await socket.send_message(b"\x00")
            while await socket.get_message() != b"\xff":
                pass
    async with site.client({"X-Auth-Token": secret}) as client:
        assert (await client.get("/redfish/v1/Systems/0")).status_code == 200
        assert (await client.get("/api/auth/check")).status_code == 401


async def test_a_login_by_it_opens_a_session_that_may_no_more_and_ends_with_it(site: Site) -> None:
    made = await site.token()
    async with site.live.anonymous() as client:
        form = {"user": "alice", "passwd": made["secret"]}
        assert (await client.post("/api/auth/login", data=form)).status_code == 200
        assert (await client.post("/api/atx/click?button=power")).status_code == 200
        await site.live.refused(await client.post("/api/hid/reset"), 403, "ForbiddenError")
    async with site.live.anonymous() as redfish:
        answer = await redfish.post(
            "/redfish/v1/SessionService/Sessions",
            json={"UserName": "alice", "Password": made["secret"]},
        )
        redfish.headers["X-Auth-Token"] = answer.headers["X-Auth-Token"]
        assert (await redfish.get("/redfish/v1/Systems/0")).status_code == 200
        async with site.user("alice") as owner:
            revoked = await owner.post(f"/api/auth/tokens/revoke?id={made['token']['id']}")
            assert revoked.status_code == 200
        assert (await redfish.get("/redfish/v1/Systems/0")).status_code == 401


async def test_wrong_ones_are_refused_and_then_told_to_wait(site: Site) -> None:
    secret = await site.secret()
    before = site.live.appliance.auth.statistics()["verifications"]
    async with site.bearer(f"fht_{HEX}") as client:
        for _ in range(10):
            await site.live.refused(await client.get("/api/auth/check"), 403, "ForbiddenError")
        limited = await client.get("/api/auth/check")
        await site.live.refused(limited, 429, "TooManyAttemptsError")
        assert int(limited.headers["Retry-After"]) > 0
    async with site.client({"X-KVMD-User": "viewer", "X-KVMD-Passwd": secret}) as client:
        await site.live.refused(await client.get("/api/auth/check"), 403, "ForbiddenError")
    assert site.live.appliance.auth.statistics()["verifications"] == before
    async with site.bearer(secret) as client:
        assert (await client.get("/api/auth/check")).status_code == 200


# ----- what it may


async def test_it_may_what_both_it_and_its_owner_may(site: Site) -> None:
    async with site.bearer(await site.secret()) as client:
        assert (await client.post("/api/atx/click?button=power")).status_code == 200
        await site.live.refused(await client.post("/api/hid/reset"), 403, "ForbiddenError")
        (site.config / "rights.toml").write_text('users.alice = ["view", "type"]')
        with trio.fail_after(30):
            while (await client.post("/api/atx/click?button=power")).status_code != 403:
                await trio.sleep(0.05)
        await site.live.refused(await client.post("/api/hid/reset"), 403, "ForbiddenError")
        assert (await client.get("/api/atx")).status_code == 200


@pytest.mark.parametrize("user", ["alice", "root"])
async def test_by_a_token_nobody_makes_lists_or_revokes_tokens_and_links(site: Site, user: str) -> None:
    wish = {"capabilities": "view,admin" if user == "root" else "view"}
    personal = [route for route in site.live.appliance.routes if route.in_person]
    assert {route.path for route in personal} >= {
        f"/api/auth/{kind}{act}" for kind in ("tokens", "shares") for act in ("", "/revoke")
    }
    async with site.bearer(await site.secret(user, **wish)) as client:
        for route in personal:
            answer = await client.request(route.method, route.path)
            await site.live.refused(answer, 403, "ForbiddenError")
            assert "by api token backup" in answer.text


async def test_every_route_about_credentials_is_for_users_themselves(site: Site) -> None:
    """A new route that makes or changes credentials has to say that no token may call it."""
    for route in site.live.appliance.routes:
        if route.path.startswith("/api/auth/") and route.method not in SAFE_METHODS:
            ends_only = route.path in ("/api/auth/logout", "/api/auth/sessions/end")
            assert route.in_person or ends_only or route.access is Access.PUBLIC, route.path


async def test_a_token_that_may_only_watch_ends_no_session_of_its_owner(site: Site) -> None:
    async with site.live.anonymous() as browser, site.bearer(await site.secret()) as client:
        form = {"user": "alice", "passwd": PASSWORD}
        assert (await browser.post("/api/auth/login", data=form)).status_code == 200
        (shown,) = (await site.live.result_of(await browser.get("/api/auth/sessions")))["sessions"]
        assert (await site.live.result_of(await client.get("/api/auth/sessions")))["sessions"] == []
        answer = await client.post(f"/api/auth/sessions/end?id={shown['id']}")
        await site.live.refused(answer, 400, "UnknownSessionError")
        assert (await browser.get("/api/auth/check")).status_code == 200


async def test_nobody_makes_one_that_may_more_than_they_do(site: Site) -> None:
    async with site.user("viewer") as client:
        for capabilities, status, error, words in [
            ("view,power", 403, "ForbiddenError", "at most what viewer may do, got power - at capabilities"),
            ("", 400, "ValidatorError", "at capabilities"),
            ("fly", 400, "ValidatorError", "at capabilities"),
        ]:
            query = {"name": "n", "capabilities": capabilities, "expire": "60"}
            answer = await client.post("/api/auth/tokens", params=query)
            await site.live.refused(answer, status, error)
            assert words in answer.text
        assert (await site.live.result_of(await client.get("/api/auth/tokens"))) == {"tokens": []}


@pytest.mark.parametrize(
    ("wish", "where"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"expire": ""}, "expire"),
        ({"expire": "0"}, "expire"),
        ({"expire": "-1"}, "expire"),
        ({"expire": "315360001"}, "expire"),
        ({"expire": "soon"}, "expire"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused(site: Site, wish: dict[str, str], where: str) -> None:
    query = {"name": "n", "capabilities": "view", "expire": "60", **wish}
    async with site.user("alice") as client:
        answer = await client.post("/api/auth/tokens", params=query)
        await site.live.refused(answer, 400, "ValidatorError")
        assert f"at {where}" in answer.text
        del query[where]
        answer = await client.post("/api/auth/tokens", params=query)
        await site.live.refused(answer, 400, "ValidatorError")
        assert f"the parameter {where}" in answer.text


async def test_names_and_numbers_are_bounded(site: Site) -> None:
    await site.token()
    async with site.user("alice") as client:
        query = {"name": "backup", "capabilities": "view", "expire": "60"}
        answer = await client.post("/api/auth/tokens", params=query)
        await site.live.refused(answer, 400, "GrantExistsError")
        for number in range(31):
            query["name"] = str(number)
            assert (await client.post("/api/auth/tokens", params=query)).status_code == 200
        query["name"] = "one more"
        answer = await client.post("/api/auth/tokens", params=query)
        await site.live.refused(answer, 400, "TooManyGrantsError")


# ----- what is told of it


async def test_it_is_shown_once_and_listed_without_its_secret(site: Site) -> None:
    made = await site.token(expire="3600")
    async with site.bearer(made["secret"]) as client:
        assert (await client.get("/api/auth/check")).status_code == 200
    for user, own in (("alice", True), ("root", False)):
        async with site.user(user) as client:
            answer = await client.get("/api/auth/tokens")
            (shown,) = (await site.live.result_of(answer))["tokens"]
            assert (shown["user"], shown["own"], shown["name"]) == ("alice", own, "backup")
            assert shown["capabilities"] == ["power", "view"]
            assert 0 < shown["left_s"] <= 3600
            assert shown["age_s"] >= 0
            assert (shown["used_from"], shown["used_s"] >= 0) == ("127.0.0.1", True)
            assert made["secret"][4:] not in answer.text
    async with site.user("viewer") as client:
        assert (await site.live.result_of(await client.get("/api/auth/tokens"))) == {"tokens": []}
        answer = await client.post(f"/api/auth/tokens/revoke?id={made['token']['id']}")
        await site.live.refused(answer, 400, "UnknownGrantError")


async def test_the_trail_says_which_token_did_what(site: Site, tmp_path: Path) -> None:
    made = await site.token()
    async with site.bearer(made["secret"]) as client:
        await client.post("/api/atx/click?button=power")
    async with site.user("root") as client:
        assert (await client.post(f"/api/auth/tokens/revoke?id={made['token']['id']}")).status_code == 200
        found = [json.loads(line) for line in (await client.get("/api/audit")).text.splitlines()]
    by_what = {record["what"]: record for record in found}
    making = by_what["POST /api/auth/tokens"]
    assert (making["who"], making["with"]["name"], making["with"]["id"]) == (
        "alice",
        "backup",
        made["token"]["id"],
    )
    click = by_what["POST /api/atx/click"]
    assert (click["who"], click["how"]) == ("alice", "api token backup")
    assert by_what["POST /api/auth/tokens/revoke"]["with"]["user"] == "alice"
    assert made["secret"][4:] not in json.dumps(found)
    assert_in_no_file(tmp_path, made["secret"][4:])


# ----- ends


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_its_end_ends_sockets_and_streams(
    site: Site, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await site.token(expire="never" if end == "revoked" else "3600")
    async with site.bearer(made["secret"]) as client, all_open(site.live, client) as waits:
        if end == "revoked":
            async with site.user("alice") as owner:
                await owner.post(f"/api/auth/tokens/revoke?id={made['token']['id']}")
        else:
            monkeypatch.setattr(site.live.appliance.auth.grants, "_wall_clock", lambda: time.time() + 3600)
        await ended(waits)
        await site.live.refused(await client.get("/api/auth/check"), 403, "ForbiddenError")


async def test_there_are_none_without_users(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {auth: {enabled: false}}") as live:
        answer = await live.http.post("/api/auth/tokens?name=n&capabilities=view&expire=never")
        await live.refused(answer, 503, "GrantsUnavailableError")
        async with httpx.AsyncClient(
            base_url=live.url, headers={"Authorization": f"Bearer fht_{HEX}"}
        ) as client:
            assert (await client.get("/api/auth/check")).status_code == 200
