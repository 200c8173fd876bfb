"""Share links over real sockets: the secret becomes a cookie that may little and ends, kept nowhere."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from api.tests.open_for_long import all_open, ended
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, save

PASSWORD = "long enough"
STORED = PasswordHasher().hash(PASSWORD)


class Site:
    """An appliance with a user who shares, and one who may only watch."""

    def __init__(self, live: Any, config: Path) -> None:
        self.live = live
        self.config = config

    def user(self, name: str = "alice") -> httpx.AsyncClient:
        headers = {"X-KVMD-User": name, "X-KVMD-Passwd": PASSWORD}
        return httpx.AsyncClient(base_url=self.live.url, headers=headers, timeout=30, verify=False)

    async def share(self, user: str = "alice", **wish: str) -> dict[str, Any]:
        async with self.user(user) as client:
            made = await self.live.result_of(await client.post("/api/auth/shares", params=wish))
        assert made["path"] == f"share/{made['secret']}"
        return dict(made)

    async def revoke(self, made: dict[str, Any]) -> None:
        async with self.user() as client:
            answer = await client.post(f"/api/auth/shares/revoke?id={made['share']['id']}")
            assert answer.status_code == 200


@pytest.fixture
async def site(
    tmp_path: Path, live_with: Callable[[str], AbstractAsyncContextManager[Any]]
) -> AsyncIterator[Site]:
    config = tmp_path / "config"
    config.mkdir()
    passwords = PasswordFile.empty()
    for name in ("alice", "viewer"):
        passwords = passwords.with_account(name, STORED)
    save(config / "htpasswd", passwords)
    (config / "rights.toml").write_text('users.viewer = "viewer"\n')
    async with live_with("") as live:
        yield Site(live, config)


def assert_in_no_file(directory: Path, secret: str) -> None:
    for file in directory.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


async def opened(client: httpx.AsyncClient, made: dict[str, Any]) -> httpx.Response:
    """Open the link as a browser does and return the answer."""
    answer = await client.get(f"/{made['path']}")
    assert answer.status_code == 303
    return answer


async def test_a_link_leads_to_the_console_with_a_cookie_that_may_watch(site: Site) -> None:
    made = await site.share(label="for the vendor")
    assert made["share"]["capabilities"] == ["view"]
    assert 3590 < made["share"]["left_s"] <= 3600
    async with site.live.anonymous() as guest:
        answer = await opened(guest, made)
        assert answer.headers["location"] == "../"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        cookie = answer.headers["set-cookie"]
        assert all(word in cookie for word in ("auth_token=", "HttpOnly", "SameSite=Strict"))
        assert made["secret"] not in str(answer.headers)
        rights = await site.live.result_of(await guest.get("/api/auth/rights"))
        assert (rights["user"], rights["capabilities"]) == ("alice", ["view"])
        assert (rights["grant"]["kind"], rights["grant"]["name"]) == ("share", "for the vendor")
        assert (await guest.get("/api/atx")).status_code == 200
        await site.live.refused(await guest.post("/api/atx/click?button=power"), 403, "ForbiddenError")
        for path in ("tokens", "shares"):
            await site.live.refused(await guest.get(f"/api/auth/{path}"), 403, "ForbiddenError")


@pytest.mark.parametrize("base", ["https://kvm/", "https://host/lab/kvm7/"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_it_works_below_any_path(site: Site, base: str, slash: str) -> None:
    made = await site.share()
    async with site.live.anonymous() as guest:
        answer = await guest.get(f"/{made['path']}{slash}")
    assert urljoin(f"{base}{made['path']}{slash}", answer.headers["location"]) == base


async def test_a_guest_may_what_was_shared_and_the_user_still_may(site: Site) -> None:
    made = await site.share(capabilities="view,power")
    async with site.live.anonymous() as guest:
        await opened(guest, made)
        assert (await guest.post("/api/atx/click?button=power")).status_code == 200
        await site.live.refused(await guest.post("/api/hid/reset"), 403, "ForbiddenError")


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"capabilities": "admin"}, 400, "at capabilities"),
        ({"capabilities": ""}, 400, "at capabilities"),
        ({"expire": "0"}, 400, "at expire"),
        ({"expire": "604801"}, 400, "at expire"),
        ({"expire": "never"}, 400, "at expire"),
        ({"label": "x" * 65}, 400, "at label"),
        ({"label": "a\u202eb"}, 400, "at label"),
        ({"capabilities": "view,type"}, 403, "at most what viewer may do, got type"),
    ],
)
async def test_no_link_for_ever_for_administrators_or_beyond_ones_rights(
    site: Site, wish: dict[str, str], status: int, words: str
) -> None:
    async with site.user("viewer") as client:
        answer = await client.post("/api/auth/shares", params=wish)
        await site.live.refused(answer, status, "ValidatorError" if status == 400 else "ForbiddenError")
        assert words in answer.text
        assert (await site.live.result_of(await client.get("/api/auth/shares"))) == {"shares": []}


async def test_whom_only_others_vouch_for_has_no_links(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def users() -> list[str]:
        return ["viewer"]

    monkeypatch.setattr(site.live.appliance.auth, "users", users)
    async with site.user() as client:
        answer = await client.post("/api/auth/shares")
        await site.live.refused(answer, 403, "ForbiddenError")
        assert "a user with a password of this appliance" in answer.text


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_its_end_ends_sockets_and_streams(
    site: Site, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await site.share()
    async with site.live.anonymous() as guest:
        await opened(guest, made)
        async with all_open(site.live, guest) as waits:
            if end == "revoked":
                await site.revoke(made)
            else:
                monkeypatch.setattr(
                    site.live.appliance.auth.grants, "_wall_clock", lambda: time.time() + 3600
                )
            await ended(waits)
        await site.live.refused(await guest.get("/api/auth/check"), 403, "ForbiddenError")
        again = await guest.get(f"/{made['path']}")
        assert (again.status_code, again.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert "set-cookie" not in again.headers
        assert made["secret"] not in again.text


async def test_guessing_links_has_an_end(site: Site) -> None:
    made = await site.share()
    async with site.live.anonymous() as client:
        for _ in range(10):
            assert (await client.get(f"/share/fhs_{'0' * 64}")).status_code == 403
        limited = await client.get("/share/x")
        assert limited.status_code == 429
        assert int(limited.headers["retry-after"]) > 0
        await opened(client, made)


async def test_guests_and_their_host_see_and_end_what_is_theirs(site: Site) -> None:
    made = await site.share()
    async with site.live.anonymous() as guest, site.live.anonymous() as host:
        assert (
            await host.post("/api/auth/login", data={"user": "alice", "passwd": PASSWORD})
        ).status_code == 200
        await opened(guest, made)
        shown = (await site.live.result_of(await guest.get("/api/auth/sessions")))["sessions"]
        assert [session["own"] for session in shown] == [True]
        everything = (await site.live.result_of(await host.get("/api/auth/sessions")))["sessions"]
        assert len(everything) == 2
        (own,) = (session["id"] for session in everything if session["own"])
        answer = await guest.post(f"/api/auth/sessions/end?id={own}")
        await site.live.refused(answer, 400, "UnknownSessionError")
        # Logging out is not the host's logout.
        assert (await guest.post("/api/auth/logout")).status_code == 200
        assert (await guest.get("/api/auth/check")).status_code == 403
        assert (await host.get("/api/auth/check")).status_code == 200


async def test_the_secret_is_in_no_log_and_no_file_and_the_trail_names_the_link(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = await site.share(label="vendor", capabilities="view,power")
    async with site.live.anonymous() as guest:
        await opened(guest, made)
        await guest.post("/api/atx/click?button=power")
        # Wrong ways of opening it are logged too.
        assert (await guest.post(f"/{made['path']}")).status_code == 405
        assert (await guest.get(f"/{made['path']}/more")).status_code == 404
        assert (await guest.get(f"/kvm/{made['path']}")).status_code == 404
        assert (await guest.get(f"/{made['path']}x")).status_code == 403
    async with site.user() as client:
        found = [json.loads(line) for line in (await client.get("/api/audit")).text.splitlines()]
    how = "share link vendor of alice"
    (login,) = (record for record in found if record["what"] == "login")
    assert (login["who"], login["how"], login["from"]) == ("alice", how, "127.0.0.1")
    (click,) = (record for record in found if record["what"] == "POST /api/atx/click")
    assert click["how"] == how
    secret = made["secret"].removeprefix("fhs_")
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert any("path=/share/***" in record.getMessage() for record in ours)
    assert not [record for record in ours if secret in record.getMessage()]
    assert secret not in json.dumps(found)
    assert_in_no_file(tmp_path, secret)
