"""The guard of the event loop: when it stands still, the stacks of all threads are written down.

The watchdog's feeder cannot do that, because it stands still with the loop. The timer is C's own and needs
neither the loop nor the interpreter's lock (docs.python.org, faulthandler.dump_traceback_later).
"""

from __future__ import annotations

import faulthandler
from typing import Final

import trio

BEATS_PER_LIMIT: Final = 6
"""How often the timer is set back within the limit: a loop that is late by less is busy, not hung."""


async def guard_loop(limit_s: float, *, end_process: bool) -> None:
    """Guard the loop until cancelled: after *limit_s* without it, write all stacks to the standard error.

    *end_process*: then end the process as well, at once and with status 1, for somebody who restarts it. What
    it held at the target is released by the next start.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(limit_s, exit=end_process)
            await trio.sleep(limit_s / BEATS_PER_LIMIT)
    finally:
        faulthandler.cancel_dump_traceback_later()
