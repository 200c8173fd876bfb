"""A running server on a loopback port, a tiny application, and a client that can misbehave."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
import trustme
from quart import request, websocket

from api.server import Bind, BoundAddresses, FrontApp, PlainHttp, Server, ServerConfig
from api.server.exchange import vouch_for

PATIENCE_S = 60.0
"""For what must happen; far above every limit under test, so that a busy machine does not fail a test."""


@dataclass
class Probe:
    """What the tiny application saw."""

    events: list[str] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    go_on: trio.Event = field(default_factory=trio.Event)
    changed: trio.Event = field(default_factory=trio.Event)

    def note(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()
        self.changed = trio.Event()

    async def wait_for(self, event: str) -> None:
        with trio.fail_after(PATIENCE_S):
            while event not in self.events:
                await self.changed.wait()


def build_app(probe: Probe) -> FrontApp:
    app = FrontApp("tiny")

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    @app.get("/member")
    async def member() -> str:
        vouch_for(request.scope)
        return "hello, member"

    @app.get("/query")
    async def query() -> str:
        return str(len(request.query_string))

    @app.get("/boom")
    async def boom() -> str:
        raise ValueError("a bug in a handler")

    @app.get("/hang")
    async def hang() -> str:
        probe.note("hang started")
        try:
            await trio.sleep_forever()
        finally:
            probe.note("hang ended")
        return "never"

    @app.get("/wait")
    async def wait() -> str:
        probe.note("wait started")
        await probe.go_on.wait()
        return "waited"

    async def frames(tag: str) -> AsyncIterator[bytes]:
        probe.note(f"{tag} started")
        try:
            while True:
                yield bytes(256 * 1024)
        finally:
            probe.note(f"{tag} ended")

    @app.get("/flood")
    async def flood() -> Any:
        return frames("flood"), {"Content-Type": "application/octet-stream"}

    @app.get("/mjpeg")
    async def mjpeg() -> Any:
        async def parts() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"--b\r\nContent-Length: 1\r\n\r\n%d\r\n" % number

        return parts(), {"Content-Type": "multipart/x-mixed-replace;boundary=b", "Connection": "close"}

    @app.get("/chunks")
    async def chunks() -> Any:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return parts(), {"Content-Type": "text/plain"}

    @app.get("/lingering")
    async def lingering() -> Any:
        async def parts() -> AsyncIterator[bytes]:
            yield b"whole"
            await probe.go_on.wait()

        return parts(), {"Content-Length": "5"}

    @app.get("/break")
    async def break_off() -> Any:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            raise ValueError("a bug in a stream")

        return parts(), {"Content-Type": "text/plain"}

    @app.post("/data")
    async def data() -> str:
        return str(len(await request.get_data()))

    @app.post("/form")
    async def form() -> str:
        return ",".join(f"{key}={value}" for key, value in (await request.form).items())

    @app.post("/ignore")
    async def ignore() -> str:
        return "ignored"

    async def consume(delay_s: float) -> str:
        total = 0
        try:
            async for piece in request.body:
                probe.pieces.append(len(piece))
                total += len(piece)
                if delay_s < 0:
                    await probe.go_on.wait()
                elif delay_s:
                    await trio.sleep(delay_s)
        except Exception as exc:
            probe.note(type(exc).__name__)
            raise
        return str(total)

    @app.post("/upload")
    async def upload() -> str:
        return await consume(0)

    @app.post("/slow")
    async def slow() -> str:
        return await consume(-1)

    @app.websocket("/echo")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    @app.websocket("/collect")
    async def collect() -> None:
        await websocket.accept()
        probe.note("collect started")
        try:
            while True:
                probe.messages.append(await websocket.receive())
        finally:
            probe.note("collect ended")

    @app.websocket("/deaf")
    async def deaf() -> None:
        await websocket.accept()
        probe.note("deaf started")
        try:
            await probe.go_on.wait()
            while True:
                probe.messages.append(await websocket.receive())
        finally:
            probe.note("deaf ended")

    @app.websocket("/push")
    async def push() -> None:
        probe.note("push started")
        try:
            while True:
                await websocket.send(bytes(256 * 1024))
        finally:
            probe.note("push ended")

    @app.websocket("/bye")
    async def bye() -> None:
        await websocket.accept()
        await websocket.close(4321, "bye")
        probe.note("closed")

    @app.websocket("/crash")
    async def crash() -> None:
        await websocket.accept()
        raise ValueError("a bug in a WebSocket handler")

    @app.websocket("/denied")
    async def denied() -> Any:
        return "no", 401

    return app


@dataclass
class Answer:
    """One HTTP answer as it came."""

    raw_head: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool


class RawClient:
    """A TCP (or TLS) connection that sends what it is told and reads what comes."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        with trio.fail_after(PATIENCE_S):
            await self.stream.send_all(data)

    async def read(self, count: int) -> bytes:
        """Exactly *count* bytes, fewer at the end of the stream."""
        with trio.fail_after(PATIENCE_S):
            while len(self.buffer) < count:
                data = await self.stream.receive_some()
                if not data:
                    break
                self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    async def read_to_end(self) -> bytes:
        """All that comes until the server closes; a reset counts as closing."""
        with trio.fail_after(PATIENCE_S):
            try:
                while data := await self.stream.receive_some():
                    self.buffer += data
            except trio.BrokenResourceError:
                pass
        taken, self.buffer = self.buffer, b""
        return taken

    async def is_closed(self) -> bool:
        return await self.read_to_end() == b""

    async def answer(self, method: str = "GET") -> Answer:
        """Parse one answer with an independent client-side parser."""
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        raw, body, head = b"", bytearray(), b""
        answer: Answer | None = None
        with trio.fail_after(PATIENCE_S):
            while True:
                event = client.next_event()
                if event is h11.NEED_DATA:
                    if self.buffer:
                        data, self.buffer = self.buffer, b""
                    else:
                        try:
                            data = bytes(await self.stream.receive_some())
                        except trio.BrokenResourceError:
                            data = b""
                    raw += data
                    if not head and b"\r\n\r\n" in raw:
                        head = raw.partition(b"\r\n\r\n")[0]
                    client.receive_data(data)
                elif isinstance(event, h11.Response):
                    headers = {name.decode(): value.decode("latin1") for name, value in event.headers}
                    answer = Answer(head, event.status_code, headers, b"", complete=False)
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    assert answer is not None
                    self.buffer = client.trailing_data[0]
                    answer.body, answer.complete = bytes(body), True
                    return answer
                elif isinstance(event, h11.ConnectionClosed):
                    raise AssertionError(f"expected an answer, got the end after {raw!r}")

    async def get(self, path: str, *headers: str) -> Answer:
        lines = [f"GET {path} HTTP/1.1", "Host: test", *headers, "", ""]
        await self.send("\r\n".join(lines).encode("latin1"))
        return await self.answer()

    async def upgrade(self, path: str, *headers: str) -> bytes:
        """Ask for a WebSocket and return the head of the answer."""
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: test",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            *headers,
            "",
            "",
        ]
        await self.send("\r\n".join(lines).encode("latin1"))
        return await self.head()

    async def head(self) -> bytes:
        with trio.fail_after(PATIENCE_S):
            while b"\r\n\r\n" not in self.buffer:
                data = await self.stream.receive_some()
                assert data, f"expected a head, got {self.buffer!r}"
                self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    async def send_frame(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        await self.send(masked_frame(opcode, payload, fin=fin))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of the server: (opcode, payload)."""
        first = await self.read(2)
        assert len(first) == 2, "expected a frame, got the end"
        length = first[1]
        if length == 126:
            length = int.from_bytes(await self.read(2))
        elif length == 127:
            length = int.from_bytes(await self.read(8))
        return first[0] & 0x0F, await self.read(length)

    def reset(self) -> None:
        """Go away without a word."""
        sock = self.stream.socket  # type: ignore[attr-defined] # the stream is a socket here
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.close()


def masked_frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's WebSocket frame, made here and not by the library under test; the mask is zero."""
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += bytes([0x80 | 126]) + len(payload).to_bytes(2)
    else:
        head += bytes([0x80 | 127]) + len(payload).to_bytes(8)
    return head + bytes(4) + payload


@dataclass
class Running:
    """A server that runs in the test's nursery."""

    server: Server
    addresses: BoundAddresses
    probe: Probe
    ended: trio.Event
    authority: trustme.CA
    clients: list[RawClient] = field(default_factory=list)

    def _client(self, stream: trio.abc.Stream) -> RawClient:
        self.clients.append(RawClient(stream))
        return self.clients[-1]

    @property
    def port(self) -> int:
        return (self.addresses.http or self.addresses.https)[0].port

    async def connect(self, *, port: int | None = None, receive_bytes: int | None = None) -> RawClient:
        sock = trio.socket.socket()
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            await sock.connect(("127.0.0.1", port or self.port))
        except OSError:
            sock.close()
            raise
        return self._client(trio.SocketStream(sock))

    async def connect_tls(self, *, alpn: list[str] | None = None, **options: Any) -> RawClient:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        for name, value in options.items():
            setattr(context, name, value)
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        plain = await trio.open_tcp_stream("127.0.0.1", self.addresses.https[0].port)
        stream = trio.SSLStream(plain, context, server_hostname="localhost", https_compatible=True)
        client = self._client(stream)
        with trio.fail_after(PATIENCE_S):
            await stream.do_handshake()
        return client

    async def get(self, path: str) -> Answer:
        client = await self.connect()
        try:
            return await client.get(path, "Connection: close")
        finally:
            await client.stream.aclose()

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE_S):
            while not condition():
                await trio.sleep(0.005)

    async def connection(self) -> Any:
        """The server's side of the only connection."""
        await self.until(lambda: len(self.server._connections) == 1)
        return next(iter(self.server._connections))

    async def stop(self) -> None:
        self.server.stop()
        with trio.fail_after(PATIENCE_S):
            await self.ended.wait()


