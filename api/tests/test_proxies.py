"""Which client a request comes from, with and without proxies that are trusted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.proxies import TrustedProxies
from firmware.subsystems.auth.guessing import PAIR

PROXIES = TrustedProxies(["127.0.0.1/32", "10.1.0.0/16", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        # What a client writes itself stands before what the proxy adds.
        ("127.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "198.51.100.1, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        ("10.1.0.1", "fd00::1", "fd00::1"),
        ("127.0.0.1", "2001:db8::1,fd00::1", "2001:db8::1"),
        ("::ffff:127.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7, somewhere", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.7:1234", "127.0.0.1"),
        ("203.0.113.1", "192.0.2.7", "203.0.113.1"),
        ("", "192.0.2.7", ""),
    ],
)
def test_the_last_address_that_no_proxy_has_is_the_client(peer: str, forwarded: str, client: str) -> None:
    assert PROXIES.client_of(peer, forwarded) == client


@given(st.ip_addresses(v=4).filter(lambda ip: not PROXIES._trusts(str(ip))), st.text())
def test_nobody_but_a_proxy_chooses_an_address(peer: Any, forwarded: str) -> None:
    assert PROXIES.client_of(str(peer), forwarded) == str(peer)


@given(st.text(), st.ip_addresses(v=4).filter(lambda ip: not PROXIES._trusts(str(ip))))
def test_what_stands_before_the_proxys_own_word_means_nothing(sent: str, client: Any) -> None:
    assert PROXIES.client_of("127.0.0.1", f"{sent}, {client}") == str(client)


def at(live: Any, address: str, forwarded: str, passwd: str = "admin") -> httpx.AsyncClient:
    headers = {"X-KVMD-User": "admin", "X-KVMD-Passwd": passwd, "X-Forwarded-For": forwarded}
    transport = httpx.AsyncHTTPTransport(local_address=address, verify=False)
    return httpx.AsyncClient(base_url=live.url, headers=headers, timeout=60, transport=transport)


async def test_clients_of_a_trusted_proxy_are_told_apart(
    live_with: Callable[[str], AbstractAsyncContextManager[Any]],
) -> None:
    async with live_with("farhand: {trusted_proxies: 127.0.0.2}") as live:
        async with at(live, "127.0.0.2", "192.0.2.7", passwd="wrong") as stranger:
            for _ in range(PAIR.at_once):
                assert (await stranger.get("/api/auth/check")).status_code == 403
            assert (await stranger.get("/api/auth/check")).status_code == 429
        async with at(live, "127.0.0.2", "192.0.2.8") as owner:
            assert (await owner.post("/api/hid/reset")).status_code == 200
        # Somebody who is no proxy calls himself what the stranger is called, and is who he is.
        async with at(live, "127.0.0.3", "192.0.2.7") as other:
            assert (await other.post("/api/hid/reset")).status_code == 200
            trail = (await other.get("/api/audit")).text.splitlines()
        acts = [line for line in trail if "/api/hid/reset" in line]
        assert ['"from":"192.0.2.8"' in acts[0], '"from":"127.0.0.3"' in acts[1]] == [True, True]


@pytest.mark.parametrize("wrong", ["proxy.example.org", "10.0.0.1/8", "10.0.0.0/40"])
async def test_what_is_no_network_is_refused_at_start(
    live_with: Callable[[str], AbstractAsyncContextManager[Any]], wrong: str
) -> None:
    with pytest.raises(Exception, match="trusted_proxies"):
        async with live_with(f"farhand: {{trusted_proxies: ['{wrong}']}}"):
            pass
