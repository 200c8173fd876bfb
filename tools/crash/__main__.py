"""Kills an appliance on the emulated board again and again while it is being changed, and looks what is left.

Uploads, EDIDs of the KVM switch, names of its ports, the capture's EDID and API tokens are changed at the
same time until the kill. After the next start everything acknowledged has to be there as it was, and what was
cut off has to be as before, as asked for, or known to be incomplete.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from tools.crash.client import Client, Key
from tools.crash.ledger import Ledger

CONFIGURATION = "farhand: {emulated: {switch_units: 1}}\n"
STOP_DEADLINE_S = 60
LONGEST_LIFE_S = 1.5


@contextmanager
def living(directory: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start an appliance; yield its URL and the process, which is killed at the end if it still lives."""
    command = [
        str(Path(sys.executable).with_name("farhand")),
        *("run", "--board", "emulated", "--http", "127.0.0.1:0", "--https", "", "--log-level", "warning"),
        *("--config", str(directory / "config"), "--state", str(directory / "state")),
    ]
    with (directory / "log").open("a") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        ready = re.search(r"http://\S+", process.stdout.readline())
        if ready is None:
            raise RuntimeError(f"it does not start again:\n{(directory / 'log').read_text()[-2000:]}")
        yield ready[0], process
    finally:
        process.kill()
        process.wait(STOP_DEADLINE_S)
        assert process.stdout is not None
        process.stdout.close()


async def live_and_die(directory: Path, rng: random.Random, ledger: Ledger[Key]) -> tuple[list[str], int]:
    """One cycle; return what was wrong at its start and how many changes it acknowledged."""
    with living(directory) as (url, process):
        client = Client(url, rng, ledger)
        wrong = ledger.compare(await client.found())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.run)
            await trio.sleep(rng.uniform(0, LONGEST_LIFE_S))
            process.send_signal(signal.SIGKILL)
        await client.close()
    return wrong, client.acknowledged


async def run(cycles: int, seed: int, directory: Path) -> list[str]:
    """Run all cycles; return a sentence for everything that was wrong."""
    rng = random.Random(seed)
    ledger: Ledger[Key] = Ledger()
    wrong: list[str] = []
    acknowledged = 0
    start = time.monotonic()
    for cycle in range(1, cycles + 1):
        found, changes = await live_and_die(directory, rng, ledger)
        wrong += [f"cycle {cycle}: {sentence}" for sentence in found]
        acknowledged += changes
        if cycle % 10 == 0 or cycle == cycles:
            rate = (time.monotonic() - start) / cycle
            print(f"{cycle} kills, {acknowledged} changes acknowledged, {rate:.1f} s each", flush=True)
    with living(directory) as (url, _process):
        client = Client(url, rng, ledger)
        wrong += [f"at the end: {sentence}" for sentence in ledger.compare(await client.found())]
        await client.close()
    if not acknowledged:
        wrong.append("no change was acknowledged at all")
    return wrong


def main() -> None:
    """Read the arguments, and fail if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tools.crash", description=__doc__)
    parser.add_argument("cycles", nargs="?", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    arguments = parser.parse_args()
    print(f"--seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="farhand-crash-") as directory:
        (Path(directory) / "config").mkdir()
        (Path(directory) / "config/override.yaml").write_text(CONFIGURATION)
        wrong = trio.run(run, arguments.cycles, arguments.seed, Path(directory))
    if wrong:
        sys.exit("lost or half done:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
