"""TESmart KVM switches with up to 16 ports, by TCP or by a serial line (`drivers.wire.tesmart`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.channels.connections import serial_line, tcp
from drivers.channels.kvm_switch import KvmSwitchDriver, Pace
from drivers.ports import ChannelOutput
from drivers.wire import tesmart as wire

DEFAULT_PORT: Final = 5000
DEFAULT_SPEED_BAUD: Final = 9600


class TesmartDriver(KvmSwitchDriver):
    """A switch at *host*, or on the serial line *device*, which is used if both are given."""

    def __init__(
        self,
        outputs: Sequence[ChannelOutput],
        *,
        host: str = "",
        port: int = DEFAULT_PORT,
        device: str = "",
        speed_baud: int = DEFAULT_SPEED_BAUD,
        timeout_s: float = 5.0,
        switch_delay_s: float = 1.0,
        state_poll_s: float = 10.0,
    ) -> None:
        where = device or f"{host}:{port}"
        super().__init__(
            f"the TESmart KVM switch at {where}",
            wire.WIRE,
            serial_line(device, speed_baud) if device else tcp(host, port, deadline_s=timeout_s),
            Pace(reply_s=timeout_s, poll_s=state_poll_s, settle_s=switch_delay_s),
            outputs,
        )
