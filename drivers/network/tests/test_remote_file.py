from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11
import pytest
import trio
import trustme

from drivers.errors import RemoteAnswerError, RemoteError, RemoteUnreachableError
from drivers.network import remote_file
from drivers.network.allowed_hosts import AllowedHosts
from drivers.network.remote_file import MAX_OPEN, MAX_REDIRECTS, HttpFiles

SECRET = "s3cr3t"


@dataclass
class Mirror:
    """A real HTTP/1.1 server whose answers are raw bytes; what follows them is up to its script."""

    port: int
    scheme: str = "http"
    host: str = "127.0.0.1"
    answers: dict[str, bytes] = field(default_factory=dict)
    requests: list[h11.Request] = field(default_factory=list)
    after: Callable[[trio.abc.Stream], Awaitable[None]] | None = None

    def url(self, path: str = "/a.img", userinfo: str = "") -> str:
        return f"{self.scheme}://{userinfo}{self.host}:{self.port}{path}"

    def header(self, name: bytes) -> list[bytes | None]:
        return [dict(request.headers).get(name) for request in self.requests]

    async def serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(bytes(await stream.receive_some(4096)))
                elif isinstance(event, h11.Request):
                    self.requests.append(event)
                    await stream.send_all(self.answers[event.target.decode().partition("?")[0]])
                    if self.after is not None:
                        await self.after(stream)
                    return
                else:
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # a client that does not trust us, or has had enough
        finally:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def mirror(tls: ssl.SSLContext | None = None) -> AsyncIterator[Mirror]:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server = Mirror(listener.socket.getsockname()[1])

        async def serve(plain: trio.SocketStream) -> None:
            stream: trio.abc.Stream = plain
            if tls is not None:
                stream = trio.SSLStream(plain, tls, server_side=True, https_compatible=True)
            await server.serve(stream)

        if tls is not None:
            server.scheme, server.host = "https", "localhost"
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield server
        nursery.cancel_scope.cancel()


