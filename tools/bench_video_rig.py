"""Measures the video pipeline in the rig against the reference streamer, on the same virtual source.

Runs inside (`python3 -m tools.bench_video_rig`), both servers in turns, never at the same time: the same
source, pixel format, quality and frame rate, and the same client on loopback, plain HTTP. Latency is from the
moment of capture, by the time stripe in the picture, to the picture's last byte at the client. Under an
emulated processor only ratios mean something. docs/performance.md has the method.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peers import block_host, modules, rig_pc, usb_host
from peers.clock_screen import Change
from peers.gpio_sim import GpioSim
from peers.mjpeg_client import MjpegClient, NoStreamError, latencies, quantile_ms

QUALITY: Final = 80
SOURCE_HZ: Final = 30
MODES: Final = {"720p": (1280, 720), "1080p": (1920, 1080)}
PASSWORD: Final = "of the benchmark"
HEADERS: Final = {"X-KVMD-User": "admin", "X-KVMD-Passwd": PASSWORD}
# What both servers can do on an emulated processor without leaving pictures out: there latency is not a
# matter of what is dropped.
SUSTAINED_HZ: Final = {"720p": 5, "1080p": 3}
SETTLE_S: Final = 4.0
# The appliance's start goes on for that long behind its first answer, on an emulated processor.
START_S: Final = 30.0
DEADLINE_S: Final = 120.0
_TICKS_HZ: Final = os.sysconf("SC_CLK_TCK")
# What a board with nothing but video has; everything else of the appliance is there, and idle.
_CONFIG: Final = f"""
kvmd:
    streamer:
        forever: {{captures}}
        quality: {QUALITY}
        desired_fps: {{{{default: {{rate_hz}}}}}}
"""


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    process: subprocess.Popen[str]
    port: int
    path: str
    state_path: str
    """Where its state is, with a `source` that has `captured_fps`."""
    headers: dict[str, str]
    log: Path

    def cpu_s(self) -> float:
        """Processor time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_HZ

    def captured_fps(self) -> float:
        """How many pictures a second it captures."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.state_path}", headers=self.headers
        )
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            result = json.load(answer)["result"]
        return float(result.get("streamer", result)["source"]["captured_fps"])

    def resident_mib(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Result:
    """What one run of one server gave."""

    latencies_s: list[float]
    """Of the frames whose stripe could be read."""
    unread: int
    fps: float
    captured_fps: float
    """As the server counts it: what it does not manage to encode or compare, it does not capture."""
    cpu: float
    """Processor time a second."""
    cpu_per_frame_s: float
    resident_mib: float
    frame_bytes: float


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, text=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE_S)


def _connect(server: Server) -> MjpegClient:
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            return MjpegClient("127.0.0.1", server.port, server.path, server.headers)
        except (OSError, NoStreamError) as exc:
            if time.monotonic() > end or server.process.poll() is not None:
                raise RuntimeError(
                    f"{server.name} does not serve: {exc}\n{server.log.read_text()[-4000:]}"
                ) from exc
            time.sleep(0.2)


@contextmanager
def reference(size: tuple[int, int], rate_hz: int, directory: Path, *, static: bool) -> Iterator[Server]:
    """The reference streamer, as PiKVM starts it where it has no hardware encoder."""
    port = _free_port()
    width, height = size
    command = [
        *("ustreamer", "--device", "/dev/video0", "--host", "127.0.0.1", "--port", str(port)),
        *("--format", "YUYV", "--resolution", f"{width}x{height}", "--dv-timings", "--persistent"),
        *("--encoder", "CPU", "--quality", str(QUALITY), "--desired-fps", str(rate_hz), "--tcp-nodelay"),
        # One of the same pictures a second goes out in any case, as from the appliance.
        *(("--drop-same-frames", str(rate_hz)) if static else ()),
    ]
    log = directory / "reference.log"
    with _process(command, log) as process:
        yield Server("reference", process, port, "/stream?extra_headers=1", "/state", {}, log)


@contextmanager
def appliance(rate_hz: int, directory: Path, *, captures: bool = True) -> Iterator[Server]:
    """The appliance, whole; unless it *captures*, it waits for somebody who wants to see something."""
    port = _free_port()
    config = directory / "config"
    config.mkdir(exist_ok=True)
    (config / "override.yaml").write_text(_CONFIG.format(captures=str(captures).lower(), rate_hz=rate_hz))
    base = [sys.executable, "-m", "firmware.cli"]
    subprocess.run(
        [*base, "passwd", "--config", str(config), "set", "admin", "--stdin"],
        input=f"{PASSWORD}\n", text=True, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    command = [
        *(*base, "run", "--board", "rig", "--http", f"127.0.0.1:{port}", "--https", ""),
        *("--config", str(config), "--state", str(directory / "state"), "--log-level", "warning"),
    ]
    log = directory / "appliance.log"
    with _process(command, log) as process:
        yield Server(
            "farhand", process, port, "/streamer/stream?extra_headers=1", "/api/streamer", HEADERS, log
        )
    shutil.rmtree(directory / "state", ignore_errors=True)


def measure(server: Server, seconds: float) -> Result:
    """Watch *server* with one client."""
    client = _connect(server)
    time.sleep(SETTLE_S)
    first, cpu_s, began = len(client.parts), server.cpu_s(), time.monotonic()
    time.sleep(seconds)
    took_s, cpu_s = time.monotonic() - began, server.cpu_s() - cpu_s
    resident_mib, captured_fps = server.resident_mib(), server.captured_fps()
    parts = client.close()[first:]
    latencies_s, unread = latencies(parts)
    return Result(
        latencies_s,
        unread,
        len(parts) / took_s,
        captured_fps,
        cpu_s / took_s,
        cpu_s / max(1, len(parts)),
        resident_mib,
        statistics.mean(part.size_bytes for part in parts) if parts else 0,
    )


def _mean(values: Iterable[float]) -> float:
    return statistics.mean(values)


def line_of(name: str, results: list[Result]) -> str:
    """One line for all runs of one server."""
    values = sorted(value for result in results for value in result.latencies_s)
    unread = sum(result.unread for result in results)
    latency = "  ".join(
        f"p{share * 100:.0f} {quantile_ms(values, share):6.1f}" for share in (0.5, 0.95, 0.99)
    )
    return (
        f"{name:<10} {_mean(r.captured_fps for r in results):5.1f} fps captured,"
        f" {_mean(r.fps for r in results):5.1f} sent  latency ms {latency}  CPU"
        f" {_mean(r.cpu for r in results) * 100:6.1f} %"
        f" {_mean(r.cpu_per_frame_s for r in results) * 1000:7.1f} ms/frame"
        f"  {_mean(r.frame_bytes for r in results) / 1024:5.0f} KiB"
        f"  {max(r.resident_mib for r in results):5.1f} MiB  ({len(values)} frames, {unread} unread)"
    )


class Screen:
    """The target's screen, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def show(self, change: Change) -> None:
        """Have that change from now on."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{change}\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the screen does not play")


@contextmanager
def screen(size: tuple[int, int]) -> Iterator[Screen]:
    """Plug it in."""
    command = [sys.executable, "-m", "peers.clock_screen", *map(str, (*size, SOURCE_HZ))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        shown = Screen(process)
        shown.show(Change.ALL)
        yield shown
        assert process.stdin is not None
        process.stdin.close()
        process.wait(DEADLINE_S)


@contextmanager
def board() -> Iterator[None]:
    """The rest of the board's hardware, so that no part of the appliance looks for it all the time."""
    with ExitStack() as stack:
        usb_host.load()
        block_host.prepare()
        modules.load("dummy_hcd")
        stack.callback(modules.unload, "dummy_hcd")
        lines = {
            rig_pc.POWER_LED: "power_led",
            rig_pc.HDD_LED: "hdd_led",
            rig_pc.POWER_SWITCH: "power_switch",
            rig_pc.RESET_SWITCH: "reset_switch",
        }
        stack.enter_context(GpioSim("farhand-rig", label=rig_pc.CHIP_LABEL, lines=lines))
        yield


