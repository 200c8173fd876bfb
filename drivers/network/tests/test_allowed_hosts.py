from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.network.allowed_hosts import AllowedHosts

LISTED = AllowedHosts(["images.example.org", "*.mirror.example", "10.1.0.0/16", "2001:db8::/32", "192.0.2.7"])


@pytest.mark.parametrize(
    "host",
    [
        "images.example.org",
        "IMAGES.example.org",
        "images.example.org.",
        "a.mirror.example",
        "a.b.mirror.example",
        "10.1.255.1",
        "::ffff:10.1.0.1",
        "2001:db8::5",
        "[2001:db8::5]",
        "192.0.2.7",
    ],
)
def test_what_is_listed_is_allowed(host: str) -> None:
    assert LISTED.allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "evil-images.example.org",
        "images.example.org.evil.example",
        "mirror.example",
        "evilmirror.example",
        "10.2.0.1",
        "127.0.0.1",
        "0x0a010001",
        "localhost",
        "2001:db9::1",
        "192.0.2.8",
        "",
    ],
)
def test_what_is_not_listed_is_not(host: str) -> None:
    assert not LISTED.allow(host)


@given(st.text())
def test_without_a_list_every_host_is_allowed(host: str) -> None:
    assert AllowedHosts().allow(host)


@given(st.text())
def test_no_text_of_a_host_fails(host: str) -> None:
    LISTED.allow(host)
