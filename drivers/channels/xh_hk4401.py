"""The XH-HK4401 KVM switch on a serial line (`drivers.wire.xh_hk4401`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.channels.connections import serial_line
from drivers.channels.kvm_switch import KvmSwitchDriver, Pace
from drivers.ports import ChannelOutput
from drivers.wire import xh_hk4401 as wire

DEFAULT_SPEED_BAUD: Final = 19200


class XhHk4401Driver(KvmSwitchDriver):
    """A switch that reports its port by itself; until it has, no pin reads as selected."""

    def __init__(
        self,
        outputs: Sequence[ChannelOutput],
        *,
        device: str,
        speed_baud: int = DEFAULT_SPEED_BAUD,
        read_timeout_s: float = 2.0,
    ) -> None:
        super().__init__(
            f"the XH-HK4401 KVM switch at {device}",
            wire.WIRE,
            serial_line(device, speed_baud),
            Pace(reply_s=read_timeout_s, poll_s=read_timeout_s),
            outputs,
        )