def ok(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


@dataclass
class Fetched:
    name: str | None
    size_bytes: int
    body: bytes


async def fetch(
    url: str, *, files: HttpFiles | None = None, insecure: bool = False, timeout_s: float = 30
) -> Fetched:
    opener = files or HttpFiles()
    async with opener.open(url, connect_timeout_s=timeout_s, insecure=insecure) as file:
        body = bytearray()
        while piece := await file.read():
            body += piece
        assert await file.read() == b""
        return Fetched(file.name, file.size_bytes, bytes(body))


async def test_a_file_comes_as_its_server_has_it() -> None:
    content = bytes(range(256)) * 4096
    async with mirror() as server:
        server.answers["/images/debian%2012.img"] = ok(content)
        got = await fetch(server.url("/images/debian%2012.img?token=1"))
    assert got == Fetched("debian 12.img", len(content), content)
    assert server.header(b"accept-encoding") == [b"identity"]
    assert server.header(b"authorization") == [None]
    assert server.requests[0].target == b"/images/debian%2012.img?token=1"


async def test_an_empty_file_is_a_file() -> None:
    async with mirror() as server:
        server.answers["/empty"] = ok(b"")
        assert await fetch(server.url("/empty")) == Fetched("empty", 0, b"")


@pytest.mark.parametrize(
    ("path", "header", "name"),
    [
        ("/download", "Content-Disposition: attachment; filename=\"b.iso\"; filename*=UTF-8''c.iso", "c.iso"),
        ("/download.iso", 'Content-Disposition: attachment; filename=".."', "download.iso"),
        ("/", "X: y", None),
        ("/dir/", "X: y", None),
    ],
)
async def test_the_server_names_the_file_or_its_url_does(path: str, header: str, name: str | None) -> None:
    async with mirror() as server:
        server.answers[path] = ok(b"x", header)
        assert (await fetch(server.url(path))).name == name


async def test_the_name_is_that_of_the_last_url() -> None:
    async with mirror() as server:
        server.answers["/latest"] = redirect("../v2/os.iso")
        server.answers["/v2/os.iso"] = ok(b"content")
        assert await fetch(server.url("/latest")) == Fetched("os.iso", 7, b"content")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_up_to_a_bound(status: int) -> None:
    async with mirror() as server:
        for number in range(MAX_REDIRECTS + 2):
            server.answers[f"/{number}"] = redirect(f"/{number + 1}", status)
        server.answers[f"/{MAX_REDIRECTS + 2}"] = ok(b"there")
        assert (await fetch(server.url("/2"))).body == b"there"
        with pytest.raises(RemoteAnswerError, match="at most 10 redirects"):
            await fetch(server.url("/1"))


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[::1/", ""])
async def test_a_redirect_to_nowhere_is_refused(location: str) -> None:
    async with mirror() as server:
        server.answers["/a.img"] = redirect(location)
        with pytest.raises(RemoteAnswerError, match="at the redirect of http://"):
            await fetch(server.url())


async def test_the_password_of_a_url_goes_to_its_own_server_only() -> None:
    basic = b"Basic " + base64.b64encode(b"us er:" + SECRET.encode())
    async with mirror() as first, mirror() as second:
        first.answers["/a.img"] = redirect("/b.img")
        first.answers["/b.img"] = redirect(second.url("/c.img"))
        second.answers["/c.img"] = ok(b"content")
        assert (await fetch(first.url("/a.img", f"us%20er:{SECRET}@"))).body == b"content"
        assert first.header(b"authorization") == [basic, basic]
        assert second.header(b"authorization") == [None]
        # A redirect that brings its own is a server's wish for itself.
        first.answers["/own.img"] = redirect(second.url("/c.img", "bob:pw@"))
        await fetch(first.url("/own.img"))
        assert second.header(b"authorization")[-1] == b"Basic " + base64.b64encode(b"bob:pw")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "expected status 200, got 404"),
        (b"HTTP/1.1 206 Partial\r\nContent-Length: 1\r\n\r\nx", "expected status 200, got 206"),
        (b"HTTP/1.1 200 OK\r\n\r\nx", "expected a Content-Length, got none"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "expected a Content-Length, got none",
        ),
        (ok(b"x", "Content-Encoding: gzip"), "got it encoded as gzip"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no answer of"),
        (b"", "no answer of"),
    ],
)
@pytest.mark.fault("files of other servers", "garbage")
async def test_an_answer_that_is_no_file_is_refused_without_telling_secrets(
    answer: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with mirror() as server:
        server.answers["/a.img"] = answer
        with pytest.raises(RemoteAnswerError, match=why) as caught:
            await fetch(server.url(f"/a.img?key={SECRET}", f"admin:{SECRET}@"))
    assert f"127.0.0.1:{server.port}/a.img" in str(caught.value)
    assert SECRET not in str(caught.value) + caplog.text
    assert "admin" not in str(caught.value) + caplog.text


async def test_a_malformed_url_is_refused_without_repeating_it() -> None:
    for url in (
        f"http://u:{SECRET}@[::1/x",
        f"ftp://u:{SECRET}@host/x",
        "http:///x",
        f"http://u:{SECRET}@h:99x/",
    ):
        with pytest.raises(RemoteAnswerError, match="expected a URL") as caught:
            await fetch(url)
        assert SECRET not in str(caught.value)


@pytest.mark.fault("files of other servers", "missing")
async def test_nobody_listens() -> None:
    async with mirror() as server:
        url = server.url()
    with pytest.raises(RemoteUnreachableError, match=f"cannot connect to {url}"):
        await fetch(url)


@asynccontextmanager
async def deaf_port() -> AsyncIterator[int]:
    """A port whose queue of connections is full, so that a further one gets no answer."""
    with trio.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        async with trio.open_nursery() as nursery:

            async def knock() -> None:
                with trio.socket.socket() as visitor:
                    await visitor.connect(("127.0.0.1", port))
                    await trio.sleep_forever()

            for _ in range(3):
                nursery.start_soon(knock)
            for _ in range(20):
                await trio.lowlevel.checkpoint()
            yield port
            nursery.cancel_scope.cancel()


async def test_the_connect_timeout_is_the_callers(autojump_clock: trio.testing.MockClock) -> None:
    async with deaf_port() as port:
        began = trio.current_time()
        with pytest.raises(RemoteUnreachableError, match="no connection in time"):
            await fetch(f"http://127.0.0.1:{port}/a.img", timeout_s=7)
        assert trio.current_time() - began == pytest.approx(7)


async def silence(_stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines that a test can wait for: its sockets are real, so its clock is too."""
    monkeypatch.setattr(remote_file, "READ_STALL_S", 0.3)


@pytest.mark.fault("files of other servers", "stalls")
async def test_a_server_that_never_answers_is_given_up(impatient: None) -> None:
    async with mirror() as server:
        server.answers["/a.img"] = b"HTTP/1.1 200"
        server.after = silence
        with pytest.raises(RemoteAnswerError, match=r"nothing came for 0\.3 s"):
            await fetch(server.url())


async def test_a_server_that_falls_silent_is_given_up_and_what_came_is_given(impatient: None) -> None:
    async with mirror() as server:
        server.answers["/a.img"] = ok(b"x" * 10).replace(b"10", b"99")
        server.after = silence
        async with HttpFiles().open(server.url(), connect_timeout_s=30, insecure=False) as file:
            assert await file.read() == b"x" * 10
            with pytest.raises(RemoteError, match=r"within 0\.3 s, got none - at 10 of 99 bytes of http://"):
                await file.read()


@pytest.mark.fault("files of other servers", "stalls")
async def test_headers_that_trickle_for_ever_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_file, "OPENING_S", 0.5)

    async def trickle(stream: trio.abc.Stream) -> None:
        while True:
            await trio.sleep(0.02)
            await stream.send_all(b"x")

    async with mirror() as server:
        server.answers["/a.img"] = b"HTTP/1.1 200 OK\r\nX: "
        server.after = trickle
        with pytest.raises(RemoteAnswerError, match="expected an answer within"):
            await fetch(server.url(), timeout_s=0.1)


@pytest.mark.fault("files of other servers", "vanishes")
async def test_a_body_that_ends_short_is_an_error_after_what_came() -> None:
    async with mirror() as server:
        server.answers["/a.img"] = ok(b"x" * 10).replace(b"10", b"99")
        async with HttpFiles().open(server.url(), connect_timeout_s=30, insecure=False) as file:
            assert await file.read() == b"x" * 10
            with pytest.raises(RemoteError, match=r"broke off .* at 10 of 99 bytes"):
                await file.read()


async def test_a_reader_that_leaves_closes_the_connection_and_makes_room() -> None:
    closed = trio.Event()

    async def flood(stream: trio.abc.Stream) -> None:
        try:
            while True:
                await stream.send_all(b"x" * 65536)
        finally:
            closed.set()

    async with mirror() as server:
        server.answers["/a.img"] = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"
        server.after = flood
        files = HttpFiles()
        with trio.CancelScope() as leaving:
            async with files.open(server.url(), connect_timeout_s=30, insecure=False) as file:
                await file.read()
                leaving.cancel()
                await file.read()
        with trio.fail_after(30):
            await closed.wait()
        server.answers["/a.img"] = ok(b"y")
        server.after = None
        for _ in range(MAX_OPEN + 1):
            assert (await fetch(server.url(), files=files)).body == b"y"


async def test_no_more_than_a_few_files_are_open_at_a_time() -> None:
    async with mirror() as server:
        server.answers["/a.img"] = ok(b"y")
        files = HttpFiles()
        async with (
            files.open(server.url(), connect_timeout_s=30, insecure=False),
            files.open(server.url(), connect_timeout_s=30, insecure=False),
        ):
            with pytest.raises(RemoteError, match="2 downloads are under way"):
                await fetch(server.url(), files=files)
        assert (await fetch(server.url(), files=files)).body == b"y"


# -- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> HttpFiles:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return HttpFiles(context)


async def test_a_trusted_server_is_read_over_tls(authority: trustme.CA) -> None:
    content = bytes(range(256)) * 1024
    async with mirror(server_tls(authority)) as server:
        server.answers["/a.img"] = ok(content)
        assert (await fetch(server.url(), files=trusting(authority))).body == content


async def test_the_systems_trust_is_what_counts_unless_told_otherwise(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mirror(server_tls(authority)) as server:
        server.answers["/a.img"] = ok(b"content")
        with pytest.raises(RemoteUnreachableError, match="certificate is not trusted"):
            await fetch(server.url())
        assert (await fetch(server.url(), insecure=True)).body == b"content"
        # The environment by which OpenSSL is told of the system's authorities.
        with authority.cert_pem.tempfile() as bundle:
            monkeypatch.setenv("SSL_CERT_FILE", bundle)
            assert (await fetch(server.url())).body == b"content"


async def test_a_certificate_of_another_name_is_not_trusted(authority: trustme.CA) -> None:
    async with mirror(server_tls(authority, "elsewhere.example")) as server:
        server.answers["/a.img"] = ok(b"content")
        with pytest.raises(RemoteUnreachableError, match=r"not trusted \(Hostname mismatch"):
            await fetch(server.url(), files=trusting(authority))
        assert (await fetch(server.url(), insecure=True)).body == b"content"


async def test_a_redirect_from_https_to_http_needs_insecure(authority: trustme.CA) -> None:
    async with mirror(server_tls(authority)) as safe, mirror() as plain:
        safe.answers["/a.img"] = redirect(plain.url("/b.img"))
        plain.answers["/b.img"] = ok(b"content")
        with pytest.raises(RemoteAnswerError, match="expected a redirect to https"):
            await fetch(safe.url(), files=trusting(authority))
        assert plain.requests == []
        assert (await fetch(safe.url(), insecure=True)).body == b"content"
        # The other way is a gain.
        plain.answers["/up.img"] = redirect(safe.url("/c.img"))
        safe.answers["/c.img"] = ok(b"safe")
        assert (await fetch(plain.url("/up.img"), files=trusting(authority))).body == b"safe"


async def test_only_hosts_of_the_list_are_asked_also_after_a_redirect() -> None:
    listed = HttpFiles(allowed=AllowedHosts(["127.0.0.1"]))
    async with mirror() as first, mirror() as second:
        second.host = "127.0.0.2"
        first.answers["/a.img"] = redirect(second.url("/b.img"))
        first.answers["/own.img"] = redirect("/c.img")
        first.answers["/c.img"] = ok(b"content")
        assert (await fetch(first.url("/own.img"), files=listed)).body == b"content"
        with pytest.raises(RemoteAnswerError, match=r"farhand/fetch/hosts lists, got 127\.0\.0\.2"):
            await fetch(first.url(), files=listed)
        with pytest.raises(RemoteAnswerError, match=r"got localhost"):
            await fetch(f"http://localhost:{first.port}/c.img", files=listed)
        assert second.requests == []


async def test_plain_http_where_tls_is_expected_is_no_connection() -> None:
    async with mirror() as server:
        server.answers["/a.img"] = ok(b"content")
        with pytest.raises(RemoteUnreachableError, match="cannot connect to https://"):
            await fetch(server.url().replace("http:", "https:"), insecure=True)


@pytest.mark.fault("files of other servers", "returns")
async def test_a_server_that_is_back_is_asked_again() -> None:
    files = HttpFiles()
    async with mirror() as server:
        server.answers["/a.img"] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
        with pytest.raises(RemoteError):
            await fetch(server.url(), files=files)
        server.answers["/a.img"] = ok(b"whole")
        assert (await fetch(server.url(), files=files)).body == b"whole"
