"""The switch's USB serial line, `/dev/kvmd-switch` by default, as a `SwitchLink`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from drivers.serial.port import open_serial
from drivers.serial.tty import LineSettings
from drivers.switch.session import StreamSession

SPEED_BAUD: Final = 115200


class SerialSwitch:
    """The line at *device*."""

    def __init__(self, device: str) -> None:
        self._device = device

    @property
    def name(self) -> str:
        """The device."""
        return self._device

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[StreamSession]:
        """Hold the line; see `SwitchLink.open`."""
        async with open_serial(self._device, LineSettings(baud_rate=SPEED_BAUD)) as port:
            # What units told somebody before us is as old as it is long.
            port.discard_input()
            yield StreamSession(port, self._device)
