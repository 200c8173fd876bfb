"""Lines of a GPIO chip as channels: inputs debounced, outputs driven, each line held by itself.

A line that cannot be had (somebody else holds it) is tried again and leaves the others alone; only when no
line is left does `run` end with the error. Must never drive a line that is not configured as an output.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import trio

from drivers.channels.connections import one_fault
from drivers.errors import DriverError, NotSupportedError
from drivers.fanout import Fanout
from drivers.gpio.declarations import InputDeclaration, OutputDeclaration
from drivers.gpio.inputs import GpioInput
from drivers.gpio.line import LineSource
from drivers.gpio.outputs import GpioOutput
from drivers.ports import ChannelInput, ChannelOutput
from drivers.wire.debounce import Debouncer

logger = logging.getLogger(__name__)

RETRY_S: Final = 5.0
"""For a line that somebody else holds: a person frees it, and can wait that long."""
RESYNC_S: Final = 1.0
"""How long an edge that got lost may go unnoticed."""


class LinesDriver:
    """Implements `drivers.ports.ChannelDriver` on lines of *chip*; pins are offsets.

    A pin that is an input and an output is one line, which is driven and read back.
    """

    def __init__(
        self, chip: LineSource, inputs: Sequence[ChannelInput], outputs: Sequence[ChannelOutput]
    ) -> None:
        self._outputs = {
            one.pin: GpioOutput(
                chip, OutputDeclaration(name=f"channel {one.pin}", line=int(one.pin), rest=one.initial)
            )
            for one in outputs
        }
        self._inputs = {
            one.pin: GpioInput(chip, InputDeclaration(name=f"channel {one.pin}", line=int(one.pin)))
            for one in inputs
            if one.pin not in self._outputs
        }
        self._debounce_s = {one.pin: one.debounce_s for one in inputs}
        self._levels: dict[str, bool] = {}
        """Debounced levels of the inputs that are held."""
        self._written: dict[str, bool] = {}
        """For lines that come back: what they were last told."""
        self._failures: dict[str, DriverError] = {}
        # Bound 1: it only says that there is something to read.
        self._changes = Fanout[None](1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the lines until cancelled; `started` once each was tried.

        Raises DriverError when none is left.
        """
        self._failures = {}
        with one_fault():
            await self._keep_all(task_status)

    async def _keep_all(self, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            tried = []
            for pin in (*self._inputs, *self._outputs):
                tried.append(trio.Event())
                nursery.start_soon(self._keep, pin, tried[-1])
            for one in tried:
                await one.wait()
            task_status.started()

    async def read(self, pin: str) -> bool:
        """Return the level of a line; see `ChannelDriver.read`."""
        if pin in self._levels:
            await trio.lowlevel.checkpoint()
            return self._levels[pin]
        return await (self._outputs.get(pin) or self._inputs[pin]).read()

    async def write(self, pin: str, level: bool) -> None:
        """Drive a line; see `ChannelDriver.write`."""
        self._written[pin] = level
        await self._outputs[pin].set(level)

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """See `ChannelDriver.changes`."""
        return self._changes.listen()

    async def _keep(self, pin: str, tried: trio.Event) -> None:
        """Hold one line, again and again. Raises DriverError if no other one is held either."""
        while True:
            try:
                with one_fault():
                    await self._hold(pin, tried)
            except DriverError as exc:
                self._failed(pin, exc)
            tried.set()
            await trio.sleep(RETRY_S)

    def _failed(self, pin: str, error: DriverError) -> None:
        known = self._failures.get(pin)
        self._failures[pin] = error
        self._changes.publish(None)
        if len(self._failures) == len(self._inputs) + len(self._outputs):
            # If trying again may help with one of them, that one.
            curable = (one for one in self._failures.values() if not isinstance(one, NotSupportedError))
            raise next(curable, error)
        if str(known) != str(error):
            logger.warning("%s (tried again every %s s)", error, RETRY_S)

    async def _hold(self, pin: str, tried: trio.Event) -> None:
        try:
            async with trio.open_nursery() as nursery:
                if pin in self._outputs:
                    await self._hold_output(pin, nursery)
                else:
                    await nursery.start(self._inputs[pin].run)
                    nursery.start_soon(self._follow, pin)
                self._failures.pop(pin, None)
                self._changes.publish(None)
                tried.set()
        finally:
            self._levels.pop(pin, None)

    async def _hold_output(self, pin: str, nursery: trio.Nursery) -> None:
        line = self._outputs[pin]
        await nursery.start(line.run)
        if pin in self._written:
            await line.set(self._written[pin])

    async def _follow(self, pin: str) -> None:
        """Keep the debounced level of an input: edges as they come, and a look now and then."""
        line = self._inputs[pin]
        async with line.edges() as edges:
            debouncer = Debouncer(await line.read(), self._debounce_s[pin])
            self._levels[pin] = debouncer.level
            self._changes.publish(None)
            while True:
                wake_at = trio.current_time() + RESYNC_S
                level: bool | None = None
                with trio.move_on_at(min(wake_at, debouncer.deadline or wake_at)):
                    level = (await edges.receive()).level
                if level is None:
                    level = await line.read()
                if debouncer.feed(level, trio.current_time()):
                    self._levels[pin] = debouncer.level
                    self._changes.publish(None)
