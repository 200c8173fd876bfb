"""The emulated KVM switch: a chain of units behind a pty, which the real serial driver opens.

Owns the pty; it is there while the first unit is, and another one each time. Needs no hardware.
"""

from __future__ import annotations

import os
import tty
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio

from drivers.emulated.switch_chain import EmulatedSwitchChain
from drivers.errors import DeviceGoneError
from drivers.ports import SwitchSession
from drivers.switch.serial_line import SerialSwitch


class EmulatedSwitch:
    """A `SwitchLink` to *chain*; works while `run` runs."""

    def __init__(self, chain: EmulatedSwitchChain) -> None:
        self.chain = chain
        self._news = trio.Event()
        self._path: str | None = None

    @property
    def name(self) -> str:
        """Its pty, while it is plugged in."""
        return self._path or "the emulated switch"

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[SwitchSession]:
        """Hold the line; see `SwitchLink.open`."""
        await trio.lowlevel.checkpoint()
        if self._path is None:
            raise DeviceGoneError("the emulated switch is not plugged in")
        async with SerialSwitch(self._path).open() as session:
            yield session

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the units until cancelled."""
        self.chain.on_change(self._wake)
        while True:
            if self.chain.present:
                with self._plugged_in() as master:
                    async with trio.lowlevel.FdStream(master) as stream:
                        task_status.started()
                        task_status = trio.TASK_STATUS_IGNORED
                        await self.play(stream)
            else:
                await self._next_thing()
                self.chain.advance(trio.current_time())

    async def play(self, stream: trio.abc.Stream) -> None:
        """Play the units at one end of *stream* until the first one is gone."""
        self.chain.on_change(self._wake)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, stream)
            while self.chain.present:
                self.chain.advance(trio.current_time())
                out = self.chain.take_output()
                if out:
                    await stream.send_all(out)
                else:
                    await self._next_thing()
            nursery.cancel_scope.cancel()

    async def _hear(self, stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some():
            self.chain.feed(bytes(data), trio.current_time())
            self._wake()

    async def _next_thing(self) -> None:
        with trio.move_on_at(self.chain.next_time()):
            await self._news.wait()
        self._news = trio.Event()

    def _wake(self) -> None:
        self._news.set()

    @contextmanager
    def _plugged_in(self) -> Iterator[int]:
        """Make a pty and yield the units' end, which whoever uses it closes."""
        master, line = os.openpty()
        # Our own handle on the driver's end keeps ours readable while nobody has it open.
        try:
            tty.setraw(line)
            self._path = os.ttyname(line)
            yield master
        finally:
            self._path = None
            os.close(line)
