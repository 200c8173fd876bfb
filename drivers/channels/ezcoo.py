"""ezCoo KVM switches on a serial line (`drivers.wire.ezcoo`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.channels.connections import serial_line
from drivers.channels.kvm_switch import KvmSwitchDriver, Pace
from drivers.ports import ChannelOutput
from drivers.wire import ezcoo as wire

DEFAULT_SPEED_BAUD: Final = 115200

POLL_S: Final = 1.0
"""How late a press of the switch's own button may be noticed; a question takes 4 ms of line at 115200 Bd."""


class EzcooDriver(KvmSwitchDriver):
    """A switch that speaks *protocol* 1 or 2."""

    def __init__(
        self,
        outputs: Sequence[ChannelOutput],
        *,
        device: str,
        speed_baud: int = DEFAULT_SPEED_BAUD,
        read_timeout_s: float = 2.0,
        protocol: int = 1,
    ) -> None:
        super().__init__(
            f"the ezCoo KVM switch at {device}",
            wire.wire(protocol),
            serial_line(device, speed_baud),
            Pace(reply_s=read_timeout_s, poll_s=POLL_S),
            outputs,
        )
