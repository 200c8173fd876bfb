"""What the microcontroller HID shows to the house: its ports and its state. Never talks to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import trio

from drivers.ports import ControllerState
from drivers.serial.host_view import HostView
from drivers.wire import mcu_hid as wire

type WriteReport = Callable[[bytes], Awaitable[None]]
"""How a port hands a report over."""


@dataclass(frozen=True, slots=True)
class McuState:
    """All that the microcontroller says of itself.

    *online* tells whether it answers at all, *connected* is None if it cannot plug and unplug, *busy* is true
    while outputs are switched or it is being reset. *leds* are as in USB HID.
    """

    online: bool = False
    busy: bool = False
    keyboard_online: bool = False
    mouse_online: bool = False
    leds: int = 0
    mouse_absolute: bool = True
    keyboard: wire.Outputs = wire.Outputs()
    mouse: wire.Outputs = wire.Outputs()
    connected: bool | None = None

    def as_controller(self) -> ControllerState:
        """Return what of it the port tells; the rest is told by the other ports."""
        return ControllerState(
            online=self.online,
            busy=self.busy,
            connected=self.connected,
            keyboard_outputs=self.keyboard.available,
            keyboard_output=self.keyboard.active,
            mouse_outputs=self.mouse.available,
            mouse_output=self.mouse.active,
            mouse_absolute=self.mouse_absolute,
        )


class McuKeyboard:
    """The microcontroller's keyboard; implements `drivers.ports.KeyboardPort`."""

    def __init__(self, write: WriteReport, view: HostView) -> None:
        self._write = write
        self._view = view

    async def write(self, report: bytes) -> None:
        """Give the key events that lead to this 8-byte report; see `KeyboardPort.write`.

        Raises DeviceTimeoutError if the microcontroller does not answer.
        """
        wire.check_keyboard(report)
        await self._write(report)

    def leds(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[int]]:
        """LED bytes of the host, up to POLL_INTERVAL_S late; see `KeyboardPort.leds`."""
        return self._view.leds()


class McuPointer:
    """The microcontroller's mouse, as the absolute or the relative one; implements `PointerPort`.

    It is one or the other, as its output is set, and drops the motion of the other kind.
    """

    def __init__(self, write: WriteReport, *, absolute: bool) -> None:
        self._write = write
        self._absolute = absolute

    @property
    def absolute(self) -> bool:
        """Whether it reports positions."""
        return self._absolute

    @property
    def horizontal_wheel(self) -> bool:
        """True: the protocol has it, though some firmwares drop it."""
        return True

    async def write(self, report: bytes) -> None:
        """Give the mouse events of this report; see `McuKeyboard.write`. Coordinates are never doubled."""
        wire.check_pointer(report, absolute=self._absolute)
        await self._write(report)
