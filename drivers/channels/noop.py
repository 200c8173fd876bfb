"""Channels that do nothing and read false, for trying a menu out."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import trio

from drivers.fanout import Fanout


class NoopDriver:
    """Implements `drivers.ports.ChannelDriver`; a base of those that are not held and cannot be read."""

    def __init__(self) -> None:
        # Bound 1: it only says that there is something to read, which is never.
        self._changes = Fanout[None](1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do nothing until cancelled."""
        task_status.started()
        await trio.sleep_forever()

    async def read(self, pin: str) -> bool:  # noqa: ARG002 - the port's signature
        """Return False."""
        await trio.lowlevel.checkpoint()
        return False

    async def write(self, pin: str, level: bool) -> None:  # noqa: ARG002 - the port's signature
        """Do nothing."""
        await trio.lowlevel.checkpoint()

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """See `ChannelDriver.changes`."""
        return self._changes.listen()
