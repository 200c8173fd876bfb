"""A line that blinks while its channel is on, so that the appliance can be found in a rack."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

import trio

from drivers.channels.lines import LinesDriver
from drivers.errors import DriverError
from drivers.gpio.line import LineSource
from drivers.ports import ChannelOutput

BLINK_S: Final = 0.1
"""How long it is on, and off (contract subsystems.md 6.3)."""


class LocatorDriver:
    """Implements `drivers.ports.ChannelDriver`; a pin reads as what it was told, not as its light is."""

    def __init__(self, chip: LineSource, outputs: Sequence[ChannelOutput]) -> None:
        self._lines = LinesDriver(chip, (), [ChannelOutput(one.pin, initial=False) for one in outputs])
        self._on = {one.pin: bool(one.initial) for one in outputs}
        self._changed = trio.lowlevel.ParkingLot()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the lines and blink until cancelled, which leaves them dark. Raises DriverError."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._lines.run)
            nursery.start_soon(self._blink)
            task_status.started()

    async def read(self, pin: str) -> bool:
        """Return whether *pin* blinks. Raises DriverError if its line is not held."""
        await self._lines.read(pin)
        return self._on[pin]

    async def write(self, pin: str, level: bool) -> None:
        """Let *pin* blink, or not. Raises DriverError."""
        self._on[pin] = level
        self._changed.unpark_all()
        await self._lines.write(pin, level)

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """See `ChannelDriver.changes`."""
        return self._lines.changes()

    async def _blink(self) -> None:
        lit = False
        while True:
            if not any(self._on.values()):
                await self._changed.park()
            lit = not lit
            for pin, on in self._on.items():
                if on:
                    # One that is not held is told by `read`, and blinks again when it is.
                    with suppress(DriverError):
                        await self._lines.write(pin, lit)
            await trio.sleep(BLINK_S)
