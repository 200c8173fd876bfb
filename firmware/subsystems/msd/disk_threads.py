"""The threads of one transfer: one for its blocking calls, and one to tidy up after a call that hangs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import trio

from firmware.core.errors import OperationError
from firmware.subsystems.msd.errors import MsdOfflineError

logger = logging.getLogger(__name__)

DISK_DEADLINE_S: Final = 60.0
"""For one block and all that was written before it: some seconds on a bad card. After this the disk hangs."""

CLEAN_UP_S: Final = 10.0
"""How long the end of a transfer that broke may wait for the disk; after that the thread finishes it
alone."""


class DiskThreads:
    """Runs the calls of one transfer, one at a time; *what* names it.

    Calls may be given up while they run: they have to hold a lock of their own, so that what tidies up comes
    after.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        # One that works, and one that tidies up after that was given up.
        self._limiter = trio.CapacityLimiter(2)

    async def run[T](self, call: Callable[[], T]) -> T:
        """Return what *call* returns. Raises what it raises, and MsdOfflineError if it hangs."""
        with trio.move_on_after(DISK_DEADLINE_S):
            return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
        raise MsdOfflineError(
            f"expected the disk to answer within {DISK_DEADLINE_S:g} s, got nothing - at {self._what}"
        )

    async def clean_up(self, call: Callable[[], None]) -> None:
        """Run *call* even if the transfer was cancelled; what goes wrong is only logged."""
        # Shielded for as long as a disk that works needs: what is half done must not stay so.
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEAN_UP_S) as scope:
            try:
                await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
            except OperationError as exc:
                logger.warning("%s: %s", self._what, exc)
        if scope.cancelled_caught:
            logger.warning(
                "%s: the disk does not answer; what is left to do is done when it does", self._what
            )
