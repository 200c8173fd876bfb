"""An appliance's watchdog task as a process of its own: arms the watchdog of its argument, and waits."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from drivers.system.hardware_watchdog import open_watchdog


async def main() -> None:
    """Say "armed" once it is."""
    async with open_watchdog(Path(sys.argv[1]), timeout_s=600) as watchdog:
        await watchdog.feed()
        print("armed", flush=True)
        await trio.sleep_forever()


trio.run(main)
