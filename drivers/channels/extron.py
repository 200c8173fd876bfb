"""Extron's USB switches on a serial line (`drivers.wire.extron`), which are set to input 1 at the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.channels.connections import serial_line
from drivers.channels.kvm_switch import KvmSwitchDriver, Pace
from drivers.ports import ChannelOutput
from drivers.wire import extron as wire

DEFAULT_SPEED_BAUD: Final = 9600

POLL_S: Final = 5.0
"""The switch tells of its buttons by itself: this only finds out that it is gone."""


class ExtronDriver(KvmSwitchDriver):
    """A switch that is asked after a fault, instead of being set to input 1 again."""

    def __init__(
        self,
        outputs: Sequence[ChannelOutput],
        *,
        device: str,
        speed_baud: int = DEFAULT_SPEED_BAUD,
        read_timeout_s: float = 2.0,
    ) -> None:
        super().__init__(
            f"the Extron switch at {device}",
            wire.WIRE,
            serial_line(device, speed_baud),
            Pace(reply_s=read_timeout_s, poll_s=POLL_S),
            outputs,
            start_port=0,
        )
