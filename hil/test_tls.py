"""The appliance over TLS with the certificate that it made for itself: verified, not just accepted."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import open_websocket_url


@pytest.fixture
def secure(start_appliance: Callable[..., Any]) -> Any:
    return start_appliance("--board", "emulated", "--http", "", "--https", "127.0.0.1:0")


def context_of(appliance: Any) -> ssl.SSLContext:
    """A context that trusts this one device and checks its name."""
    arguments = appliance.process.args
    state = Path(arguments[arguments.index("--state") + 1])
    return ssl.create_default_context(cafile=str(state / "tls/certificate.pem"))


async def test_everything_works_over_a_verified_connection(secure: Any) -> None:
    context = context_of(secure)
    headers = {"X-KVMD-User": secure.user, "X-KVMD-Passwd": secure.password}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    url = secure.url.replace("https", "wss", 1) + "api/ws?stream=1"
    async with (
        httpx.AsyncClient(base_url=secure.url, headers=headers, verify=context, timeout=30) as client,
        open_websocket_url(url, ssl_context=context, extra_headers=pairs) as socket,
    ):
        with trio.fail_after(20):
            assert json.loads(await socket.get_message())["event_type"] == "loop"
            await socket.send_message(b"\x00")
            while await socket.get_message() != b"\xff":
                pass
            while (await client.get("/api/streamer/snapshot")).status_code != 200:
                await trio.sleep(0.1)
        host, port = secure.url.removeprefix("https://").rstrip("/").split(":")
        stream = await trio.open_ssl_over_tcp_stream(host, int(port), ssl_context=context)
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        async with stream:
            await stream.send_all(f"GET /streamer/stream HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())
            received = b""
            with trio.fail_after(20):
                while received.count(b"--boundarydonotcross") < 3:
                    received += await stream.receive_some(65536)


def test_the_certificate_stays_the_same_and_its_key_is_private(
    secure: Any, start_appliance: Callable[..., Any]
) -> None:
    arguments = secure.process.args
    state = Path(arguments[arguments.index("--state") + 1])
    before = ssl.get_server_certificate(("127.0.0.1", int(secure.url.rsplit(":", 1)[1].strip("/"))))
    assert all(path.stat().st_mode & 0o077 == 0 for path in (state / "tls").glob("*key*"))
    assert secure.stop() == 0
    again = start_appliance(
        "--board", "emulated", "--http", "", "--https", "127.0.0.1:0", "--state", str(state)
    )
    assert ssl.get_server_certificate(("127.0.0.1", int(again.url.rsplit(":", 1)[1].strip("/")))) == before


def test_old_protocols_are_refused(secure: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError), httpx.Client(verify=context) as client:
        client.get(secure.url + "healthz")
