"""Measures what mass storage costs: transfers over loopback against `dd` on the same disk, and their memory.

Run by `./justw bench-msd`; ARGS such as `--size-mib 512 --rounds 1`. Ratios are what to look at: the disk is
the machine's. docs/performance.md has the method.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tools.bench_appliance import CREDENTIALS, BenchAppliance, bench_appliance
from tools.bench_msd_ways import ANSWER_DEADLINE_S, remote_download, resumable_upload, upload

# What `kvmd/msd/sync_chunk_size` says: as often as that, both sides put on the disk what they have.
SYNC_MIB = 4
SAMPLE_S = 0.05
IDLE_S = 2.0


@dataclass
class Transfer:
    """One transfer into the storage."""

    seconds: float
    cpu_s: float
    above_idle_mib: float


def dd(target: Path, size_mib: int) -> float:
    """Write zeros to *target* with dd, on the disk every 4 MiB; return the seconds that it took."""
    began = time.monotonic()
    subprocess.run(
        [
            *("dd", "if=/dev/zero", f"of={target}", f"bs={SYNC_MIB}M", f"count={size_mib // SYNC_MIB}"),
            *("oflag=dsync", "conv=fsync", "status=none"),
        ],
        check=True,
    )
    seconds = time.monotonic() - began
    target.unlink()
    return seconds


@contextmanager
def peak_memory(appliance: BenchAppliance) -> Iterator[Callable[[], float]]:
    """Watch the resident memory during the body; the result tells the highest so far, in MiB."""
    peak = appliance.resident_mib()
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(SAMPLE_S):
            peak = max(peak, appliance.resident_mib())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: peak
    finally:
        ended.set()
        thread.join()


def measured(appliance: BenchAppliance, transfer: Callable[[], None]) -> Transfer:
    """Do *transfer* and say what it cost the appliance."""
    idle_mib, cpu_s, began = appliance.resident_mib(), appliance.cpu_s(), time.monotonic()
    with peak_memory(appliance) as peak_mib:
        transfer()
    seconds = time.monotonic() - began
    return Transfer(seconds, appliance.cpu_s() - cpu_s, peak_mib() - idle_mib)


def wait_online(client: httpx.Client) -> None:
    """Wait until the storage can be used."""
    while not client.get("/api/msd").json()["result"]["online"]:
        time.sleep(SAMPLE_S)


def summary(name: str, rounds: list[tuple[float, Transfer]], size_mib: int) -> Iterator[str]:
    """Say what came out; each round is what dd took, and the transfer right after it."""
    rates = " ".join(f"{size_mib / took:.0f}/{size_mib / one.seconds:.0f}" for took, one in rounds)
    yield f"{name}, {size_mib} MiB, MiB/s of dd / of ours, by round: {rates}"
    yield f"  ratio to dd, median: {statistics.median(took / one.seconds for took, one in rounds):.2f}"
    cpu_s = statistics.median(one.cpu_s for _, one in rounds)
    yield f"  CPU of the appliance: {cpu_s * 1024 / size_mib:.2f} s per GiB"
    yield f"  memory above idle, highest: {max(one.above_idle_mib for _, one in rounds):.1f} MiB"


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=4096, help="size of each transfer (default: 4096)")
    parser.add_argument("--rounds", type=int, default=3, help="of dd and transfer in turns (default: 3)")
    options = parser.parse_args()
    size_mib = options.size_mib // SYNC_MIB * SYNC_MIB
    with (
        bench_appliance() as appliance,
        httpx.Client(
            base_url=f"http://{appliance.host}:{appliance.port}",
            headers=CREDENTIALS,
            timeout=ANSWER_DEADLINE_S,
        ) as client,
    ):
        wait_online(client)
        images = appliance.directory / "state" / "images"
        time.sleep(IDLE_S)
        # Each kind of transfer has a line here.
        for name, transfer in (
            ("upload", upload),
            ("remote download", remote_download),
            ("upload in parts", resumable_upload),
        ):
            rounds = []
            for _ in range(options.rounds):
                os.sync()
                took = dd(images / ".dd", size_mib)
                os.sync()
                one = measured(appliance, lambda: transfer(appliance, "bench.img", size_mib))  # noqa: B023
                rounds.append((took, one))
                client.post("/api/msd/remove?image=bench.img").raise_for_status()
            for line in summary(name, rounds, size_mib):
                print(line, flush=True)


if __name__ == "__main__":
    main()
