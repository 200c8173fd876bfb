"""Loads a live appliance on the emulated board in rounds and fails if something grows or breaks.

After each round it is left alone until it is at rest, and asked what it has in use.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

import httpx
import trio

from tools.bench_appliance import CREDENTIALS, BenchAppliance, bench_appliance
from tools.soak.load import Load
from tools.soak.verdict import LEAST_ROUNDS, Use, leaks

ROUND_S = 12.0
REST_DEADLINE_S = 60
STEP_S = 0.5
STILL_STEPS = 8
"""It is at rest when so many looks in a row see the same number of tasks and files."""
CONFIGURATION = """
farhand: {watchdog: {stall: 30}}
kvmd:
    auth: {expire: 5}
    streamer: {shutdown_delay: 1}
"""
"""What is left behind is forgotten soon, so that it does not count as in use."""


async def at_rest(appliance: BenchAppliance) -> Use:
    """Wait until nothing goes on any more, and return what is in use then. Raises TimeoutError."""
    url = f"http://{appliance.host}:{appliance.port}/api/supervisor"
    seen: list[tuple[int, int]] = []
    for _ in range(int(REST_DEADLINE_S / STEP_S)):
        await trio.sleep(STEP_S)
        async with httpx.AsyncClient(headers=CREDENTIALS, timeout=REST_DEADLINE_S) as http:
            result = (await http.get(url)).raise_for_status().json()["result"]
        use: Use = result["statistics"]["process"]
        seen.append((use["trio_tasks"], use["open_files"]))
        if len(seen) >= STILL_STEPS and len(set(seen[-STILL_STEPS:])) == 1:
            return use
    raise TimeoutError(f"expected it to come to rest within {REST_DEADLINE_S} s, saw {seen[-8:]}")


async def soak(appliance: BenchAppliance, minutes: float, seed: int) -> list[Use]:
    """Load it for so long; return what it had in use after each round."""
    rng = random.Random(seed)
    done: Counter[str] = Counter()
    rounds: list[Use] = []
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end or len(rounds) <= LEAST_ROUNDS:
        await Load(appliance, rng, done).run(ROUND_S)
        use = await at_rest(appliance)
        rounds.append(use)
        print(
            f"round {len(rounds):>4}: " + ", ".join(f"{name} {count}" for name, count in use.items()),
            flush=True,
        )
    print("done: " + ", ".join(f"{count} {name}" for name, count in sorted(done.items())))
    # The first round makes what is made once.
    return rounds[1:]


def main() -> None:
    """Read the arguments, soak, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    arguments = parser.parse_args()
    print(f"--seed {arguments.seed}")
    with bench_appliance(CONFIGURATION) as appliance:
        rounds = trio.run(soak, appliance, arguments.minutes, arguments.seed)
    if found := leaks(rounds):
        sys.exit("it leaks:\n" + "\n".join(found))
    print(f"nothing grew in {len(rounds)} rounds")


if __name__ == "__main__":
    main()
