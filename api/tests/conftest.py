"""A whole appliance on the emulated board inside the test's own event loop, and a client that talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from api.server import open_listeners
from drivers.emulated.pc import EmulatedPc
from firmware import main as composition
from firmware.appliance import Appliance, run_tree
from firmware.core.lock import state_directory

CREDENTIALS = {"X-KVMD-User": "admin", "X-KVMD-Passwd": "admin"}


@dataclass
class Live:
    """A running appliance."""

    url: str
    appliance: Appliance
    pc: EmulatedPc
    http: httpx.AsyncClient

    def websocket(
        self, query: str = "", headers: dict[str, str] | None = None, *, path: str = "/api/ws"
    ) -> AbstractAsyncContextManager[WebSocketConnection]:
        """Open the control socket, or the one at *path*."""
        url = self.url.replace("http", "ws", 1).rstrip("/") + path + query
        given = CREDENTIALS if headers is None else headers
        return open_websocket_url(url, extra_headers=[(k.encode(), v.encode()) for k, v in given.items()])

    @staticmethod
    async def result_of(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
        """Check the envelope and return what is in it."""
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        document = answer.json()
        assert document["ok"] is (status == 200)
        result = document["result"]
        assert isinstance(result, dict)
        if status != 200:
            assert set(result) == {"error", "error_msg"}
            assert "Traceback" not in answer.text
        return result

    @staticmethod
    async def refused(answer: httpx.Response, status: int, error: str) -> None:
        """Check that an answer is this refusal."""
        assert (await Live.result_of(answer, status))["error"] == error

    async def raw_get(self, path: str, headers: str = "", *, method: str = "GET") -> trio.SocketStream:
        """Send a request with credentials on a connection of its own and return it, nothing read yet."""
        host, port = self.url.removeprefix("http://").rstrip("/").split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        headers += "".join(f"{name}: {value}\r\n" for name, value in CREDENTIALS.items())
        await stream.send_all(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode())
        return stream

    async def msd(self) -> dict[str, Any]:
        """Return the state of mass storage."""
        return await self.result_of(await self.http.get("/api/msd"))

    async def msd_when(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until *condition* holds for the state of mass storage, and return that state."""
        with trio.fail_after(30):
            while not condition(state := await self.msd()):
                await trio.sleep(0.02)
        return state

    async def msd_ready(self) -> None:
        """Wait until mass storage is online."""
        await self.msd_when(lambda state: bool(state["online"]))

    def anonymous(self) -> httpx.AsyncClient:
        """A client without credentials."""
        return httpx.AsyncClient(base_url=self.url, timeout=30, verify=False)


@asynccontextmanager
async def running(directory: Path, override: str = "") -> AsyncIterator[Live]:
    config = directory / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "override.yaml").write_text(override)
    options = composition.Options(config, board="emulated", http="127.0.0.1:0", https="")
    loaded, name = composition.configuration(options)
    board = composition.open_board(options, loaded, name)
    assert isinstance(board.target, EmulatedPc)
    with state_directory(directory / "state") as state:
        appliance = await composition.compose(options, loaded, board, state)
        async with trio.open_nursery() as nursery:
            stop = trio.Event()
            listeners = await open_listeners(appliance.server_config)
            (url,) = await nursery.start(run_tree, appliance, listeners, stop)
            # Without reading the system's certificates each time: there is no TLS here.
            async with httpx.AsyncClient(
                base_url=url, headers=CREDENTIALS, timeout=30, verify=False
            ) as client:
                yield Live(url, appliance, board.target, client)
            stop.set()


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    """An appliance with an empty configuration."""
    async with running(tmp_path) as appliance:
        yield appliance


@pytest.fixture
def live_with(tmp_path: Path) -> Callable[[str], AbstractAsyncContextManager[Live]]:
    """A function that starts an appliance with the text of an override.yaml."""
    return lambda override: running(tmp_path, override)
