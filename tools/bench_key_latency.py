"""From a WebSocket key event to its HID report at the board: one process, one clock, a real socket."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import trio
from trio_websocket import connect_websocket_url

from api.server import open_listeners
from drivers.ports import KeyboardPort
from firmware import main as composition
from firmware.appliance import run_tree
from firmware.core.lock import state_directory
from firmware.settings import load
from tools.bench_appliance import HEADER_PAIRS

PAUSE_S = 0.002


class _Clocked:
    """A keyboard port that notes when each report reached it."""

    def __init__(self, port: KeyboardPort) -> None:
        self._port = port
        self.leds = port.leds
        self.arrived: list[float] = []

    async def write(self, report: bytes) -> None:
        self.arrived.append(time.perf_counter())
        await self._port.write(report)


async def _measure(events: int) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        options = composition.Options(Path(directory), board="emulated", http="127.0.0.1:0", https="")
        with state_directory(Path(directory) / "state") as state:
            loaded = load(Path(directory))
            board = composition.open_board(options, loaded, "emulated")
            keyboard = _Clocked(board.keyboard)
            board = dataclasses.replace(board, keyboard=keyboard)
            appliance = await composition.compose(options, loaded, board, state)
            async with trio.open_nursery() as nursery:
                stop = trio.Event()
                listeners = await open_listeners(appliance.server_config)
                (url, *_) = await nursery.start(run_tree, appliance, listeners, stop)
                latencies = await _type(url, keyboard, events)
                stop.set()
    latencies.sort()
    p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
    return [f"{events} events: p50 {p50 * 1e6:.0f} us, p99 {p99 * 1e6:.0f} us, p99/p50 {p99 / p50:.1f}"]


async def _type(url: str, port: _Clocked, events: int) -> list[float]:
    async with trio.open_nursery() as nursery:
        socket = await connect_websocket_url(
            nursery,
            url.replace("http", "ws", 1).rstrip("/") + "/api/ws?stream=0",
            extra_headers=HEADER_PAIRS,
        )

        async def read() -> None:
            while True:
                await socket.get_message()

        nursery.start_soon(read)
        await trio.sleep(1)
        port.arrived.clear()
        sent = []
        for number in range(events):
            sent.append(time.perf_counter())
            await socket.send_message(b"\x01" + bytes([number % 2 == 0]) + b"KeyA")
            await trio.sleep(PAUSE_S)
        await trio.sleep(1)
        arrived = list(port.arrived)
        nursery.cancel_scope.cancel()
    assert len(arrived) == events, f"expected {events} reports, got {len(arrived)}"
    return [there - here for here, there in zip(sent, arrived, strict=True)]


def run(events: int) -> list[str]:
    """Return a line with the percentiles."""
    return trio.run(_measure, events)
