"""The fault script of the emulated PC: what its ports do wrong, switched on and off while it runs.

Each port passes its calls through a `PortGate`, which makes them fail, hang or wait as set here, calls in
progress included. Must never change what the PC itself does: a fault is between the port and the caller.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from drivers.errors import DeviceGoneError

# Long enough for people to notice, short enough for a demo.
SLOW_DELAY_S = 1.0


class PortName(enum.StrEnum):
    """The ports of the PC, named as its attributes."""

    KEYBOARD = "keyboard"
    MOUSE_ABSOLUTE = "mouse_absolute"
    MOUSE_RELATIVE = "mouse_relative"
    POWER_LED = "power_led"
    HDD_LED = "hdd_led"
    POWER_SWITCH = "power_switch"
    RESET_SWITCH = "reset_switch"
    VIDEO = "video"
    MEDIA = "media"


class FaultKind(enum.StrEnum):
    """What can be wrong with a port."""

    UNPLUG = "unplug"
    """Calls raise DeviceGoneError, those in progress too; open streams stay dead after it is cleared."""
    STALL = "stall"
    """Calls never return, and nothing is said on channels, until it is cleared or the port unplugged."""
    SLOW = "slow"
    """Calls take so much longer."""
    CORRUPT = "corrupt"
    """Pictures are cut off in the middle; the video port only."""
    BUG = "bug"
    """Calls raise RuntimeError, those in progress too: a bug of a driver, which is no DriverError."""


class _Call:
    """A call or a session in progress, and what ends it."""

    __slots__ = ("failure", "scope")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.failure: Exception | None = None


class PortGate:
    """Where the calls of one port pass. `plug_count` counts how often the device came to be there."""

    def __init__(self, name: PortName) -> None:
        self.name = name
        self.plug_count = 0
        self._attached = False
        self._faults: dict[FaultKind, float] = {}
        self._calls: set[_Call] = set()
        self._changed = trio.lowlevel.ParkingLot()
        self._listeners: list[Callable[[], None]] = []

    @property
    def plugged(self) -> bool:
        """Whether the device is there: the PC runs and the port is not unplugged."""
        return self._attached and FaultKind.UNPLUG not in self._faults

    def has(self, kind: FaultKind) -> bool:
        """Whether this fault is set."""
        return kind in self._faults

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call *listener* after each change of the faults or of `plugged`."""
        self._listeners.append(listener)

    def check(self) -> None:
        """Raise what a call raises now, if anything."""
        failure = self._failure()
        if failure is not None:
            raise failure

    async def call[T](self, operation: Callable[[], Awaitable[T]], *, repeatable: bool = False) -> T:
        """Do *operation* under the present faults and those that are set before it ends.

        A *repeatable* operation is done again after a stall that came while it was in progress, so that its
        answer is not from before.
        """
        while True:
            await self._admit()
            result = await self._interruptible(operation)
            if FaultKind.STALL not in self._faults:
                return result
            await self._admit()
            if not repeatable:
                return result

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[None]:
        """Let a body listen to the port; unplugging or a bug interrupts it with that error."""
        await self._admit()
        call = _Call()
        self._calls.add(call)
        try:
            with call.scope:
                yield
        finally:
            self._calls.remove(call)
        if call.scope.cancelled_caught:
            assert call.failure is not None
            raise call.failure

    def set(self, kind: FaultKind, delay_s: float) -> None:
        """Switch a fault on."""
        if kind is FaultKind.CORRUPT and self.name is not PortName.VIDEO:
            raise ValueError(f"expected the port video, got {self.name} - at the fault {kind}")
        self._faults[kind] = delay_s
        self._update()

    def clear(self, kind: FaultKind | None) -> None:
        """Switch a fault off, or all of them."""
        was_plugged = self.plugged
        if kind is None:
            self._faults.clear()
        else:
            self._faults.pop(kind, None)
        self.plug_count += self.plugged and not was_plugged
        self._update()

    def attach(self, attached: bool) -> None:
        """Take note that the PC runs, or no longer."""
        was_plugged = self.plugged
        self._attached = attached
        self.plug_count += self.plugged and not was_plugged
        self._update()

    def _failure(self) -> Exception | None:
        if not self._attached:
            return DeviceGoneError(f"expected a running emulated PC, got none - at its port {self.name}")
        if FaultKind.UNPLUG in self._faults:
            return DeviceGoneError(f"the port {self.name} of the emulated PC is unplugged (fault script)")
        if FaultKind.BUG in self._faults:
            return RuntimeError(f"a bug at the port {self.name} of the emulated PC (fault script)")
        return None

    def _update(self) -> None:
        failure = self._failure()
        if failure is not None:
            for call in self._calls:
                call.failure = call.failure or failure
                call.scope.cancel()
        self._changed.unpark_all()
        for listener in self._listeners:
            listener()

    async def _admit(self) -> None:
        """Wait out a stall and a delay, or raise."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._attached and not self._faults:  # the way of a hundred thousand reports
            return
        began = trio.current_time()
        while True:
            self.check()
            slow_until = began + self._faults.get(FaultKind.SLOW, 0.0)
            if FaultKind.STALL in self._faults:
                await self._changed.park()
            elif trio.current_time() < slow_until:
                with trio.move_on_at(slow_until):
                    await self._changed.park()
            else:
                return

    async def _interruptible[T](self, operation: Callable[[], Awaitable[T]]) -> T:
        call = _Call()
        self._calls.add(call)
        try:
            with call.scope:
                return await operation()
        finally:
            self._calls.remove(call)
        assert call.failure is not None  # the scope is cancelled for nothing else
        raise call.failure


class FaultSwitchboard:
    """All ports' faults. Setting and clearing takes effect at once, in any task of the same Trio run."""

    def __init__(self) -> None:
        self._gates = {name: PortGate(name) for name in PortName}

    def set(self, port: PortName | str, kind: FaultKind | str, *, delay_s: float = SLOW_DELAY_S) -> None:
        """Switch a fault on; *delay_s* is that of "slow". Raises ValueError for names that there are not."""
        self.gate(port).set(FaultKind(kind), delay_s)

    def clear(self, port: PortName | str | None = None, kind: FaultKind | str | None = None) -> None:
        """Switch a fault off; without *kind* all of the port's, without *port* everything."""
        for gate in self._gates.values() if port is None else (self.gate(port),):
            gate.clear(None if kind is None else FaultKind(kind))

    def active(self) -> dict[PortName, frozenset[FaultKind]]:
        """Return the ports with faults."""
        faults = {
            name: frozenset(kind for kind in FaultKind if gate.has(kind))
            for name, gate in self._gates.items()
        }
        return {name: kinds for name, kinds in faults.items() if kinds}

    def gate(self, port: PortName | str) -> PortGate:
        """Return where the calls of *port* pass."""
        return self._gates[PortName(port)]

    def attach(self, attached: bool) -> None:
        """Tell all ports that the PC runs, or no longer."""
        for gate in self._gates.values():
            gate.attach(attached)
