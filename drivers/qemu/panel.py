"""The front panel of the QEMU machine: two buttons with the timing of real ones, two lights.

Responsible for what a press means: on, the ACPI button, or off after four seconds. It must never know how the
machine does these things.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio

from drivers.errors import DeviceGoneError
from drivers.fanout import Fanout
from drivers.ports import LineEdge

# The power button override of ACPI 4.8.2.2.1.3: held for four seconds, it ends S0 whatever the system does.
HOLD_S = 4.0

# The bound of `LineInput.edges`.
_EDGES = 16


class PanelMachine(Protocol):
    """What the buttons do."""

    @property
    def powered(self) -> bool:
        """Whether it is on."""
        ...

    async def turn_on(self) -> None:
        """Start it."""
        ...

    async def press_acpi_button(self) -> None:
        """Tell its operating system that the power button was pressed; wake it if it sleeps."""
        ...

    async def turn_off(self) -> None:
        """Cut its power."""
        ...

    async def reset(self) -> None:
        """Reset it; no effect if it is off."""
        ...


class _Button(ABC):
    """A button as an output line: `set` and `pulse` of `drivers.ports.LineOutput`."""

    def __init__(self, machine: PanelMachine) -> None:
        self._machine = machine
        self._level = False

    async def set(self, level: bool) -> None:
        """Hold the button down, or let it go. Raises DriverError if the machine does not do what it means."""
        if level and not self._level:
            self._level = True
            await self._on_press()
        elif not level:
            self._release()
            await trio.lowlevel.checkpoint()

    async def pulse(self, seconds: float) -> None:
        """Hold the button for *seconds*; it is let go on cancellation and error too."""
        try:
            await self.set(True)
            await trio.sleep(seconds)
        finally:
            self._release()

    @abstractmethod
    async def _on_press(self) -> None:
        """Do what the press means."""

    def _release(self) -> None:
        self._level = False


class ResetButton(_Button):
    """The reset button: it acts when pressed."""

    async def _on_press(self) -> None:
        await self._machine.reset()


class PowerButton(_Button):
    """The power button: on when off; the ACPI button when on; off when held for `HOLD_S`.

    As on real boards the four seconds count from the press, whatever state it met, so that holding it on a
    machine that is off turns it on and then off again. `run` has to be running for that.
    """

    def __init__(self, machine: PanelMachine) -> None:
        super().__init__(machine)
        self._pressed = trio.Event()
        self._released = trio.Event()

    async def run(self) -> None:
        """Wait for presses that last; raises DriverError if the machine cannot be turned off."""
        while True:
            await self._pressed.wait()
            self._pressed = trio.Event()
            released = self._released
            with trio.move_on_after(HOLD_S) as hold:
                await released.wait()
            if hold.cancelled_caught:
                await self._machine.turn_off()

    async def _on_press(self) -> None:
        self._released = trio.Event()
        self._pressed.set()
        if self._machine.powered:
            await self._machine.press_acpi_button()
        else:
            await self._machine.turn_on()

    def _release(self) -> None:
        super()._release()
        self._released.set()


class Light:
    """A light as an input line (`drivers.ports.LineInput`); neither lit nor dark while QEMU does not run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._level: bool | None = None
        self._edges = Fanout[LineEdge](bound=_EDGES)

    def show(self, level: bool | None) -> None:
        """Make it lit or dark; None when there is no machine, which listeners see as dark."""
        if bool(level) != bool(self._level):
            self._edges.publish(LineEdge(bool(level), trio.current_time()))
        self._level = level

    async def read(self) -> bool:
        """Return whether it is lit; raises DeviceGoneError if QEMU does not run."""
        await trio.lowlevel.checkpoint()
        if self._level is None:
            raise DeviceGoneError(f"QEMU does not run, so its {self._name} LED cannot be read")
        return self._level

    def edges(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[LineEdge]]:
        """Changes from now on; bound 16, the oldest is dropped."""
        return self._edges.listen()
