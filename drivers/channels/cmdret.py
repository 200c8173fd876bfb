"""A program whose exit status is a level: on if it ends with 0."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import trio

from drivers.channels.commands import exit_status
from drivers.errors import DeviceGoneError, NotSupportedError
from drivers.fanout import Fanout

POLL_S: Final = 1.0
"""From one run's end to the next one's start: quick for a person, and little for a small board."""


class CmdretDriver:
    """Implements `drivers.ports.ChannelDriver`; every pin reads what *argv* said last."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._level: bool | None = None
        # Bound 1: it only says that there is something to read.
        self._changes = Fanout[None](1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the program again and again until cancelled. Raises DriverError if it cannot be run."""
        try:
            while True:
                level = await exit_status(self._argv) == 0
                if self._level is None:
                    task_status.started()
                if level is not self._level:
                    self._level = level
                    self._changes.publish(None)
                await trio.sleep(POLL_S)
        finally:
            self._level = None

    async def read(self, pin: str) -> bool:  # noqa: ARG002 - the port's signature
        """Return what the last run said."""
        await trio.lowlevel.checkpoint()
        if self._level is None:
            raise DeviceGoneError(f"{self._argv[0]} has not been run")
        return self._level

    async def write(self, pin: str, level: bool) -> None:  # noqa: ARG002 - the port's signature
        """Raise NotSupportedError: there are no outputs."""
        await trio.lowlevel.checkpoint()
        raise NotSupportedError(f"{self._argv[0]} is only read")

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """See `ChannelDriver.changes`."""
        return self._changes.listen()
