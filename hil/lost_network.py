"""Holds a key and loses the network: run in a network of its own by `test_lost_network.py`.

Prints what was held before and after, and for how long the key was still down.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import trio
from hid_trace import HidTrace
from trio_websocket import open_websocket

from tools.bench_appliance import HEADER_PAIRS, BenchAppliance, bench_appliance

DEADLINE_S = 60


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must happen."""
    with trio.fail_after(DEADLINE_S):
        while not condition():
            await trio.sleep(0.05)


async def hold_and_lose(appliance: BenchAppliance, trace: HidTrace) -> None:
    """Press a key and a button, take the network away, and wait until both are released."""
    async with open_websocket(
        appliance.host, appliance.port, "/api/ws", use_ssl=False, extra_headers=HEADER_PAIRS
    ) as socket:
        await socket.send_message(b"\x01\x01KeyA")
        await socket.send_message(b"\x02\x01left")
        await until(lambda: trace.held_keys() == {"KeyA"} and trace.held_buttons() == 1)
        # A script that sleeps, which is no reason to let go.
        await trio.sleep(4)
        print("held", trace.held_keys(), trace.held_buttons())
        await trio.run_process(["ip", "link", "set", "lo", "down"])
        lost = trio.current_time()
        await until(lambda: not trace.held_keys() and not trace.held_buttons())
        print(f"released after {trio.current_time() - lost:.1f} s")
        await trio.run_process(["ip", "link", "set", "lo", "up"])


def main() -> None:
    """Make a network, run an appliance in it, and lose it."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "trace"
        with bench_appliance(f"farhand: {{emulated: {{hid_trace: {path}}}}}") as appliance:
            trio.run(hold_and_lose, appliance, HidTrace(path))


if __name__ == "__main__":
    main()
