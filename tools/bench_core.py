"""Measures the appliance on the emulated board and prints everything in one run.

Ratios are what to look at: absolute figures belong to the machine. docs/performance.md has the method.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable

from tools import bench_fanout, bench_jpeg, bench_key_latency, bench_requests
from tools.bench_appliance import bench_appliance

STARTS = 3
IDLE_S = 10
REQUESTS = 1500
KEY_EVENTS = 2000
FANOUT_S = 6
STALLED_S = 20


def _section(title: str, lines: Iterable[str]) -> None:
    print(title)
    for line in lines:
        print(f"  {line}", flush=True)


def _start_up() -> list[str]:
    starts = []
    for _ in range(STARTS):
        with bench_appliance() as appliance:
            starts.append(appliance.started_in_s)
    return [f"median of {STARTS}: {statistics.median(starts):.2f} s"]


def main() -> None:
    """Print everything."""
    _section("Start-up to the first answer", _start_up())
    with bench_appliance() as appliance:
        time.sleep(1)
        cpu = appliance.cpu_s()
        time.sleep(IDLE_S)
        idle = (appliance.cpu_s() - cpu) / IDLE_S
        _section(
            "At rest, nobody connected",
            [f"{idle * 100:.2f} % CPU, {appliance.resident_mib():.1f} MiB resident"],
        )
        _section("/api/auth/check", bench_requests.run(appliance, REQUESTS))
        _section("MJPEG, 1280x720 changing all the time", bench_fanout.run(appliance, FANOUT_S, STALLED_S))
    _section("WebSocket key event to HID report", bench_key_latency.run(KEY_EVENTS))
    _section("JPEG encoding", bench_jpeg.run())


if __name__ == "__main__":
    main()
