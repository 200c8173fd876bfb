"""The emulated PC's front panel: two lamps, two switches, and what a press of the power button means.

Timing is a PC's: pressing while off turns on at once; pressing while on asks the operating system to shut
down when the button is let go (the firmware, which shuts nothing down, goes off at once); held for four
seconds it cuts the power, whatever runs, also when the same press has just turned it on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import trio

from drivers.emulated.announcer import Announcer
from drivers.emulated.faults import PortGate
from drivers.emulated.records import Records
from drivers.ports import LineEdge

# The power button override of ACPI 4.8.2.2.1.3.
HARD_OFF_HOLD_S = 4.0
# A pulse of exactly 4 s ends and the hold expires at the same moment; sums of floats must not decide it.
_TIME_TOLERANCE_S = 1e-6
# The bound of `LineInput.edges`.
_EDGES = 16


class Lamp:
    """A lamp that the appliance watches; implements `drivers.ports.LineInput`."""

    def __init__(self, gate: PortGate, records: Records) -> None:
        self._gate = gate
        self._records = records
        self._announcer = Announcer[LineEdge](gate, bound=_EDGES)
        self._lit = False

    @property
    def lit(self) -> bool:
        """The level, from inside the PC."""
        return self._lit

    def light(self, lit: bool) -> None:
        """Switch the lamp, from inside the PC."""
        if lit != self._lit:
            self._lit = lit
            self._records.transition(self._gate.name, lit)
            self._announcer.publish(LineEdge(lit, trio.current_time()))

    async def read(self) -> bool:
        """Return the level now; see `LineInput.read`."""
        return await self._gate.call(self._read, repeatable=True)

    @asynccontextmanager
    async def edges(self) -> AsyncGenerator[trio.MemoryReceiveChannel[LineEdge]]:
        """Edges from now on; see `LineInput.edges`."""
        async with self._announcer.listen() as channel:
            yield channel

    async def _read(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self._lit


class Switch:
    """The contacts of a button, closed by the appliance; implements `drivers.ports.LineOutput`."""

    def __init__(self, gate: PortGate, records: Records, on_level: Callable[[bool], None]) -> None:
        self._gate = gate
        self._records = records
        self._on_level = on_level
        self._level = False
        gate.on_change(self._unplugged)

    async def set(self, level: bool) -> None:
        """Close or open the contacts; see `LineOutput.set`."""
        await self._gate.call(partial(self._set, level))

    async def pulse(self, seconds: float) -> None:
        """Close them for so long; see `LineOutput.pulse`."""
        await self._gate.call(partial(self._pulse, seconds))

    async def _set(self, level: bool) -> None:
        await trio.lowlevel.checkpoint()
        self._drive(level)

    async def _pulse(self, seconds: float) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._drive(True)
        try:
            await trio.sleep(seconds)
        finally:
            self._drive(False)

    def _unplugged(self) -> None:
        if not self._gate.plugged:
            self._drive(False)

    def _drive(self, level: bool) -> None:
        if level != self._level:
            self._level = level
            self._records.transition(self._gate.name, level)
            self._on_level(level)


class PanelMachine(Protocol):
    """What the buttons do."""

    @property
    def powered(self) -> bool:
        """Whether it is on."""
        ...

    def power_on(self) -> None:
        """Turn it on."""
        ...

    def power_off(self, cause: str) -> None:
        """Cut its power."""
        ...

    @property
    def can_shut_down(self) -> bool:
        """Whether an operating system runs, which then decides what a press means."""
        ...

    def request_soft_off(self) -> None:
        """Ask the operating system to shut down; no effect if none runs."""
        ...

    def reset(self) -> None:
        """Reset it; no effect if it is off."""
        ...


class PowerButton:
    """What presses of the power button mean. `run` is its timer."""

    def __init__(self, machine: PanelMachine) -> None:
        self._machine = machine
        self._pressed_at: float | None = None
        self._asks_soft_off = False
        self._changed = trio.lowlevel.ParkingLot()

    def on_level(self, level: bool) -> None:
        """The contacts closed or opened."""
        if level:
            self._pressed_at = trio.current_time()
            self._press()
        elif self._pressed_at is not None:
            held_s = trio.current_time() - self._pressed_at
            self._pressed_at = None
            self._release(held_s)
        self._changed.unpark_all()

    async def run(self) -> None:
        """Cut the power when the button has been held long enough."""
        while True:
            pressed_at = self._pressed_at
            deadline = float("inf") if pressed_at is None else pressed_at + HARD_OFF_HOLD_S
            with trio.move_on_at(deadline) as expiry:
                await self._changed.park()
            if expiry.cancelled_caught and pressed_at is not None and self._pressed_at == pressed_at:
                self._hard_off()
                # Held on, it does no more; the next event is its release.
                await self._changed.park()

    def _press(self) -> None:
        self._asks_soft_off = False
        if not self._machine.powered:
            self._machine.power_on()
        elif self._machine.can_shut_down:
            self._asks_soft_off = True
        else:
            self._machine.power_off("button")

    def _release(self, held_s: float) -> None:
        if held_s >= HARD_OFF_HOLD_S - _TIME_TOLERANCE_S:
            self._hard_off()
        elif self._asks_soft_off:
            self._machine.request_soft_off()

    def _hard_off(self) -> None:
        if self._machine.powered:
            self._machine.power_off("hard-off")
