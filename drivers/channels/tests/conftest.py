"""What every driver of channels is tested with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
from peers.serial_line import Pty

from drivers.ports import ChannelDriver


@pytest.fixture
def running() -> Callable[[ChannelDriver], AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]]:
    """Run a driver for the length of a block, which gets the news of its changes."""

    @asynccontextmanager
    async def run(driver: ChannelDriver) -> AsyncIterator[trio.MemoryReceiveChannel[None]]:
        async with driver.changes() as changes, trio.open_nursery() as nursery:
            with trio.fail_after(60):
                await nursery.start(driver.run)
            yield changes
            nursery.cancel_scope.cancel()

    return run


@pytest.fixture
def pty() -> Generator[Pty]:
    """A pty, unplugged at the end."""
    made = Pty()
    yield made
    made.unplug()
