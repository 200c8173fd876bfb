"""A program that runs on "on"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

import trio

from drivers.channels.commands import exit_status
from drivers.channels.noop import NoopDriver
from drivers.errors import DriverError


class CmdDriver(NoopDriver):
    """Implements `drivers.ports.ChannelDriver`; every pin runs *argv*, and reads false."""

    def __init__(self, argv: Sequence[str]) -> None:
        super().__init__()
        self._argv = tuple(argv)

    @override
    async def write(self, pin: str, level: bool) -> None:
        """Run the program if *level* is on. Raises DriverError if it fails or does not end with 0."""
        if not level:
            await trio.lowlevel.checkpoint()
            return
        status = await exit_status(self._argv)
        if status != 0:
            raise DriverError(f"expected {self._argv[0]} to end with 0, got {status}")
