"""The device ends of the emulated PC's keyboard and mice: what the appliance writes its reports to.

Must never look into a report beyond its length: what it means is the host's business.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

import trio

from drivers.emulated.announcer import Announcer
from drivers.emulated.faults import PortGate
from drivers.emulated.hid_host import KEYBOARD_REPORT_BYTES, pointer_report_bytes
from drivers.errors import HostNotReadyError

# `KeyboardPort.write`: how long a report waits for a host that does not poll (contract subsystems.md 2.5).
HOST_DEADLINE_S = 0.1


class ReportSink(Protocol):
    """What a host does with reports."""

    @property
    def usb_ready(self) -> bool:
        """Whether it polls its devices now."""
        ...

    async def wait_usb_ready(self) -> None:
        """Wait until it does."""
        ...

    def keyboard_report(self, report: bytes) -> None:
        """Take a keyboard report."""
        ...

    def pointer_report(self, report: bytes, *, absolute: bool) -> None:
        """Take a mouse report."""
        ...


async def _give_to_host(host: ReportSink, poll_interval_s: float) -> None:
    """Wait until the host takes a report; no checkpoint after the moment when it does."""
    if poll_interval_s:
        await trio.sleep(poll_interval_s)
    if not host.usb_ready:
        with trio.move_on_after(HOST_DEADLINE_S):
            await host.wait_usb_ready()
    if not host.usb_ready:
        raise HostNotReadyError("the emulated PC does not poll its USB devices: it is off or starting")


class EmulatedKeyboard:
    """Implements `drivers.ports.KeyboardPort`."""

    def __init__(self, gate: PortGate, host: ReportSink, poll_interval_s: float) -> None:
        self._gate = gate
        self._host = host
        self._poll_interval_s = poll_interval_s
        self._leds = 0
        self._announcer = Announcer[int](gate, bound=1)

    async def write(self, report: bytes) -> None:
        """Give a report to the host; see `KeyboardPort.write`. Raises ValueError unless it has 8 bytes."""
        _check(report, KEYBOARD_REPORT_BYTES, "keyboard")
        await self._gate.call(partial(self._write, bytes(report)))

    def leds(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[int]]:
        """LED output reports of the host; see `KeyboardPort.leds`."""
        return self._announcer.listen(lambda: self._leds)

    def take_leds(self, leds: int) -> None:
        """Take an LED report, from the host."""
        self._leds = leds
        self._announcer.publish(leds)

    async def _write(self, report: bytes) -> None:
        await _give_to_host(self._host, self._poll_interval_s)
        self._host.keyboard_report(report)
        # Shielded, because the host has the report: cancelled now, the caller would believe that it has not.
        await trio.lowlevel.cancel_shielded_checkpoint()


class EmulatedPointer:
    """Implements `drivers.ports.PointerPort`."""

    def __init__(
        self,
        gate: PortGate,
        host: ReportSink,
        poll_interval_s: float,
        *,
        absolute: bool,
        horizontal_wheel: bool,
    ) -> None:
        self._gate = gate
        self._host = host
        self._poll_interval_s = poll_interval_s
        self._absolute = absolute
        self._horizontal_wheel = horizontal_wheel

    @property
    def absolute(self) -> bool:
        """Whether its descriptor declares absolute X and Y."""
        return self._absolute

    @property
    def horizontal_wheel(self) -> bool:
        """Whether its report ends with an AC Pan byte."""
        return self._horizontal_wheel

    async def write(self, report: bytes) -> None:
        """Give one report to the host; see `PointerPort.write`. Raises ValueError for a wrong length."""
        expected = pointer_report_bytes(absolute=self._absolute, horizontal_wheel=self._horizontal_wheel)
        _check(report, expected, "absolute mouse" if self._absolute else "relative mouse")
        await self._gate.call(partial(self._write, bytes(report)))

    async def _write(self, report: bytes) -> None:
        await _give_to_host(self._host, self._poll_interval_s)
        self._host.pointer_report(report, absolute=self._absolute)
        await trio.lowlevel.cancel_shielded_checkpoint()  # as for the keyboard


def _check(report: bytes, expected: int, what: str) -> None:
    # A bug of the caller, not a fault of the device: hence no DriverError.
    if len(report) != expected:
        raise ValueError(f"expected a report of {expected} bytes, got {len(report)} - at the {what}")
