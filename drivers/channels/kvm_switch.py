"""KVM switches behind a serial port or a socket: "on" selects a pin's port, which all other pins see.

Responsible for the conversation: one command at a time, a deadline for each answer, repetition, asking from
time to time, and following what the switch reports by itself. Owns the connection, which it gets from its
maker. It knows no protocol (`drivers.wire.kvm_switch`), and never selects a port that nobody asked for.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from drivers.channels.connections import Connect, lost_streams, one_fault
from drivers.errors import DeviceGoneError, DeviceTimeoutError, NotSupportedError
from drivers.fanout import Fanout
from drivers.ports import ChannelOutput
from drivers.serial.turns import Turns
from drivers.wire.kvm_switch import SwitchWire

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 2
"""How often a command is sent: some of these switches miss one that comes while they are busy."""

BEAT_S: Final = 0.5
"""Reports of one port that are this far apart are a habit of the switch, and not two halves of one answer."""

SILENT_BEATS: Final = 5
"""How many deadlines of silence of a switch that used to report show that it is not there any more."""

_RECEIVE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long to wait for the switch."""

    reply_s: float
    """For each answer, and for the kernel to take a command."""
    poll_s: float = math.inf
    """Between questions; a switch that cannot be asked is looked after for as often."""
    settle_s: float = 0.0
    """After a selection, while the switch does not listen."""


class KvmSwitchDriver:
    """Implements `drivers.ports.ChannelDriver`; a pin is a port, counted from 0; the selected one reads on.

    Switching a pin off does nothing. The port of an output whose initial level is on, else *start_port*, is
    selected when the switch is first reached, and never again.
    """

    def __init__(
        self,
        name: str,
        wire: SwitchWire,
        connect: Connect,
        pace: Pace,
        outputs: Sequence[ChannelOutput],
        *,
        start_port: int | None = None,
    ) -> None:
        self._name = name
        self._wire = wire
        self._connect = connect
        self._pace = pace
        # The last one wins: at most one port of a switch is selected.
        wanted = [int(output.pin) for output in outputs if output.initial]
        self._first_port = wanted[-1] if wanted else start_port
        self._reached = False
        self._here = False
        self._stream: trio.abc.Stream | None = None
        self._turns = Turns(name)
        # Bound 1: it only says that there is something to read.
        self._changes = Fanout[None](1)
        self._news = trio.lowlevel.ParkingLot()
        self._port: int | None = None
        self._reports = 0
        self._reported_at = -math.inf
        self._asked_at = -math.inf
        self._beats = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Talk to the switch until cancelled; started once it has answered, where it can be asked.

        Raises DeviceGoneError, DeviceTimeoutError, and what opening the connection raises.
        """
        with one_fault():
            async with self._connect() as stream, trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, stream)
                await self._talk(stream, task_status)

    async def _talk(self, stream: trio.abc.Stream, task_status: trio.TaskStatus[None]) -> None:
        self._reported_at = -math.inf
        self._beats = False
        self._stream = stream
        try:
            await self._begin()
            self._here = True
            task_status.started()
            await self._turns.serve(self._look_after)
        finally:
            self._here = False
            self._stream = None

    async def read(self, pin: str) -> bool:
        """Return whether *pin* is the selected port. Raises DeviceGoneError if the switch is not there."""
        await trio.lowlevel.checkpoint()
        if not self._here:
            raise DeviceGoneError(f"{self._name} is not there at the moment")
        return self._port == int(pin)

    async def write(self, pin: str, level: bool) -> None:
        """Select the port *pin* if *level* is on.

        Raises NotSupportedError if the switch stays at another one, DeviceGoneError, DeviceTimeoutError.
        """
        if level:
            await self._turns.ask(partial(self._select, int(pin)))
        else:
            await self.read(pin)

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """See `ChannelDriver.changes`."""
        return self._changes.listen()

    async def _begin(self) -> None:
        port = None if self._reached else self._first_port
        if port is None and not self._wire.query and self._first_port is not None:
            # One that has to be told where it is: where it was before the connection broke.
            port = self._port
        if port is not None:
            try:
                await self._select(port)
            except NotSupportedError as exc:
                logger.warning("%s", exc)
        elif self._wire.query:
            await self._ask()
        else:
            self._note(None)
        self._reached = True

    async def _look_after(self) -> float:
        if self._wire.query:
            await self._ask()
        elif self._beats:
            silent_s = trio.current_time() - self._reported_at
            if silent_s > SILENT_BEATS * self._pace.reply_s:
                raise DeviceTimeoutError(f"{self._name} has reported nothing for {silent_s:.1f} s; is it on?")
        return self._pace.poll_s

    async def _select(self, port: int) -> None:
        first = self._reports
        for _ in range(ATTEMPTS):
            before = self._reports
            await self._send(self._wire.select(port))
            await trio.sleep(self._pace.settle_s)
            if not self._wire.confirms:
                await self._send(self._wire.query)
            # Of this port, since answers to earlier questions may still be on their way.
            if await self._reported(port, before):
                return
            if self._wire.confirms and self._wire.query:
                await self._ask()
                if self._port == port:
                    return
        if self._reports == first:
            raise self._silent()
        where = "none" if self._port is None else str(self._port)
        raise NotSupportedError(f"expected {self._name} to select pin {port}, got pin {where}")

    async def _ask(self) -> None:
        for _ in range(ATTEMPTS):
            before = self._reports
            await self._send(self._wire.query)
            if await self._reported(None, before):
                return
        raise self._silent()

    async def _reported(self, port: int | None, before: int) -> bool:
        """Wait for a report after the first *before* ones, of *port* if given; return whether it came."""
        with trio.move_on_after(self._pace.reply_s):
            while self._reports == before or (port is not None and self._port != port):
                await self._news.park()
            return True
        return False

    async def _send(self, command: bytes) -> None:
        assert self._stream is not None, "expected to be called from run"
        self._asked_at = trio.current_time()
        with trio.move_on_after(self._pace.reply_s) as scope, lost_streams(self._name):
            await self._stream.send_all(command)
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"{self._name} took no command for {self._pace.reply_s:g} s")

    async def _listen(self, stream: trio.abc.Stream) -> None:
        decoder = self._wire.decoder()
        while True:
            with lost_streams(self._name):
                data = await stream.receive_some(_RECEIVE_BYTES)
            if not data:
                raise DeviceGoneError(f"{self._name} closed the connection")
            for port in decoder.feed(bytes(data)):
                now = trio.current_time()
                asked = self._asked_at > self._reported_at
                self._beats |= port == self._port and not asked and now - self._reported_at >= BEAT_S
                self._reported_at = now
                self._reports += 1
                self._note(port)
            self._news.unpark_all()

    def _note(self, port: int | None) -> None:
        if port != self._port:
            self._port = port
            self._changes.publish(None)

    def _silent(self) -> DeviceTimeoutError:
        return DeviceTimeoutError(
            f"expected an answer of {self._name} within {self._pace.reply_s:g} s, got none, {ATTEMPTS} times;"
            " is it on, and its cable in?"
        )
