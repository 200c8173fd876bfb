"""Codec of TESmart's KVM switches with up to 16 ports.

Sources: the RS-232 and LAN command table in the manuals of the HKS0801 and HKS1601; captures published by
their users. A command is `AA BB 03 command value EE`; `01` selects a port, counted from 1, and `10` asks
for the selected one. The report is `AA BB 03 11 port tail` with the port counted from 0, or FF for none; its
tail is EE by the manual, and 16 (hexadecimal) plus the port in captures. A switch also reports by itself.
"""

from __future__ import annotations

from typing import Final

from drivers.wire.kvm_switch import SwitchWire

PORTS: Final = 16
HEAD: Final = b"\xaa\xbb\x03"
END: Final = 0xEE
_SELECT: Final = 0x01
_QUERY: Final = 0x10
_REPORT: Final = HEAD + b"\x11"
_FRAME_BYTES: Final = 6
_NO_PORT: Final = 0xFF
_TAIL_BASE: Final = 0x16


def select(port: int) -> bytes:
    """Return the command that selects *port*, counted from 0."""
    return HEAD + bytes((_SELECT, port + 1, END))


class Decoder:
    """Finds reports; what does not belong to one is skipped byte by byte."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[int | None]:
        """Take bytes and return the reported ports."""
        self._buffer += data
        found: list[int | None] = []
        while (start := self._buffer.find(_REPORT)) >= 0 and len(self._buffer) >= start + _FRAME_BYTES:
            port, tail = self._buffer[start + len(_REPORT) : start + _FRAME_BYTES]
            if _is_report(port, tail):
                found.append(None if port == _NO_PORT else port)
                self._buffer = self._buffer[start + _FRAME_BYTES :]
            else:
                self._buffer = self._buffer[start + 1 :]
        # Only the beginning of a report is worth keeping: what is left is bounded by one frame.
        self._buffer = self._buffer[start:] if start >= 0 else self._buffer[1 - len(_REPORT) :]
        return found


def _is_report(port: int, tail: int) -> bool:
    return (port < PORTS or port == _NO_PORT) and tail in (END, (_TAIL_BASE + port) & 0xFF)


WIRE: Final = SwitchWire(ports=PORTS, select=select, decoder=Decoder, query=HEAD + bytes((_QUERY, 0, END)))
