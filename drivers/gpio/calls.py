"""Where the ioctls of a line run: in the event loop, or in a thread for chips behind a slow bus.

An ioctl on a chip of the SoC is a register access, measured in microseconds, and a hop to a thread costs more
than that and blurs the end of a pulse; on an expander behind I2C or USB it is a transfer, which takes
milliseconds and seconds when the bus hangs. The kernel knows which is which (`can_sleep`) and does not tell
user space, so the board says it. Must never let two calls of one line overtake each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import trio

from drivers.errors import DeviceTimeoutError

CALL_DEADLINE_S: Final = 2.0
"""A transfer to an expander takes milliseconds; I2C adapters give up by themselves after about a second."""

FINISH_DEADLINE_S: Final = 3.0
"""A release waits for the call before it, which may have to time out on its bus."""


_LOOK: Final = "look at its bus and the kernel log"


class LineCalls(Protocol):
    """Runs the blocking calls of one line, one after the other."""

    async def call[T](self, function: Callable[[], T]) -> T:
        """Return what *function* returns; DeviceTimeoutError if that takes too long."""
        ...

    async def take[T](self, function: Callable[[], T]) -> T:
        """Like `call`, for a function whose result has to be released: it is never left behind."""
        ...

    async def finish(self, function: Callable[[], None]) -> None:
        """Like `call`, for cleaning up: a cancellation does not stop it."""
        ...


class DirectCalls:
    """Calls in the event loop, for chips of the SoC. The first one is made before anything else can run."""

    async def call[T](self, function: Callable[[], T]) -> T:
        """Make the call; a checkpoint."""
        await trio.lowlevel.checkpoint_if_cancelled()
        result = function()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return result

    async def take[T](self, function: Callable[[], T]) -> T:
        """Make the call; a checkpoint."""
        return await self.call(function)

    async def finish(self, function: Callable[[], None]) -> None:
        """Make the call at once; not a checkpoint."""
        function()


class ThreadCalls:
    """Calls in a thread, for chips behind a slow bus. Each line has its own, to wait for nobody else."""

    def __init__(self) -> None:
        # One at a time, abandoned ones included: a release never overtakes the press that hangs before it.
        self._limiter = trio.CapacityLimiter(1)

    async def call[T](self, function: Callable[[], T]) -> T:
        """Make the call within `CALL_DEADLINE_S`."""
        try:
            with trio.fail_after(CALL_DEADLINE_S):
                # Abandoning is safe: whatever is called next waits for its end.
                return await trio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=self._limiter)
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"expected the chip to answer within {CALL_DEADLINE_S} s, got nothing - {_LOOK}"
            ) from None

    async def take[T](self, function: Callable[[], T]) -> T:
        """Make the call, as long as it takes: the kernel's drivers give up by themselves."""
        return await trio.to_thread.run_sync(function, limiter=self._limiter)

    async def finish(self, function: Callable[[], None]) -> None:
        """Make the call within `FINISH_DEADLINE_S`."""
        try:
            # Shielded, or the line would stay as it is; short, and the deadline bounds it.
            with trio.fail_after(FINISH_DEADLINE_S, shield=True):
                await trio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=self._limiter)
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"expected the chip to answer within {FINISH_DEADLINE_S} s, got nothing - {_LOOK}"
            ) from None
