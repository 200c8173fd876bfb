"""Wake-on-LAN: "on" sends a magic packet, "off" does nothing."""

from __future__ import annotations

from typing import Final, override

import trio

from drivers.channels.noop import NoopDriver
from drivers.errors import DeviceTimeoutError, NotSupportedError, os_errors
from drivers.wire.wake_on_lan import magic_packet

SEND_DEADLINE_S: Final = 2.0
"""A datagram goes out at once unless the interface's queue is full, which passes in milliseconds."""


class WolDriver(NoopDriver):
    """Implements `drivers.ports.ChannelDriver`; every pin wakes *mac* through *ip*, mostly a broadcast one.

    It reads false: a sleeper does not answer. An empty *mac*, which the configuration allows, wakes nobody.
    """

    def __init__(self, *, ip: str, port: int, mac: str) -> None:
        super().__init__()
        self._address = (ip, port)
        self._packet = magic_packet(mac) if mac else b""

    @override
    async def write(self, pin: str, level: bool) -> None:
        """Send the packet if *level* is on. Raises DriverError, as when there is no route to the address."""
        if not level:
            await trio.lowlevel.checkpoint()
            return
        if not self._packet:
            raise NotSupportedError("nobody can be woken: the Wake-on-LAN driver has no mac")
        ip, port = self._address
        what = f"sending the Wake-on-LAN packet to {ip}:{port}"
        with (
            trio.move_on_after(SEND_DEADLINE_S) as scope,
            os_errors(what),
            trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket,
        ):
            socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_BROADCAST, 1)
            await socket.sendto(self._packet, self._address)
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"{what}: expected it to go out within {SEND_DEADLINE_S} s")
