"""Writes the metrics of a live appliance on the emulated board, which was used a little, into a file."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx
import trio

from api.server import open_listeners
from firmware import main as composition
from firmware.appliance import run_tree
from firmware.core.lock import state_directory

CREDENTIALS = {"X-KVMD-User": "admin", "X-KVMD-Passwd": "admin"}
CHANNELS = "kvmd: {gpio: {scheme: {lamp: {pin: 4, mode: output}, sensor: {pin: 5, mode: input}}}}\n"


async def _main() -> str:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "override.yaml").write_text(CHANNELS)
        options = composition.Options(Path(directory), board="emulated", http="127.0.0.1:0", https="")
        with state_directory(Path(directory) / "state") as state:
            loaded, name = composition.configuration(options)
            board = composition.open_board(options, loaded, name)
            appliance = await composition.compose(options, loaded, board, state)
            async with trio.open_nursery() as nursery:
                stop = trio.Event()
                listeners = await open_listeners(appliance.server_config)
                (url, *_) = await nursery.start(run_tree, appliance, listeners, stop)
                async with httpx.AsyncClient(base_url=url, headers=CREDENTIALS, timeout=30) as client:
                    with appliance.streamer.held_running():
                        await appliance.streamer.frames.wait_newer(appliance.streamer.frames.version)
                        (await client.post("/api/hid/print", content="Hello")).raise_for_status()
                        answer = await client.get("/api/export/prometheus/metrics")
                answer.raise_for_status()
                stop.set()
    return answer.text


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(trio.run(_main))
