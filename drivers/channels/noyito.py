"""NOYITO's HID relay boards, by output reports; they cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, override

from drivers.channels.hid_relay import HidRelays
from drivers.hidraw import HidDevice
from drivers.ports import ChannelOutput
from drivers.wire.hid_relay import noyito_switch

CHECK_S: Final = 5.0
"""How long an unplugged board may go unnoticed; the others are looked at as often by default."""


class NoyitoDriver(HidRelays):
    """Implements `drivers.ports.ChannelDriver`; relays read as they were last switched."""

    def __init__(self, name: str, device: HidDevice, outputs: Sequence[ChannelOutput]) -> None:
        super().__init__(name, device, outputs, poll_s=CHECK_S)
        self._switched: dict[str, bool] = {}

    @override
    def _opened(self) -> AbstractAsyncContextManager[None]:
        # What it was told before is unknown to a board that was away.
        self._switched = {}
        return nullcontext()

    @override
    async def _fetch(self) -> Mapping[str, bool]:
        await self._device.check()
        return dict(self._switched)

    @override
    async def _drive(self, pin: str, level: bool) -> None:
        await self._device.write(noyito_switch(int(pin), level))
        self._switched[pin] = level
