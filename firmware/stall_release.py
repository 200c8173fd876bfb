"""Releases what is held at the target while the event loop stands still.

A key that stays down repeats at the target after some half a second, and nobody can let go of it while the
loop hangs. So a thread of its own looks at the loop's beats, and writes by itself that nothing is held. It
needs the interpreter's lock: a call that never gives that back is `firmware.loop_guard`'s, which ends the
process. When the loop goes on, everything counts as released: what was queued is still written, in order, and
what comes from clients afterwards presses keys as ever.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Final, Protocol

import trio

logger = logging.getLogger(__name__)

STALL_S: Final = 0.5
BEATS_PER_STALL: Final = 5


class HeldInput(Protocol):
    """Whoever knows what is held at the target; `HidService` does."""

    def release_from_thread(self) -> list[str]:
        """Release everything at the target, from another thread than the loop's; return where."""
        ...

    def release_after_stall(self) -> None:
        """Count everything as released."""
        ...


class _Watch:
    """The thread's part."""

    def __init__(self, held: HeldInput, stall_s: float) -> None:
        self.ended = threading.Event()
        self.beat_s = time.monotonic()
        """When the loop last went round; the loop's to set."""
        self.released = queue.SimpleQueue[list[str]]()
        """The names of devices of which everything was released; there is no more of them until the loop has
        gone on and pressed something, which bounds it."""
        self._held = held
        self._stall_s = stall_s

    def run(self) -> None:
        """Look until the end; what could not be released is tried again."""
        while not self.ended.wait(self._stall_s / BEATS_PER_STALL):
            stalled = time.monotonic() - self.beat_s > self._stall_s
            if stalled and (names := self._held.release_from_thread()):
                self.released.put(names)


async def release_when_stalled(held: HeldInput, *, stall_s: float = STALL_S) -> None:
    """Until cancelled: when the loop has stood still for *stall_s* seconds, release what is held."""
    watch = _Watch(held, stall_s)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, watch.run)
        try:
            while True:
                stood_still_s = time.monotonic() - watch.beat_s
                watch.beat_s = time.monotonic()
                while not watch.released.empty():
                    held.release_after_stall()
                    logger.warning(
                        "the event loop stood still for %.1f s: all keys and buttons were released at %s",
                        stood_still_s,
                        ", ".join(watch.released.get_nowait()),
                    )
                await trio.sleep(stall_s / BEATS_PER_STALL)
        finally:
            # The thread then ends at once, and the nursery waits for it.
            watch.ended.set()
