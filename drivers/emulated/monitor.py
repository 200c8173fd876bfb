"""The EDID of the emulated capture: what the PC reads of the monitor that it believes to have.

A memory as capture chips have it: without content at first, and empty again after the capture was unplugged.
Must never show what is wrong: that is the business of whoever writes.
"""

from __future__ import annotations

import trio

from drivers.emulated.faults import FaultKind, PortGate
from drivers.errors import DeviceGoneError


class Monitor:
    """See `drivers.ports.EdidPort`. It is a part of the capture, and there while the PC is off too."""

    def __init__(self, gate: PortGate) -> None:
        self._gate = gate
        self._edid = b""
        gate.on_change(self._gate_changed)

    @property
    def edid(self) -> bytes:
        """What the PC sees; empty without a monitor."""
        return self._edid

    async def read(self) -> bytes:
        """Return it. Raises DeviceGoneError while the capture is unplugged."""
        await self._pass()
        return self._edid

    async def write(self, edid: bytes) -> None:
        """Show another one. Raises DeviceGoneError while the capture is unplugged."""
        await self._pass()
        self._edid = edid

    async def _pass(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._gate.has(FaultKind.UNPLUG):
            raise DeviceGoneError("the emulated capture is unplugged")

    def _gate_changed(self) -> None:
        if self._gate.has(FaultKind.UNPLUG):
            self._edid = b""
