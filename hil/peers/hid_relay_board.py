"""The other side of hidraw nodes: relay boards played through the kernel's uhid.

The board of www.dcttech.com answers feature reports, that of NOYITO takes output reports; this one does both.
Through uhid a report without a number has its zero in front, as whoever uses hidraw sees it; what usbhid does
about it on a real cable is its own affair. Source: <linux/uhid.h>, Documentation/hid/uhid.rst.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from peers import modules

UHID = Path("/dev/uhid")
HIDRAW = Path("/sys/class/hidraw")
DEADLINE_S = 30.0

DESTROY, OUTPUT, GET_REPORT, GET_REPORT_REPLY, CREATE2, SET_REPORT, SET_REPORT_REPLY = (
    *(1, 6, 9, 10),
    *(11, 13, 14),
)
EVENT_BYTES = 4380
DATA_BYTES = 4096
BUS_USB = 3

# Vendor-defined: a feature report of 8 bytes, and an output report of 8.
DESCRIPTOR = bytes.fromhex("0600ff 0901 a101 1500 26ff00 7508 9508 0900 b202 01 9508 0900 9102 c0")


class RelayBoard:
    """Eight relays in a byte."""

    def __init__(self, unique: str) -> None:
        self.unique = unique
        self.relays = 0
        self.mute = False
        """Whether it leaves what it is asked without an answer."""
        self._descriptor = os.open(UHID, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        name = b"Relay board of the rig"
        create = struct.pack(
            "<I128s64s64sHHIIII",
            CREATE2,
            name,
            b"",
            unique.encode(),
            len(DESCRIPTOR),
            BUS_USB,
            0x16C0,
            0x05DF,
            0,
            0,
        )
        os.write(self._descriptor, create + DESCRIPTOR.ljust(DATA_BYTES, b"\0"))

    @property
    def node(self) -> Path | None:
        """The board's hidraw node, once it is there."""
        for one in HIDRAW.glob("hidraw*"):
            if f"HID_UNIQ={self.unique}" in (one / "device/uevent").read_text().splitlines():
                path = Path("/dev", one.name)
                return path if path.exists() else None
        return None

    async def serve(self) -> None:
        """Be the board."""
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            event = os.read(self._descriptor, EVENT_BYTES)
            (kind,) = struct.unpack_from("<I", event)
            if kind == OUTPUT:
                (size,) = struct.unpack_from("<H", event, 4 + DATA_BYTES)
                self._output(event[4 : 4 + size])
            elif self.mute:
                continue
            elif kind == GET_REPORT:
                (request,) = struct.unpack_from("<I", event, 4)
                report = b"\0RIG01\0\0" + bytes([self.relays])
                reply = struct.pack("<IIHH", GET_REPORT_REPLY, request, 0, len(report))
                os.write(self._descriptor, reply + report)
            elif kind == SET_REPORT:
                request, _number, _type, size = struct.unpack_from("<IBBH", event, 4)
                known = self._feature(event[12 : 12 + size])
                os.write(
                    self._descriptor,
                    struct.pack("<IIH", SET_REPORT_REPLY, request, 0 if known else errno.EIO),
                )

    def unplug(self) -> None:
        """Go; the relays fall."""
        if self._descriptor >= 0:
            os.write(self._descriptor, struct.pack("<I", DESTROY))
            os.close(self._descriptor)
            self._descriptor = -1

    def _feature(self, report: bytes) -> bool:
        commands = {0xFF: True, 0xFD: False}
        if len(report) != 9 or report[0] or report[1] not in commands:
            return False
        self._switch(report[2], commands[report[1]])
        return True

    def _output(self, report: bytes) -> None:
        if len(report) >= 5 and report[:2] == b"\0\xa0" and report[4] == sum(report[1:4]) & 0xFF:
            self._switch(report[2], bool(report[3]))

    def _switch(self, number: int, level: bool) -> None:
        mask = 1 << number - 1
        self.relays = self.relays | mask if level else self.relays & ~mask


@asynccontextmanager
async def relay_board(unique: str = "rig-relays") -> AsyncIterator[RelayBoard]:
    """Plug a board in; the body gets it with its node."""
    modules.load("uhid", "hid-generic")
    board = RelayBoard(unique)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(board.serve)
            with trio.fail_after(DEADLINE_S):
                while board.node is None:
                    await trio.sleep(0.01)
            yield board
            nursery.cancel_scope.cancel()
    finally:
        board.unplug()
