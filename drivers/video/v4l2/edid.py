"""The EDID of a V4L2 capture (`drivers.ports.EdidPort`): the monitor that the target sees.

Responsible for checking it before the chip gets it (the kernel's drivers look at its length at most) and for
making room if the device refuses while a capture runs. Keeps nothing: a chip that lost its power has lost
its EDID, and whoever configures it writes it again.
"""

from __future__ import annotations

import ctypes
import errno

from drivers.errors import DeviceBusyError, DriverError, NotSupportedError
from drivers.video.v4l2 import uapi
from drivers.video.v4l2.node import Node, node_errors
from drivers.video.v4l2.source import V4l2Source
from drivers.wire.edid import BLOCK_BYTES, MAX_BLOCKS, edid_problem


class V4l2Edid:
    """The EDID of the device that *source* captures from."""

    def __init__(self, source: V4l2Source) -> None:
        self._source = source

    async def read(self) -> bytes:
        """Return it; see `drivers.ports.EdidPort.read`. Raises NotSupportedError, DriverError."""
        async with self._source.receiver() as node:
            return await node.run(lambda: read_edid(node))

    async def write(self, edid: bytes) -> None:
        """Show another one; see `drivers.ports.EdidPort.write`.

        A running capture of ours goes on afterwards by itself. Raises DeviceBusyError if another program
        captures, NotSupportedError for devices without an EDID, DriverError naming what is wrong with it.
        """
        problem = edid_problem(edid)
        if problem is not None:
            raise DriverError(f"{problem} - at the EDID for {self._source.name}")
        async with self._source.receiver() as node:
            try:
                await node.run(lambda: write_edid(node, edid))
            except DeviceBusyError:
                # Some drivers refuse as long as there are buffers.
                async with self._source.paused():
                    await node.run(lambda: write_edid(node, edid))


def read_edid(node: Node) -> bytes:
    """Read all blocks. Blocking. Raises DriverError."""
    content = (ctypes.c_uint8 * (MAX_BLOCKS * BLOCK_BYTES))()
    request = uapi.EdidStruct(blocks=MAX_BLOCKS, edid=ctypes.addressof(content))
    try:
        node.ioctl(uapi.G_EDID, request)
    except OSError as exc:
        if exc.errno == errno.ENODATA:
            return b""
        _raise(node, exc, "reading the EDID")
    return bytes(content)[: request.blocks * BLOCK_BYTES]


def write_edid(node: Node, edid: bytes) -> None:
    """Write all blocks; none takes the EDID away. Blocking. Raises DriverError."""
    blocks = len(edid) // BLOCK_BYTES
    content = (ctypes.c_uint8 * max(len(edid), 1)).from_buffer_copy(edid or b"\0")
    request = uapi.EdidStruct(blocks=blocks, edid=ctypes.addressof(content))
    try:
        node.ioctl(uapi.S_EDID, request)
    except OSError as exc:
        if exc.errno == errno.E2BIG:
            # The kernel puts the limit into the request.
            limit = f"{request.blocks}" if request.blocks < blocks else "fewer"
            raise DriverError(
                f"expected an EDID of at most {limit} blocks of {BLOCK_BYTES} bytes, got {blocks} "
                f"- at {node.path}"
            ) from exc
        _raise(node, exc, "writing the EDID")


def _raise(node: Node, exc: OSError, doing: str) -> None:
    if exc.errno == errno.ENOTTY:
        raise NotSupportedError(f"{node.path}: this capture has no EDID that could be set") from exc
    with node_errors(node, doing):
        raise exc
