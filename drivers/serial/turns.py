"""Taking turns at a device that holds one conversation: any task asks, one task talks.

A caller that is cancelled in the middle leaves no half-read reply behind for the next one, because the
conversation goes on without it. Never knows what is talked about.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import trio

from drivers.errors import DeviceGoneError, DriverError, HostNotReadyError, NotSupportedError

_HARMLESS = (HostNotReadyError, NotSupportedError)
"""What a job may end with while the conversation goes on; any other fault ends it."""


class _Turn:
    """One job and what became of it."""

    def __init__(self, job: Callable[[], Awaitable[None]]) -> None:
        self.job = job
        self.done = trio.Event()
        self.error: Exception | None = None


class Turns:
    """Runs jobs one after the other in the task that serves them, in the order in which they were asked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: trio.MemorySendChannel[_Turn] | None = None

    async def ask(self, job: Callable[[], Awaitable[None]]) -> None:
        """Have *job* done by the serving task and wait for it; its DriverError is raised here.

        Raises DeviceGoneError while nobody serves. Once begun, a job is finished even if the caller is
        cancelled.
        """
        if self._queue is None:
            raise self._not_running()
        turn = _Turn(job)
        try:
            await self._queue.send(turn)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._not_running() from None
        await turn.done.wait()
        if turn.error is not None:
            raise turn.error

    def _not_running(self) -> DeviceGoneError:
        return DeviceGoneError(f"{self._name} is not there at the moment")

    async def serve(self, idle: Callable[[], Awaitable[float]]) -> None:
        """Do the jobs until cancelled or until one meets a fault, which is then raised here too.

        *idle* is called at once and then each time the seconds that it returned are over.
        """
        # Bound 0: callers wait at the door, each with the one job that it waits for anyway.
        send, receive = trio.open_memory_channel[_Turn](0)
        self._queue = send
        try:
            with send, receive:
                next_idle = -math.inf
                while True:
                    # Also if jobs never cease.
                    if trio.current_time() >= next_idle:
                        next_idle = trio.current_time() + await idle()
                    turn: _Turn | None = None
                    with trio.move_on_at(next_idle):
                        turn = await receive.receive()
                    if turn is not None:
                        await self._do(turn)
        finally:
            self._queue = None

    async def _do(self, turn: _Turn) -> None:
        try:
            await turn.job()
        except _HARMLESS as exc:
            turn.error = exc
        except DriverError as exc:
            turn.error = type(exc)(*exc.args)
            raise
        except BaseException:
            turn.error = self._not_running()
            raise
        finally:
            turn.done.set()
