"""Measures the video pipeline and prints everything in one run: encoding, clients, memory, the reference.

Run by `./justw bench-video`. Ratios are what to look at: absolute figures belong to the machine.
docs/performance.md has the method.
"""

from __future__ import annotations

import argparse
import http.client
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from peers.mjpeg_client import MjpegClient, NoStreamError, latencies, quantile_ms

from tools import bench_h264, bench_jpeg, bench_mode_change
from tools.bench_appliance import CREDENTIALS, BenchAppliance, bench_appliance

STREAM: Final = "/streamer/stream?extra_headers=1"
SIZES: Final = ("1280x720", "1920x1080")
CLIENTS: Final = (1, 4, 16)
SETTLE_S: Final = 2.0
START_DEADLINE_S: Final = 30.0
# With its answers more than the screen has.
LINE_COLUMNS: Final = 130
LINES: Final = 30
TYPING_DEADLINE_S: Final = 60.0
MEMORY_INTERVAL_S: Final = 5.0
# Not what a client has in flight, but what the kernel keeps for one that does not read.
STALLED_BUFFER_BYTES: Final = 4096
# The emulated board draws, moves and stamps each picture in the same process: part of what is measured.
_CONFIG: Final = """
kvmd:
    streamer:
        forever: true
        desired_fps: {{default: 30}}
        resolution: {{default: {size}, available: [1920x1080, 1280x720]}}
farhand:
    emulated: {{time_stripe: true, motion: {motion}}}
"""


def _section(title: str, lines: Iterable[str]) -> None:
    print(title)
    for line in lines:
        print(f"  {line}", flush=True)


@contextmanager
def _streaming(size: str, *, motion: bool = True) -> Iterator[BenchAppliance]:
    """Run an appliance that captures all the time."""
    with bench_appliance(_CONFIG.format(size=size, motion=str(motion).lower())) as appliance:
        end = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                _client(appliance).close()
                break
            except NoStreamError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        _fill(appliance)
        yield appliance


def _fill(appliance: BenchAppliance) -> None:
    """Type until the screen is full of text."""
    rng = random.Random(7)
    line = "".join(rng.choices("etaoinshrdlucmfwyp    ", k=LINE_COLUMNS)).strip()
    text = "\n".join(line[number:] + line[:number] for number in range(LINES)) + "\n"
    connection = http.client.HTTPConnection(appliance.host, appliance.port, timeout=TYPING_DEADLINE_S)
    connection.request("POST", "/api/hid/print?limit=0", text, CREDENTIALS)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"expected the text to be typed, got {answer.status}: {body[:200]!r}")


def _client(appliance: BenchAppliance, *, keep_heads: bool = False) -> MjpegClient:
    return MjpegClient(appliance.host, appliance.port, STREAM, CREDENTIALS, keep_heads)


@contextmanager
def _stalled(appliance: BenchAppliance) -> Iterator[None]:
    """Keep a client that reads nothing."""
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER_BYTES)
        plain.connect((appliance.host, appliance.port))
        headers = "".join(f"{name}: {value}\r\n" for name, value in CREDENTIALS.items())
        plain.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n".encode())
        yield


def _watch(appliance: BenchAppliance, clients: int, seconds: float) -> str:
    """Say what *clients* get, and what it costs."""
    watching = [_client(appliance, keep_heads=not number) for number in range(clients)]
    time.sleep(SETTLE_S)
    before, cpu_s = [len(client.parts) for client in watching], appliance.cpu_s()
    memory, began = [appliance.resident_mib()], time.monotonic()
    while (left_s := began + seconds - time.monotonic()) > 0:
        time.sleep(min(left_s, MEMORY_INTERVAL_S))
        memory.append(appliance.resident_mib())
    took_s, cpu_s = time.monotonic() - began, appliance.cpu_s() - cpu_s
    parts = [client.close()[first:] for client, first in zip(watching, before, strict=True)]
    rates = [len(one) / took_s for one in parts]
    ages_s, unread = latencies(parts[0])
    latency = "  ".join(f"p{share * 100:.0f} {quantile_ms(ages_s, share):.1f}" for share in (0.5, 0.95, 0.99))
    return (
        f"{min(rates):.1f} to {max(rates):.1f} fps each  latency ms {latency} ({unread} unread)  CPU"
        f" {cpu_s / took_s * 100:.1f} %, {cpu_s / max(1, len(parts[0])) * 1000:.2f} ms/frame"
        f"  memory {memory[0]:.1f} MiB, {memory[-1] - memory[0]:+.1f},"
        f" at most {max(memory) - memory[0]:+.1f} in {took_s:.0f} s"
    )


def fan_out(seconds: float) -> Iterator[str]:
    """Yield lines for each size and number of clients."""
    for size in SIZES:
        with _streaming(size) as appliance:
            for clients in CLIENTS:
                yield f"{size}, {clients:>2} clients: {_watch(appliance, clients, seconds)}"
        with _streaming(size, motion=False) as appliance:
            yield f"{size}, only the stripe changes, 1 client: {_watch(appliance, 1, seconds)}"


def stall(seconds: float) -> Iterator[str]:
    """Yield lines for 16 clients without and with one that reads nothing."""
    size = SIZES[0]
    with _streaming(size) as appliance:
        yield f"{size}, 16 clients: {_watch(appliance, 16, seconds)}"
        with _stalled(appliance):
            yield f"{size}, 15 and a stalled one: {_watch(appliance, 15, seconds)}"


def _rig(arguments: list[str]) -> int:
    """Run the comparison inside the rig."""
    command = [sys.executable, "-m", "rig", "exec", "--deadline-s", "3600", "--"]
    return subprocess.run(
        [*command, "python3", "-m", "tools.bench_video_rig", *arguments], check=False
    ).returncode


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="with each number of clients (default: 8)")
    parser.add_argument("--stalled-seconds", type=float, default=60, help="with a stalled one (default: 60)")
    parser.add_argument("--rig", nargs="*", default=[], help="arguments of the comparison in the rig")
    options = parser.parse_args()
    _section("JPEG encoding", bench_jpeg.run())
    _section("H.264 encoding", bench_h264.run())
    _section("MJPEG, all of the picture changes, 30 a second", fan_out(options.seconds))
    _section("A client that reads nothing", stall(options.stalled_seconds))
    _section("A change of the resolution, until each kind of client has it", bench_mode_change.run())
    print("In the rig, against the reference streamer", flush=True)
    sys.exit(_rig(options.rig))


if __name__ == "__main__":
    main()
