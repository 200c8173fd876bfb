"""The keyboard and the two mice of the QEMU machine, as ports.

Responsible for giving each report to QEMU once and for waiting until the guest has fetched it, as a real
gadget's endpoint does: one report at a time is under way, and a guest that does not fetch it is a host that
is not ready. It must never know which task or browser the report came from.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio

from drivers.errors import BadReplyError, HostNotReadyError
from drivers.qemu.qmp_client import QmpClient, QmpRefusedError
from drivers.qemu.usb_tap import UsbTap
from drivers.wire.hid_to_qmp import (
    KEYBOARD_REPORT_BYTES,
    KeyChange,
    key_changes,
    key_events,
    keys_of,
    parse_pointer,
    pointer_events,
)
from drivers.wire.qkeycodes import QKEYCODES
from drivers.wire.qmp import Json

# As the kernel's HID gadget: the host polls every 10 ms or so, hence 0.1 s without a poll means that it does
# not listen, and a newer report should get its chance (contract subsystems.md 2.5, `select_timeout`).
TAKE_DEADLINE_S = 0.1

# QEMU's keyboard queue holds 16 scan codes and a key has up to three of them.
_KEYS_AT_ONCE = 4
_FETCHES_PER_KEY = 3


class HidMachine(Protocol):
    """What the input devices need of the machine."""

    @property
    def powered(self) -> bool:
        """Whether it is on."""
        ...

    def qmp(self) -> QmpClient:
        """Return the QMP connection, or raise DeviceGoneError if QEMU does not run."""
        ...

    def input_sent(self) -> None:
        """Take note that the screen may change soon."""
        ...


class QemuKeyboard:
    """A USB keyboard; implements `drivers.ports.KeyboardPort`."""

    def __init__(self, machine: HidMachine, tap: UsbTap) -> None:
        self._machine = machine
        self._tap = tap
        self._lock = trio.Lock()
        self._generation = tap.generation
        # What QEMU was told to hold down, and whether the guest has fetched all of it.
        self._held: frozenset[int] = frozenset()
        self._pending: Callable[[], bool] | None = None

    async def write(self, report: bytes) -> None:
        """Give one 8-byte report to the guest; see `KeyboardPort.write`."""
        wanted = keys_of(report)
        async with self._lock:
            _require_ready(self._machine, self._tap)
            if self._generation != self._tap.generation:
                self._generation = self._tap.generation
                self._held, self._pending = frozenset(), None
            await self._settle()
            changes = key_changes(self._held, wanted)
            for first in range(0, len(changes), _KEYS_AT_ONCE):
                await self._send(changes[first : first + _KEYS_AT_ONCE])

    def leds(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[int]]:
        """LED bytes that the guest sets; see `KeyboardPort.leds`."""
        return self._tap.leds()

    @property
    def last_fetched(self) -> bytes:
        """The report that the guest fetched last since its reset; one without keys if there was none."""
        return self._tap.report or bytes(KEYBOARD_REPORT_BYTES)

    async def _send(self, changes: list[KeyChange]) -> None:
        held_before = self._held
        held = self._held = held_before.symmetric_difference(change.usage for change in changes)
        if not (events := key_events(changes)):
            return
        # The guest has it once it fetched the very keys we mean. Should this QEMU send other ones for a key,
        # the number of fetches tells: each takes one scan code off the queue.
        visible = held & QKEYCODES.keys()
        enough = self._tap.reports_taken + len(events) * _FETCHES_PER_KEY + 1
        tap = self._tap
        self._pending = lambda: (
            (bool(tap.report) and keys_of(tap.report) == visible) or tap.reports_taken >= enough
        )
        try:
            await _give(self._machine, events)
        except HostNotReadyError:
            self._held, self._pending = held_before, None
            raise
        await self._settle()

    async def _settle(self) -> None:
        if self._pending is not None:
            await _wait_taken(self._tap, self._pending)
            self._pending = None


class PointerRouting:
    """Aims QEMU's input events at one of several mice.

    QEMU gives a button to whichever mouse comes first in its list; `mouse_set` moves one to the front. The
    lock keeps aiming and sending together.
    """

    def __init__(self, machine: HidMachine) -> None:
        self._machine = machine
        self.lock = trio.Lock()

    async def indices(self) -> set[int]:
        """Return the numbers of all mice that QEMU has."""
        return set(await self._mice())

    async def aim(self, index: int) -> None:
        """Make the mouse with this number the current one."""
        if not (await self._mice()).get(index, False):
            await self._machine.qmp().execute("human-monitor-command", {"command-line": f"mouse_set {index}"})

    async def _mice(self) -> dict[int, bool]:
        """Return whether each mouse is the current one, by number."""
        answer = await self._machine.qmp().execute("query-mice")
        mice: dict[int, bool] = {}
        for mouse in answer if isinstance(answer, list) else [answer]:
            match mouse:
                case {"index": int(index), "current": bool(current)}:
                    mice[index] = current
                case _:
                    raise BadReplyError(f"expected QEMU's list of mice, got {answer!r}")
        return mice


class QemuPointer:
    """A USB tablet (absolute) or mouse (relative); implements `drivers.ports.PointerPort`.

    `index` is the number that QEMU gave the device, set when it is plugged in.
    """

    def __init__(self, machine: HidMachine, tap: UsbTap, routing: PointerRouting, *, absolute: bool) -> None:
        self._machine = machine
        self._tap = tap
        self._routing = routing
        self._absolute = absolute
        self._lock = trio.Lock()
        self._generation = tap.generation
        self._buttons = 0
        # The report that QEMU has and the guest has not fetched yet, and the fetch that will take it.
        self._pending: tuple[bytes, int] | None = None
        self.index = -1

    @property
    def absolute(self) -> bool:
        """Whether it reports positions."""
        return self._absolute

    @property
    def horizontal_wheel(self) -> bool:
        """Whether its reports end with a horizontal wheel; QEMU's own USB mice ignore that byte."""
        return True

    async def write(self, report: bytes) -> None:
        """Give one report to the guest; see `KeyboardPort.write`."""
        parsed = parse_pointer(report, absolute=self._absolute)
        async with self._lock:
            _require_ready(self._machine, self._tap)
            if self._generation != self._tap.generation:
                self._generation = self._tap.generation
                self._buttons, self._pending = 0, None
            if self._pending is not None:
                pending = self._pending[0]
                await self._settle()
                if pending == report:
                    # The caller repeats what QEMU already had: moving twice would be wrong.
                    return
            events = pointer_events(self._buttons, parsed, absolute=self._absolute)
            if not events:
                return
            async with self._routing.lock:
                await self._routing.aim(self.index)
                buttons_before, self._buttons = self._buttons, parsed.buttons
                self._pending = report, self._tap.reports_taken + 1
                try:
                    await _give(self._machine, events)
                except HostNotReadyError:
                    self._buttons, self._pending = buttons_before, None
                    raise
            await self._settle()

    async def _settle(self) -> None:
        if self._pending is not None:
            _, enough = self._pending
            await _wait_taken(self._tap, lambda: self._tap.reports_taken >= enough)
            self._pending = None


