"""The self-check against the real front, and against servers that a script plays."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from api.server import Bind, FrontApp, PlainHttp, Server, ServerConfig, ensure_certificate
from firmware.selfcheck import SELF_CHECK_DEADLINE_S, SelfCheckError, self_check

Serve = Callable[[bytes], AbstractAsyncContextManager[str]]


@pytest.fixture(params=["http", "https"])
async def front(request: pytest.FixtureRequest, tmp_path: Path, nursery: trio.Nursery) -> str:
    """The URL of a front with its own certificate, which knows /healthz and refuses /private."""
    app = FrontApp("tiny")

    @app.get("/healthz")
    async def health() -> str:
        return "ok"

    @app.get("/private")
    async def private() -> tuple[str, int]:
        return "no", 401

    @app.get("/broken")
    async def broken() -> tuple[str, int]:
        return "oh", 500

    @app.get("/long")
    async def long() -> str:
        return "x" * 1_000_000

    binds = (Bind("127.0.0.1", 0),)
    if request.param == "https":
        certificate = ensure_certificate(tmp_path / "tls", ("farhand.example",))
        config = ServerConfig(https=binds, certificate=certificate)
    else:
        config = ServerConfig(http=binds, plain_http=PlainHttp.APP)
    bound = await nursery.start(Server(app, config).run)
    (url,) = bound.app_urls
    assert isinstance(url, str)
    return url


@pytest.fixture
def serve() -> Serve:
    """A server that reads a request and answers with the given bytes; the URL of it."""

    @asynccontextmanager
    async def server(answer: bytes) -> AsyncGenerator[str]:
        async def handle(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.send_all(answer)

        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = listener.socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, handle, [listener])
            yield f"http://127.0.0.1:{port}/"
            nursery.cancel_scope.cancel()

    return server


@pytest.mark.parametrize("path", ["/healthz", "/private", "/no-such-page", "/long"])
async def test_any_answer_is_a_sign_of_life(front: str, path: str) -> None:
    await self_check(front, path=path)()


async def test_a_failure_of_the_server_is_none(front: str) -> None:
    with pytest.raises(SelfCheckError, match=r"no failure of ours, got status 500 - at 127\.0\.0\.1 port"):
        await self_check(front, path="/broken")()


async def test_an_address_of_all_interfaces_is_asked_on_loopback(front: str) -> None:
    await self_check(front.replace("127.0.0.1", "0.0.0.0"))()


async def test_interim_answers_are_passed_over(serve: Serve) -> None:
    async with serve(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n") as url:
        await self_check(url)()


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"],
)
async def test_what_is_no_whole_answer_is_none(serve: Serve, answer: bytes) -> None:
    async with serve(answer) as url:
        with pytest.raises(SelfCheckError, match=r"expected an answer, got .* - at 127.0.0.1 port"):
            await self_check(url)()


async def test_nobody_listens() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(SelfCheckError, match="refused"):
        await self_check(f"http://127.0.0.1:{port}/")()


async def test_plain_http_where_tls_is_expected(serve: Serve) -> None:
    async with serve(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        with pytest.raises(SelfCheckError, match=r"(?i)ssl"):
            await self_check(url.replace("http:", "https:"))()


async def test_a_listener_that_never_answers_is_given_up(mock_clock: trio.testing.MockClock) -> None:
    # Nobody accepts: the kernel takes the connection and the request, as for an event loop that is stuck.
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def expire() -> None:
            await trio.testing.wait_all_tasks_blocked(0.1)
            mock_clock.jump(SELF_CHECK_DEADLINE_S)

        with pytest.raises(SelfCheckError, match=r"within 10\.0 s, got none"):
            await self_check(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/")()


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/", "127.0.0.1:80", "http://"])
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        self_check(url)


def test_ipv6_hosts_are_understood() -> None:
    self_check("https://[::]:8443/")
