"""USB relay boards of www.dcttech.com, by feature reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import override

from drivers.channels.hid_relay import HidRelays
from drivers.errors import BadReplyError
from drivers.wire.hid_relay import DCT_REPORT, DCT_REPORT_BYTES, dct_levels, dct_switch


class HidRelayDriver(HidRelays):
    """Implements `drivers.ports.ChannelDriver`; relays read as the board says."""

    @override
    async def _fetch(self) -> Mapping[str, bool]:
        report = await self._device.get_feature(DCT_REPORT, DCT_REPORT_BYTES)
        try:
            levels = dct_levels(report)
        except ValueError as exc:
            raise BadReplyError(f"{exc} - is {self._name} a relay board of this type?") from exc
        return {str(relay): level for relay, level in enumerate(levels)}

    @override
    async def _drive(self, pin: str, level: bool) -> None:
        await self._device.set_feature(dct_switch(int(pin), level))
