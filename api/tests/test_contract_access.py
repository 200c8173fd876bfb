"""Who gets in and what the framework answers, against the contract, over a real socket."""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
import trio

REDFISH_PUBLIC = (
    "",
    "/v1",
    "/v1/odata",
    "/v1/$metadata",
    "/v1/schema/PiKVMVirtualMedia_v1.xml",
    "/v1/SessionService/Sessions",
)

# -- authentication (http.md 3) -----------------------------------------------------------------------------


async def test_login_cookie_check_logout(live: Any) -> None:
    async with live.anonymous() as client:
        await live.refused(await client.get("/api/auth/check"), 401, "UnauthorizedError")
        answer = await client.post("/api/auth/login", data={"user": "admin", "passwd": "admin"})
        assert await live.result_of(answer) == {}
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"auth_token=[0-9a-f]{64}; HttpOnly; Path=/; SameSite=Strict", cookie)
        assert await live.result_of(await client.get("/api/auth/check")) == {}
        assert await live.result_of(await client.post("/api/auth/logout")) == {}
        await live.refused(await client.get("/api/auth/check"), 403, "ForbiddenError")


async def test_login_with_redirect_carries_the_flags_too(live: Any) -> None:
    async with live.anonymous() as client:
        form = {"user": "admin", "passwd": "admin", "redirect": "/KVM/"}
        answer = await client.post("/api/auth/login", data=form)
        assert (answer.status_code, answer.headers["location"]) == (302, "/kvm/")
        assert "HttpOnly" in answer.headers["set-cookie"]
        form["redirect"] = "https://elsewhere.example/"
        await live.refused(await client.post("/api/auth/login", data=form), 400, "ValidatorError")


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"user": "admin", "passwd": "wrong"}, 403),
        ({"user": "nobody", "passwd": "admin"}, 403),
        ({"user": "Admin", "passwd": "admin"}, 400),
        ({"passwd": "admin"}, 400),
        ({"user": "admin", "passwd": "пароль"}, 400),
        ({"user": "admin", "passwd": "admin", "expire": "-1"}, 400),
    ],
)
async def test_logins_that_are_refused(live: Any, form: dict[str, str], status: int) -> None:
    async with live.anonymous() as client:
        answer = await client.post("/api/auth/login", data=form)
        await live.refused(answer, status, {400: "ValidatorError", 403: "ForbiddenError"}[status])
        assert "set-cookie" not in answer.headers


async def test_the_query_and_json_bodies_of_a_login_are_not_looked_at(live: Any) -> None:
    async with live.anonymous() as client:
        answer = await client.post("/api/auth/login?user=admin&passwd=admin")
        await live.refused(answer, 400, "ValidatorError")
        answer = await client.post("/api/auth/login", json={"user": "admin", "passwd": "admin"})
        await live.refused(answer, 400, "ValidatorError")


async def test_a_multipart_login(live: Any) -> None:
    async with live.anonymous() as client:
        files = {"user": (None, "admin"), "passwd": (None, "admin")}
        assert await live.result_of(await client.post("/api/auth/login", files=files)) == {}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "bAsIc " + b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-KVMD-User": "admin", "X-KVMD-Passwd": "admin"}, 200),
        ({"X-KVMD-User": "admin"}, 403),
        ({"X-KVMD-User": "ADMIN", "X-KVMD-Passwd": "admin"}, 400),
        (basic("admin:admin"), 200),
        (basic("admin:with:colons"), 403),
        (basic("admin"), 401),
        ({"Authorization": "Basic ???"}, 401),
        ({"Authorization": "Bearer x"}, 401),
        ({"Cookie": "auth_token=" + "0" * 64}, 403),
        ({"Cookie": "auth_token=xyz"}, 400),
        # The first mechanism that is present decides.
        ({"Cookie": "auth_token=" + "0" * 64, **basic("admin:admin")}, 403),
        ({"X-KVMD-User": "admin", "X-KVMD-Passwd": "no", **basic("admin:admin")}, 403),
    ],
)
async def test_who_gets_in(live: Any, headers: dict[str, str], status: int) -> None:
    async with live.anonymous() as client:
        answer = await client.get("/api/auth/check", headers=headers)
        assert answer.status_code == status
        assert "www-authenticate" not in answer.headers


