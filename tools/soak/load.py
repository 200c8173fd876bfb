"""The load: what people, scripts and broken networks do to an appliance, all at the same time, at random."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import trio
from trio_websocket import ConnectionClosed, HandshakeError, open_websocket_url

from tools.bench_appliance import CREDENTIALS, HEADER_PAIRS, BenchAppliance

IMAGE_BYTES = 1 << 20
REQUEST_TIMEOUT_S = 60
PASSING = frozenset({409, 429, 502, 503})
"""Busy, too many, no picture, restarting: what the appliance may say under such load."""
PASSING_ERROR = "MsdOfflineError"
"""What is said while mass storage is being restarted; the contract gives it a status of its own."""

KEY, MOVE, WHEEL = 1, 3, 5
PRESSED, RELEASED = 1, 0
KEYS = ("KeyA", "KeyB", "ShiftLeft", "Enter", "CapsLock", "F5")


class UnexpectedAnswerError(Exception):
    """The appliance gave an answer that no load excuses; the message says to what."""


class Load:
    """All the clients of one round."""

    def __init__(self, appliance: BenchAppliance, rng: random.Random, done: Counter[str]) -> None:
        self._url = f"http://{appliance.host}:{appliance.port}"
        self._socket_url = f"ws://{appliance.host}:{appliance.port}"
        self._rng = rng
        self._done = done

    async def run(self, seconds: float) -> None:
        """Load the appliance for so long; all connections are cut at the end, whatever they were doing."""
        clients: list[Callable[[], Awaitable[None]]] = [
            *([self._mjpeg] * 2),
            *([self._media_socket] * 2),
            *([self._typist] * 2),
            self._uploader,
            self._settings,
            self._sessions,
            self._restarts,
            self._reader,
        ]
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(self._again_and_again, client)

    async def _again_and_again(self, client: Callable[[], Awaitable[None]]) -> None:
        while True:
            await client()
            self._done[client.__name__.strip("_")] += 1
            await trio.sleep(self._rng.uniform(0, 0.3))

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._url, headers=CREDENTIALS, timeout=REQUEST_TIMEOUT_S)

    async def _ask(self, http: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
        answer = await http.request(method, path, **options)
        passing = answer.status_code in PASSING or PASSING_ERROR in answer.text
        if answer.status_code >= 400 and not passing:
            raise UnexpectedAnswerError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def _mjpeg(self) -> None:
        async with self._http() as http:
            with trio.move_on_after(self._rng.uniform(0.2, 3)):
                async with http.stream("GET", "/streamer/stream") as answer:
                    if answer.status_code not in {200, *PASSING}:
                        raise UnexpectedAnswerError(f"the stream: {answer.status_code}")
                    async for _ in answer.aiter_raw():
                        pass

    async def _media_socket(self) -> None:
        try:
            with trio.move_on_after(self._rng.uniform(0.2, 3)):
                async with open_websocket_url(
                    f"{self._socket_url}/api/media/ws?video=jpeg", extra_headers=HEADER_PAIRS
                ) as socket:
                    while True:
                        await socket.get_message()
        except (ConnectionClosed, HandshakeError):
            pass  # the streamer is being restarted

    async def _typist(self) -> None:
        """Keys and movements, and an end in the middle of a press as often as not."""
        try:
            async with open_websocket_url(
                f"{self._socket_url}/api/ws?stream=0", extra_headers=HEADER_PAIRS
            ) as socket:
                for _ in range(self._rng.randrange(1, 100)):
                    await socket.send_message(self._input())
                    await trio.sleep(0.005)
        except ConnectionClosed:
            pass

    def _input(self) -> bytes:
        match self._rng.randrange(3):
            case 0:
                x, y = (self._rng.randrange(-32768, 32768) for _ in range(2))
                return bytes((MOVE,)) + x.to_bytes(2, "big", signed=True) + y.to_bytes(2, "big", signed=True)
            case 1:
                return bytes((WHEEL, 0, 0, self._rng.randrange(1, 5)))
            case _:
                state = self._rng.choice((PRESSED, RELEASED))
                return bytes((KEY, state)) + self._rng.choice(KEYS).encode()

    async def _uploader(self) -> None:
        """An image that comes in, whole or cut off, and goes."""
        async with self._http() as http:
            state = (await self._ask(http, "GET", "/api/msd")).json()["result"]
            for name in (state.get("storage") or {}).get("images", {}):
                await self._ask(http, "POST", "/api/msd/remove", params={"image": name})
        # No other one has this name: what could not be removed does not matter.
        params = {"image": f"{self._rng.randrange(1 << 32)}.img"}
        async with self._http() as http:
            with trio.move_on_after(self._rng.choice((0.05, 30))):
                await self._ask(http, "POST", "/api/msd/write", params=params, content=bytes(IMAGE_BYTES))

    async def _settings(self) -> None:
        quality, fps = self._rng.randrange(10, 90), self._rng.randrange(5, 30)
        async with self._http() as http:
            await self._ask(
                http,
                "POST",
                "/api/streamer/set_params",
                params={"quality": quality, "desired_fps": fps},
            )
            await self._ask(http, "POST", "/api/hid/set_params", params={"jiggler": self._rng.randrange(2)})
            await self._ask(http, "POST", "/api/hid/print", params={"limit": 20}, content="soak")

    async def _sessions(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=REQUEST_TIMEOUT_S) as http:
            form = {"user": CREDENTIALS["X-KVMD-User"], "passwd": CREDENTIALS["X-KVMD-Passwd"]}
            await self._ask(http, "POST", "/api/auth/login", data=form)
            await self._ask(http, "GET", "/api/info")
            if self._rng.randrange(2):
                await self._ask(http, "POST", "/api/auth/logout")

    async def _restarts(self) -> None:
        """Restart what drives the devices, as their faults do."""
        async with self._http() as http:
            tasks = (await self._ask(http, "GET", "/api/supervisor")).json()["result"]["tasks"]
            task = self._rng.choice(sorted(tasks))
            await self._ask(http, "POST", "/api/supervisor/restart", params={"task": task})
        await trio.sleep(self._rng.uniform(1, 3))

    async def _reader(self) -> None:
        """A script that looks at everything."""
        paths = (
            "/api/streamer/snapshot",
            "/api/export/prometheus/metrics",
            "/api/log",
            "/redfish/v1/Systems",
        )
        async with self._http() as http:
            for path in paths:
                await self._ask(http, "GET", path)
