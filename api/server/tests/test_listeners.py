"""Addresses: what can be listened on, and one line for what cannot."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from api.server import (
    Bind,
    BoundAddress,
    BoundAddresses,
    PlainHttp,
    ServerConfig,
    open_listeners,
    serve,
)
from firmware.core.errors import SetupError


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:8080", Bind("127.0.0.1", 8080)),
        ("[::1]:0", Bind("::1", 0)),
        ("localhost:65535", Bind("localhost", 65535)),
    ],
)
def test_an_address_is_shown_as_it_is_written(text: str, bind: Bind) -> None:
    assert str(bind) == text


async def test_a_busy_port_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        config = ServerConfig(http=(Bind("127.0.0.1", 0), Bind("127.0.0.1", port)), plain_http=PlainHttp.APP)
        with pytest.raises(SetupError) as caught:
            await open_listeners(config)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: address already in use; "
        "stop the other program or choose another port with --http"
    )


async def test_an_address_of_somebody_else_says_so() -> None:
    with pytest.raises(
        SetupError, match=r"cannot listen on 192\.0\.2\.1:0: this machine has no such address"
    ):
        await open_listeners(ServerConfig(https=(Bind("192.0.2.1", 0),)))


async def test_an_unknown_name_says_so() -> None:
    with pytest.raises(
        SetupError, match=r"cannot listen on no such name:80: .* give an address .* with --https"
    ):
        await open_listeners(ServerConfig(https=(Bind("no such name", 80),)))


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_the_application_is_never_served_in_clear_beyond_loopback(host: str) -> None:
    with pytest.raises(SetupError, match="plain HTTP would send passwords in clear"):
        await open_listeners(ServerConfig(http=(Bind(host, 0),), plain_http=PlainHttp.APP))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "no address to listen on"),
        ({"http": (Bind("127.0.0.1", 0),)}, "no HTTPS port to redirect to"),
    ],
)
async def test_a_server_with_nothing_to_do_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        await open_listeners(ServerConfig(**fields))


async def test_https_needs_a_usable_certificate(tmp_path: Path) -> None:
    from api.server import FrontApp

    https = (Bind("127.0.0.1", 0),)
    with pytest.raises(SetupError, match="HTTPS needs a certificate"):
        await serve(FrontApp("none"), ServerConfig(https=https))
    missing = (tmp_path / "no.pem", tmp_path / "no.key")
    with pytest.raises(SetupError, match=r"cannot read .*no\.pem: No such file or directory; check its path"):
        await serve(FrontApp("none"), ServerConfig(https=https, certificate=missing))


async def test_every_address_of_a_name_gets_the_same_port() -> None:
    listeners = await open_listeners(ServerConfig(http=(Bind("localhost", 0),), plain_http=PlainHttp.APP))
    try:
        assert len({address.port for address in listeners.addresses.http}) == 1
        assert "127.0.0.1" in {address.host for address in listeners.addresses.http}
    finally:
        listeners.close()


def test_urls_are_written_as_people_write_them() -> None:
    assert BoundAddress("http", "127.0.0.1", 80).url == "http://127.0.0.1/"
    assert BoundAddress("https", "::1", 8443).url == "https://[::1]:8443/"
    https, http = (BoundAddress("https", "::1", 443),), (BoundAddress("http", "::1", 80),)
    assert BoundAddresses(https, http, PlainHttp.REDIRECT).app_urls == ("https://[::1]/",)
    assert BoundAddresses(https, http, PlainHttp.APP).app_urls == ("https://[::1]/", "http://[::1]/")