async def test_logout_without_a_cookie_is_a_bad_request(live: Any) -> None:
    await live.refused(await live.http.post("/api/auth/logout"), 400, "ValidatorError")


async def test_every_route_asks_for_credentials_unless_it_says_public(live: Any) -> None:
    public = {"/api/auth/login", "/healthz", "/login", "/api/docs.css"}
    public |= {"/api/auth/passkeys/login", "/api/auth/passkeys/login/finish"}
    public |= {"/api/auth/oidc", "/api/auth/oidc/login", "/api/auth/oidc/callback"}
    # Of Redfish: what a client reads before it can log in, and the login.
    public |= {f"{prefix}/redfish{path}" for prefix in ("", "/api") for path in REDFISH_PUBLIC}
    logins = {path for path in public if path.endswith("/Sessions")}
    async with live.anonymous() as client:
        for rule in live.appliance.routes:
            if rule.path in logins and rule.method == "POST":
                continue
            if rule.path in public - logins or rule.path.startswith("/share/") or rule.method == "HEAD":
                continue
            answer = await client.request(rule.method, rule.path)
            if rule.path in ("/", "/kvm", "/kvm/", "/api/docs"):
                target = answer.url.join(answer.headers["location"])
                assert (answer.status_code, target.path) == (302, "/login"), rule.path
            elif rule.path not in ("/favicon.ico", "/favicon.svg", "/robots.txt"):
                assert answer.status_code == 401, (rule.method, rule.path)


# -- framework answers ------------------------------------------------------------------------------------


async def test_unknown_routes_and_methods_are_answered_before_credentials(live: Any) -> None:
    async with live.anonymous() as client:
        await live.refused(await client.get("/api/nothing"), 404, "NotFoundError")
        answer = await client.post("/api/atx")
        await live.refused(answer, 405, "MethodNotAllowedError")
        assert answer.headers["allow"] == "GET"
        assert (await client.head("/api/atx")).status_code == 405
        assert (await client.options("/api/atx")).status_code == 405
        answer = await client.request("TRACE", "/api/atx/power")
        await live.refused(answer, 405, "MethodNotAllowedError")
        assert answer.headers["allow"] == "POST"


async def test_trailing_and_doubled_slashes_are_accepted(live: Any) -> None:
    assert await live.result_of(await live.http.get("/api//atx/"))
    assert await live.result_of(await live.http.post("/api/hid/reset/")) == {}


async def test_a_body_over_the_limit_is_refused(live: Any) -> None:
    answer = await live.http.post("/api/auth/login", content=b"user=admin&passwd=" + b"x" * 100_000)
    assert answer.status_code == 413


async def test_answers_carry_the_security_headers(live: Any) -> None:
    answer = await live.http.get("/api/atx")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers or "hypercorn" not in answer.headers["server"]


async def test_without_authentication_everything_passes(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {auth: {enabled: false}}") as live, live.anonymous() as client:
        for method, path in (("POST", "login"), ("POST", "logout"), ("GET", "check")):
            answer = await client.request(method, f"/api/auth/{path}")
            assert await live.result_of(answer) == {}
            assert "set-cookie" not in answer.headers


async def test_pages_with_malformed_credentials_are_500_as_behind_the_proxy(live: Any) -> None:
    async with live.anonymous() as client:
        answer = await client.get("/", headers={"Cookie": "auth_token=zz"})
        assert answer.status_code == 500
        assert answer.headers["content-type"].startswith("text/html")


async def test_a_body_that_is_cut_short_is_no_bug(live: Any, caplog: pytest.LogCaptureFixture) -> None:
    host, port = live.url.removeprefix("http://").rstrip("/").split(":")
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n"
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        request = f"POST /api/auth/login HTTP/1.1\r\nHost: {host}\r\n{form}\r\nuser=ad"
        await stream.send_all(request.encode())
        await trio.sleep(0.1)
    # The fixture's own client has made no connection, so the last one to go is this one.
    with trio.fail_after(20):
        while live.appliance.server.statistics().open_connections:
            await trio.sleep(0.05)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
