"""PWAY KVM switches on a serial line (`drivers.wire.pway`), which are set to port 1 at the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.channels.connections import serial_line
from drivers.channels.kvm_switch import KvmSwitchDriver, Pace
from drivers.ports import ChannelOutput
from drivers.wire import pway as wire

DEFAULT_SPEED_BAUD: Final = 19200


class PwayDriver(KvmSwitchDriver):
    """A switch that cannot be asked: after a fault it is set to the port that it was last seen at."""

    def __init__(
        self,
        outputs: Sequence[ChannelOutput],
        *,
        device: str,
        speed_baud: int = DEFAULT_SPEED_BAUD,
        read_timeout_s: float = 2.0,
    ) -> None:
        super().__init__(
            f"the PWAY KVM switch at {device}",
            wire.WIRE,
            serial_line(device, speed_baud),
            Pace(reply_s=read_timeout_s),
            outputs,
            start_port=0,
        )