def compare(mode: str, rate_hz: int, rounds: int, seconds: float) -> Iterator[str]:
    """Measure both in turns; yield the lines."""
    size = MODES[mode]
    results: dict[tuple[Change, str], list[Result]] = {}
    with tempfile.TemporaryDirectory() as name, screen(size) as shown:
        directory = Path(name)

        def watch(server: Server, change: Change) -> None:
            shown.show(change)
            results.setdefault((change, server.name), []).append(measure(server, seconds))

        for _ in range(rounds):
            for changes in ((Change.ALL, Change.PART), (Change.NOTHING,)):
                with reference(size, rate_hz, directory, static=Change.NOTHING in changes) as server:
                    for change in changes:
                        watch(server, change)
            with appliance(rate_hz, directory) as server:
                _connect(server).close()
                time.sleep(START_S)
                for change in Change:
                    watch(server, change)
    for change in Change:
        yield f"{mode}, {rate_hz} of {SOURCE_HZ} pictures a second wanted, changes: {change}"
        for name in ("reference", "farhand"):
            yield f"  {line_of(name, results[change, name])}"
        yield f"  {ratios(results[change, 'farhand'], results[change, 'reference'])}"


def at_rest(seconds: float) -> str:
    """Measure the appliance without video: what is in all of its figures."""
    with tempfile.TemporaryDirectory() as name, appliance(SOURCE_HZ, Path(name), captures=False) as server:
        time.sleep(2 * START_S)
        cpu_s = server.cpu_s()
        time.sleep(seconds)
        cpu = (server.cpu_s() - cpu_s) / seconds
        return f"farhand at rest, no video: CPU {cpu * 100:.1f} %, {server.resident_mib():.1f} MiB"


def ratios(ours: list[Result], theirs: list[Result]) -> str:
    """What of the reference's it took."""

    def median_s(results: list[Result]) -> float:
        return quantile_ms(sorted(value for result in results for value in result.latencies_s), 0.5)

    latency = median_s(ours) / median_s(theirs)
    per_frame = _mean(r.cpu_per_frame_s for r in ours) / _mean(r.cpu_per_frame_s for r in theirs)
    captured = _mean(map(_per_captured_s, ours)) / _mean(map(_per_captured_s, theirs))
    total = _mean(r.cpu for r in ours) / _mean(r.cpu for r in theirs)
    return (
        f"ratio      latency p50 {latency:.2f}, CPU per frame sent {per_frame:.2f}, CPU per frame captured"
        f" {captured:.2f}, CPU a second {total:.2f}"
    )


def _per_captured_s(result: Result) -> float:
    return result.cpu / max(result.captured_fps, 0.1)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement (default: 8)")
    parser.add_argument("--rounds", type=int, default=1, help="of both servers in turns (default: 1)")
    parser.add_argument("--modes", nargs="*", choices=MODES, default=list(MODES))
    options = parser.parse_args()
    with board():
        print(at_rest(options.seconds), flush=True)
        for mode in options.modes:
            for rate_hz in (SOURCE_HZ, SUSTAINED_HZ[mode]):
                for line in compare(mode, rate_hz, options.rounds, options.seconds):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
