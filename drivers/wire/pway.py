"""Codec of the serial console of PWAY's 16-port KVM switches (SH1601A).

Source: what is known of the device: the console of its firmware (AX68002 KVM) as published by users. The line
`PS n` selects port n, counted from 1. The console echoes what it reads, and says `VGA_SWITCH_CONTROL=m` when
it switches, m counted from 0. It cannot be asked, and need not say anything when the port is selected
already: then the echo is all that tells of the command's arrival.
"""

from __future__ import annotations

import re
from typing import Final

from drivers.wire.kvm_switch import LineCutter, SwitchWire

PORTS: Final = 16
_SWITCHED: Final = re.compile(r"\bVGA_SWITCH_CONTROL=(\d{1,2})\b", re.ASCII)
_ECHO: Final = re.compile(r"(?:^|.*\W)PS (\d{1,2})", re.ASCII)


def select(port: int) -> bytes:
    """Return the command that selects *port*, counted from 0."""
    return b"PS %d\r\n" % (port + 1)


class Decoder:
    """Finds what the console says of ports."""

    def __init__(self) -> None:
        self._lines = LineCutter()

    def feed(self, data: bytes) -> list[int | None]:
        """Take bytes and return the reported ports."""
        found: list[int | None] = []
        for line in self._lines.feed(data):
            if switched := _SWITCHED.search(line):
                port = int(switched[1])
            elif echo := _ECHO.fullmatch(line):
                port = int(echo[1]) - 1
            else:
                continue
            if 0 <= port < PORTS:
                found.append(port)
        return found


WIRE: Final = SwitchWire(ports=PORTS, select=select, decoder=Decoder, confirms=True)
