"""What a page of somebody else's may have a user's browser do: nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from api.origins import Origins
from api.routing import SAFE_METHODS, Access

ORIGINS = Origins(["https://panel.example.org:8443", "http://bench"])
EVIL = "https://evil.example"
BASIC = {"Authorization": "Basic " + b64encode(b"admin:admin").decode()}


def passes(host: str = "kvm.example", **headers: str) -> bool:
    sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return ORIGINS.stranger(Headers(sent)) is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("kvm.example", "https://kvm.example"),
        ("kvm.example", "http://kvm.example"),
        ("kvm.example:443", "https://kvm.example"),
        ("kvm.example:8443", "https://kvm.example:8443"),
        ("KVM.example", "https://kvm.EXAMPLE"),
        ("[fd00::1]:8080", "http://[fd00::1]:8080"),
        # TLS ends at a proxy that passes the host on.
        ("kvm.example", "https://kvm.example:443"),
        ("anything", "https://panel.example.org:8443"),
        ("anything", "http://bench:80"),
    ],
)
def test_our_own_pages_and_listed_ones_pass(host: str, origin: str) -> None:
    assert passes(host, Origin=origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("kvm.example", EVIL),
        ("kvm.example", "null"),
        ("kvm.example", ""),
        ("kvm.example", "https://kvm.example:8443"),
        ("kvm.example", "https://kvm.example.evil.example"),
        ("kvm.example", "https://evil.example/kvm.example"),
        ("kvm.example", "https://kvm.example@evil.example"),
        ("kvm.example", "https://panel.example.org"),
        ("kvm.example", "https://bench"),
        ("kvm.example", "https://[fd00::1"),
        ("kvm.example", "https://kvm.example:port"),
        ("", "https://"),
        ("", "null"),
        # Another port of the same host is the same site, to which a browser sends the cookie.
        ("kvm.example:8443", "https://kvm.example:9443"),
        ("192.0.2.1", "http://192.0.2.1:3000"),
    ],
)
def test_other_pages_do_not(host: str, origin: str) -> None:
    assert not passes(host, Origin=origin)


def test_fetch_metadata_decides_where_there_is_some() -> None:
    # The proxy in front rewrote the host, and the browser knows better.
    assert passes("127.0.0.1:8080", Origin="https://kvm.example", Sec_Fetch_Site="same-origin")
    assert passes(Sec_Fetch_Site="none")
    assert not passes(Origin="https://kvm.example", Sec_Fetch_Site="same-site")
    assert not passes(Sec_Fetch_Site="cross-site")
    assert not passes(Sec_Fetch_Site="")
    assert passes(Origin="http://bench", Sec_Fetch_Site="cross-site")


def test_programs_that_say_nothing_pass() -> None:
    assert passes()


@given(st.text(), st.text())
def test_whatever_is_sent_is_read_without_a_fault(origin: str, host: str) -> None:
    passes(host.replace("\r", "").replace("\n", ""), Origin=origin.replace("\r", "").replace("\n", ""))


@given(st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9}){0,3}", fullmatch=True), st.integers(1, 65535))
def test_only_the_same_host_and_port_is_the_same(name: str, port: int) -> None:
    assert passes(f"{name}:{port}", Origin=f"https://{name}:{port}")
    assert not passes(f"{name}:{port}", Origin=f"https://x{name}:{port}")
    assert not passes(f"{name}:{port}", Origin=f"https://{name}:{port % 65535 + 1}") or {port, port + 1} <= {
        80,
        443,
    }


@pytest.mark.parametrize("sent", [{"Origin": EVIL}, {"Sec-Fetch-Site": "same-site"}])
async def test_no_other_page_changes_anything(live: Any, sent: dict[str, str]) -> None:
    changing = [
        route
        for route in live.appliance.routes
        if route.method not in SAFE_METHODS
        and (route.access is not Access.PUBLIC or "Sec-Fetch-Site" in sent)
    ]
    assert len(changing) > 50
    async with live.anonymous() as client:
        form = {"user": "admin", "passwd": "admin"}
        assert (await client.post("/api/auth/login", data=form)).status_code == 200
        for route in changing:
            path = route.path.replace("<id>", "0")
            answer = await client.request(route.method, path, headers=sent)
            assert answer.status_code == 403, (route.method, path)
    async with httpx.AsyncClient(base_url=live.url, headers=BASIC | sent, timeout=30, verify=False) as basic:
        await live.refused(await basic.post("/api/atx/power?action=on"), 403, "ForbiddenError")
        # Whether it reads is for the browser to refuse, which lets no other page read an answer.
        assert (await basic.get("/api/atx")).status_code == 200


async def test_no_other_page_opens_a_socket(live: Any) -> None:
    for path in ("/api/ws", "/api/media/ws"):
        for sent in ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}):
            upgrade = {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            }
            async with live.anonymous() as client:
                answer = await client.get(path, headers=BASIC | sent | upgrade)
            assert answer.status_code == 403
        async with live.websocket(headers=BASIC | {"Origin": live.url.rstrip("/")}, path=path) as socket:
            assert await socket.get_message()


async def test_credentials_that_no_browser_adds_need_no_origin(live: Any) -> None:
    answer = await live.http.post("/api/hid/reset", headers={"Origin": EVIL})
    assert answer.status_code == 200


async def test_the_cookie_is_secure_and_https_is_remembered_where_there_is_tls(
    live_with: Callable[[str], AbstractAsyncContextManager[Any]],
) -> None:
    form = {"user": "admin", "passwd": "admin"}
    async with (
        live_with("farhand: {trusted_proxies: 127.0.0.1, tls: {hsts: 600}}") as live,
        live.anonymous() as client,
    ):
        plain = await client.post("/api/auth/login", data=form)
        assert "secure" not in plain.headers["Set-Cookie"].lower()
        assert "Strict-Transport-Security" not in plain.headers
        sent = {
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "kvm.example",
            "Origin": "https://kvm.example",
        }
        through = await client.post("/api/auth/login", data=form, headers=sent)
        assert through.headers["Set-Cookie"].endswith("; SameSite=Strict; Secure")
        assert through.headers["Strict-Transport-Security"] == "max-age=600"


async def test_nobody_but_a_trusted_proxy_says_which_host_was_asked(live: Any) -> None:
    sent = {"X-Forwarded-Host": "evil.example", "Origin": EVIL, "X-Forwarded-Proto": "https"}
    async with httpx.AsyncClient(base_url=live.url, headers=BASIC, timeout=30, verify=False) as basic:
        await live.refused(await basic.post("/api/hid/reset", headers=sent), 403, "ForbiddenError")


async def test_a_session_goes_on_at_the_page_that_opened_it_behind_a_proxy_with_another_host(
    live: Any,
) -> None:
    kvm, sibling = {"Origin": "https://kvm.example"}, {"Origin": "https://other.kvm.example"}
    async with live.anonymous() as client:
        form = {"user": "admin", "passwd": "admin"}
        assert (await client.post("/api/auth/login", data=form, headers=kvm)).status_code == 200
        assert (await client.post("/api/hid/reset", headers=kvm)).status_code == 200
        await live.refused(await client.post("/api/hid/reset", headers=sibling), 403, "ForbiddenError")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        async with live.websocket(headers={"Cookie": cookie} | kvm) as socket:
            assert await socket.get_message()


@pytest.mark.parametrize("wrong", ["kvm.example", "https://kvm.example/", "*", "ftp://kvm.example"])
async def test_what_is_no_origin_is_refused_at_start(
    live_with: Callable[[str], AbstractAsyncContextManager[Any]], wrong: str
) -> None:
    with pytest.raises(Exception, match="origins"):
        async with live_with(f"farhand: {{origins: ['{wrong}']}}"):
            pass
