"""Codec of the control port of the XH-HK4401, a 4-port HDMI and USB switch sold under many names.

Source: what is known of the device, which has no published manual: traffic between the switch and its button
box, as published by users. `SWn CR LF AG0ngA` selects port n, counted from 1. The switch reports the selected
port as `G0ngA`, with or without an A before it, over and over; it cannot be asked.
"""

from __future__ import annotations

import re
from typing import Final

from drivers.wire.kvm_switch import SwitchWire

PORTS: Final = 4
_REPORT: Final = re.compile(rb"G0([1-4])gA")
_REPORT_BYTES: Final = 5


def select(port: int) -> bytes:
    """Return the command that selects *port*, counted from 0."""
    return b"SW%d\r\nAG%02dgA" % (port + 1, port + 1)


class Decoder:
    """Finds reports in a stream that has no other marks."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[int | None]:
        """Take bytes and return the reported ports."""
        self._buffer += data
        found: list[int | None] = []
        end = 0
        for match in _REPORT.finditer(self._buffer):
            found.append(int(match[1]) - 1)
            end = match.end()
        self._buffer = self._buffer[max(end, len(self._buffer) - _REPORT_BYTES + 1) :]
        return found


WIRE: Final = SwitchWire(ports=PORTS, select=select, decoder=Decoder, confirms=True)