def _require_ready(machine: HidMachine, tap: UsbTap) -> None:
    machine.qmp()
    if not machine.powered:
        raise HostNotReadyError("the machine is off")
    if not tap.configured:
        raise HostNotReadyError("the guest has not set up this USB device")


async def _give(machine: HidMachine, events: list[Json]) -> None:
    """Queue *events* in QEMU's devices; raise HostNotReadyError if it takes none now, since it is paused."""
    try:
        await machine.qmp().execute("input-send-event", {"events": events})
    except QmpRefusedError as exc:
        raise HostNotReadyError(f"QEMU takes no input now: {exc.description}") from exc
    machine.input_sent()


async def _wait_taken(tap: UsbTap, taken: Callable[[], bool]) -> None:
    """Wait until *taken*; raise HostNotReadyError if the guest fetches nothing for TAKE_DEADLINE_S."""
    generation = tap.generation
    while tap.generation == generation:
        if taken():
            return
        fetched = tap.reports_taken
        with trio.move_on_after(TAKE_DEADLINE_S):
            while tap.reports_taken == fetched and tap.generation == generation:
                await tap.changed()
        if tap.reports_taken == fetched and not taken():
            raise HostNotReadyError("the guest does not fetch reports from this USB device")
    raise HostNotReadyError("the guest reset this USB device")