Start = Callable[..., Awaitable[Running]]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost", "127.0.0.1")
    key, chain = directory / "key.pem", directory / "chain.pem"
    issued.private_key_pem.write_to_path(key)
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(chain, append=number > 0)
    return chain, key


@pytest.fixture
async def start(
    nursery: trio.Nursery, authority: trustme.CA, certificate: tuple[Path, Path]
) -> AsyncIterator[Start]:
    """Start a server for the tiny application (or *app*) with a ServerConfig of the given fields."""
    running: list[Running] = []

    async def start(app: Any = None, **fields: Any) -> Running:
        probe = Probe()
        plain = {"http": (Bind("127.0.0.1", 0),), "plain_http": PlainHttp.APP}
        fields = {**plain, "certificate": certificate, **fields}
        server = Server(build_app(probe) if app is None else app, ServerConfig(**fields))
        ended = trio.Event()

        async def run(*, task_status: trio.TaskStatus[BoundAddresses]) -> None:
            await server.run(task_status=task_status)
            ended.set()

        addresses = await nursery.start(run)
        running.append(Running(server, addresses, probe, ended, authority))
        return running[-1]

    yield start
    for item in running:
        for client in item.clients:
            await trio.aclose_forcefully(client.stream)
        item.server.stop()
        with trio.fail_after(PATIENCE_S):
            await item.ended.wait()


@pytest.fixture
def frame() -> Callable[..., bytes]:
    return masked_frame
