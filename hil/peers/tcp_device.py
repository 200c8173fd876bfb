"""A device with a TCP port: plays a sans-I/O chip on each connection, and can be pulled from the network."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from peers.serial_line import Cable, Chip


class TcpDevice:
    """Listens on the loopback; made by `tcp_device`."""

    def __init__(self, chip: Chip, cable: Cable, nursery: trio.Nursery) -> None:
        self.chip = chip
        self.cable = cable
        self.port = 0
        self.connections = 0
        self._nursery = nursery
        self._streams: list[trio.SocketStream] = []
        self._plugged = trio.CancelScope()

    async def plug(self) -> None:
        """Listen, at the port that it had before if it had one."""
        listeners = await trio.open_tcp_listeners(self.port, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        self._plugged = trio.CancelScope()
        self._nursery.start_soon(self._serve, listeners, self._plugged)

    def reset(self) -> None:
        """Break the connections off as a device that restarts does."""
        for stream in self._streams:
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.socket.close()

    def pull(self) -> None:
        """Close all connections and listen no more."""
        self._plugged.cancel()

    async def _serve(self, listeners: list[trio.SocketListener], plugged: trio.CancelScope) -> None:
        with plugged:
            await trio.serve_listeners(self._connection, listeners)

    async def _connection(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        self._streams.append(stream)
        async with stream:
            try:
                async for data in stream:
                    for reply in self.chip.feed(self.cable.inwards(bytes(data)), trio.current_time()):
                        await stream.send_all(await self.cable.outwards(reply))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            finally:
                self._streams.remove(stream)


@asynccontextmanager
async def tcp_device(chip: Chip, cable: Cable | None = None) -> AsyncIterator[TcpDevice]:
    """A device that is plugged in while the body runs."""
    async with trio.open_nursery() as nursery:
        device = TcpDevice(chip, cable or Cable(), nursery)
        await device.plug()
        yield device
        nursery.cancel_scope.cancel()
