"""From a change of the target's resolution to the first picture of the new size at each kind of client.

One process, one clock, real sockets: nobody connects anew, every client stays on the connection that it has.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from trio_websocket import connect_websocket_url

from api.server import open_listeners
from drivers.emulated.pc import EmulatedPc
from firmware import main as composition
from firmware.appliance import run_tree
from firmware.core.lock import state_directory
from tools.bench_appliance import CREDENTIALS, HEADER_PAIRS

MODES = [(640, 480), (1280, 720), (1920, 1080), (1280, 720)]
CONFIGURATION = "kvmd: {streamer: {h264_bitrate: {default: 5000}}}\nfarhand: {emulated: {motion: true}}\n"
# What holds the sides of a picture: a baseline frame header (T.81, B.2.2), a sequence parameter set (H.264,
# 7.3.2.1).
FRAME_HEADER = re.compile(rb"\xff\xc0..\x08(..)(..)", re.DOTALL)
PARAMETER_SET = re.compile(rb"\x00\x00\x01\x67(.*?)\x00\x00\x01", re.DOTALL)
# From power-on to the system's prompt.
BOOT_S = 15
PAUSE_S = 1.0


class _Arrivals:
    """When pictures of another size than the one before came to one client."""

    def __init__(self, marker: re.Pattern[bytes]) -> None:
        self._marker = marker
        self._last = b""
        self.times: list[float] = []

    def take(self, data: bytes) -> None:
        found = self._marker.search(data)
        if found is not None and found[0] != self._last:
            self._last = found[0]
            self.times.append(time.perf_counter())


async def _watch_mjpeg(url: str, arrivals: _Arrivals) -> None:
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    stream = await trio.open_tcp_stream(host, int(port))
    headers = "".join(f"{name}: {value}\r\n" for name, value in CREDENTIALS.items())
    await stream.send_all(f"GET /streamer/stream HTTP/1.1\r\nHost: bench\r\n{headers}\r\n".encode())
    tail = b""
    while data := await stream.receive_some(1 << 16):
        arrivals.take(tail + data)
        tail = data[-16:]


async def _watch_socket(url: str, name: str, arrivals: _Arrivals) -> None:
    address = url.replace("http", "ws", 1).rstrip("/") + f"/api/media/ws?video={name}"
    async with trio.open_nursery() as nursery:
        socket = await connect_websocket_url(nursery, address, extra_headers=HEADER_PAIRS)
        while True:
            message = await socket.get_message()
            arrivals.take(message if isinstance(message, bytes) else message.encode())


async def _hold_session(url: str) -> None:
    address = url.replace("http", "ws", 1).rstrip("/") + "/api/ws?stream=1"
    async with trio.open_nursery() as nursery:
        socket = await connect_websocket_url(nursery, address, extra_headers=HEADER_PAIRS)
        while True:
            await socket.get_message()


async def _change_modes(target: EmulatedPc, clients: dict[str, _Arrivals], changes: int) -> list[str]:
    delays: dict[str, list[float]] = {name: [] for name in clients}
    for number in range(changes):
        for arrivals in clients.values():
            arrivals.times.clear()
        changed_at = time.perf_counter()
        target.set_mode(*MODES[number % len(MODES)])
        await trio.sleep(PAUSE_S)
        for name, arrivals in clients.items():
            # None within the pause: late by more than that.
            delays[name].append(arrivals.times[0] - changed_at if arrivals.times else float("inf"))
    return [
        f"{name:<12} median {statistics.median(found) * 1000:5.0f} ms, longest {max(found) * 1000:5.0f} ms"
        f" of {changes}"
        for name, found in delays.items()
    ]


async def _measure(changes: int) -> list[str]:
    clients = {
        "MJPEG": _Arrivals(FRAME_HEADER),
        "media JPEG": _Arrivals(FRAME_HEADER),
        "media H.264": _Arrivals(PARAMETER_SET),
    }
    with tempfile.TemporaryDirectory() as directory:
        await trio.Path(directory, "override.yaml").write_text(CONFIGURATION)
        options = composition.Options(Path(directory), board="emulated", http="127.0.0.1:0", https="")
        with state_directory(Path(directory) / "state") as state:
            loaded, _ = composition.configuration(options)
            board = composition.open_board(options, loaded, "emulated")
            appliance = await composition.compose(options, loaded, board, state)
            if not isinstance(board.target, EmulatedPc):
                raise TypeError(f"expected the emulated PC, got {board.target!r}")
            async with trio.open_nursery() as nursery:
                stop = trio.Event()
                listeners = await open_listeners(appliance.server_config)
                (url, *_) = await nursery.start(run_tree, appliance, listeners, stop)
                if not await board.power_led.read():
                    await board.power_switch.pulse(0.2)
                nursery.start_soon(_hold_session, url)
                await trio.sleep(BOOT_S)
                watchers: list[tuple[Callable[..., Awaitable[None]], tuple[object, ...]]] = [
                    (_watch_mjpeg, (url, clients["MJPEG"])),
                    (_watch_socket, (url, "jpeg", clients["media JPEG"])),
                    (_watch_socket, (url, "h264", clients["media H.264"])),
                ]
                for watcher, arguments in watchers:
                    nursery.start_soon(watcher, *arguments)
                await trio.sleep(PAUSE_S * 2)
                lines = await _change_modes(board.target, clients, changes)
                stop.set()
                nursery.cancel_scope.cancel()
    return lines


def run(changes: int = 20) -> list[str]:
    """Return a line for each kind of client."""
    return trio.run(_measure, changes)


if __name__ == "__main__":
    print("\n".join(run()))
