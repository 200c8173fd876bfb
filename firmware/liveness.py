"""Signs of life of our own code, as checks for the watchdog feeder.

Only what is stuck by our fault fails here. A task that is backing off, failed or starting has a device to
wait for, and that is no reason to restart the appliance.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import trio

from firmware.core.heartbeat import Heartbeat
from firmware.core.supervise import Supervisor, TaskPhase


class StuckError(Exception):
    """Some code of ours does not go on; the message names it."""


def heartbeats_check(
    supervisor: Supervisor, heartbeats: Mapping[str, Heartbeat]
) -> Callable[[], Awaitable[None]]:
    """Return the check of the supervised tasks in *heartbeats*, by their names.

    It raises StuckError for those that are online and have not beaten for their `max_age_s`. The age is
    counted from when this check first saw the present attempt online, if there was no beat since.
    """
    online_since: dict[str, tuple[int, float]] = {}

    async def check() -> None:
        await trio.lowlevel.checkpoint()
        now_s = trio.current_time()
        stuck = []
        for name, heartbeat in heartbeats.items():
            state = supervisor.tasks.value.get(name)
            if state is None or state.phase is not TaskPhase.ONLINE:
                online_since.pop(name, None)
                continue
            if online_since.get(name, (0, 0.0))[0] != state.starts:
                online_since[name] = (state.starts, now_s)
            since_s = online_since[name][1]
            age_s = now_s - max(since_s, heartbeat.last_s if heartbeat.last_s is not None else since_s)
            if age_s > heartbeat.max_age_s:
                stuck.append(f"{name} for {age_s:.0f} s")
        if stuck:
            raise StuckError(f"expected signs of life, got none of {', '.join(stuck)}")

    return check


async def threads_check() -> None:
    """Prove that there is a thread for those who need one; without, nobody can log in any more.

    Drivers have threads of their own, so that a device that hangs does not fail this. Give it a deadline.
    """
    await trio.to_thread.run_sync(_nothing)


def _nothing() -> None:
    pass
