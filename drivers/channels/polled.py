"""Devices that are asked for the levels of all their pins from time to time, and told one pin at a time.

Responsible for the polling, for initial levels, and for one exchange at a time. It knows no device: what to
ask and to tell is its subclasses' part.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

import trio

from drivers.channels.connections import one_fault
from drivers.errors import DeviceGoneError, NotSupportedError
from drivers.fanout import Fanout
from drivers.ports import ChannelOutput
from drivers.serial.turns import Turns

logger = logging.getLogger(__name__)


class PolledDriver(ABC):
    """Implements `drivers.ports.ChannelDriver` over `_fetch` and `_drive`.

    The initial levels of *outputs* are set when the device is first reached, and never again: a device that
    was away for a moment is not switched by its return.
    """

    def __init__(self, name: str, outputs: Sequence[ChannelOutput], *, poll_s: float) -> None:
        self._name = name
        self._poll_s = poll_s
        self._initial = {output.pin: output.initial for output in outputs if output.initial is not None}
        self._turns = Turns(name)
        # Bound 1: it only says that there is something to read.
        self._changes = Fanout[None](1)
        self._levels: Mapping[str, bool] = {}
        self._here = False

    @abstractmethod
    async def _fetch(self) -> Mapping[str, bool]:
        """Return the levels of all pins that the device has. Raises DriverError."""

    @abstractmethod
    async def _drive(self, pin: str, level: bool) -> None:
        """Drive *pin*. Raises NotSupportedError if the device refuses, other DriverErrors if it fails."""

    def _opened(self) -> AbstractAsyncContextManager[None]:
        """What is held while the driver runs."""
        return nullcontext()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask the device until cancelled; started once it has answered. Raises DriverError."""
        with one_fault():
            async with self._opened():
                await self._refresh()
                await self._begin()
                self._here = True
                try:
                    task_status.started()
                    await self._turns.serve(self._poll)
                finally:
                    self._here = False

    async def read(self, pin: str) -> bool:
        """Return the level of *pin* as of the last poll. Raises DeviceGoneError without a device."""
        await trio.lowlevel.checkpoint()
        if not self._here:
            raise DeviceGoneError(f"{self._name} is not there at the moment")
        return self._levels.get(pin, False)

    async def write(self, pin: str, level: bool) -> None:
        """Drive *pin*; return when the device has done it. Raises DriverError."""
        await self._turns.ask(partial(self._set, pin, level))

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """See `ChannelDriver.changes`."""
        return self._changes.listen()

    async def _begin(self) -> None:
        for pin, level in list(self._initial.items()):
            try:
                await self._set(pin, level)
            except NotSupportedError as exc:
                logger.warning("%s", exc)
            del self._initial[pin]

    async def _set(self, pin: str, level: bool) -> None:
        await self._drive(pin, level)
        await self._refresh()

    async def _poll(self) -> float:
        if not math.isinf(self._poll_s):
            await self._refresh()
        return self._poll_s

    async def _refresh(self) -> None:
        levels = await self._fetch()
        if levels != self._levels:
            self._levels = levels
            self._changes.publish(None)
