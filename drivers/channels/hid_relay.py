"""What the two kinds of HID relay boards have in common: levels that are kept for a board that comes back.

A board that is plugged in anew has all its relays off; it gets the levels that were last written, the first
time those of the configuration. A relay that is as it shall be is not switched, so that a hiccup of the cable
clicks nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import override

from drivers.channels.polled import PolledDriver
from drivers.hidraw import HidDevice
from drivers.ports import ChannelOutput


class HidRelays(PolledDriver):
    """Relays of *device*, a relay board."""

    def __init__(
        self, name: str, device: HidDevice, outputs: Sequence[ChannelOutput], *, poll_s: float
    ) -> None:
        super().__init__(name, outputs, poll_s=poll_s)
        self._device = device
        self._written = {one.pin: one.initial for one in outputs if one.initial is not None}

    @override
    async def write(self, pin: str, level: bool) -> None:
        """Switch a relay. Raises DriverError."""
        # Before it is tried, since a board that comes back gets it.
        self._written[pin] = level
        await super().write(pin, level)

    @override
    async def _begin(self) -> None:
        for pin, level in self._written.items():
            if self._levels.get(pin) is not level:
                await self._set(pin, level)
