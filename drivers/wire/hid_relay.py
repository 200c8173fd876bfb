"""Reports of two kinds of USB relay boards, which both call themselves HID devices.

The boards of www.dcttech.com ("USBRelay2", 16c0:05df) take feature reports and tell the levels of their
relays; those of NOYITO ("HID drive-free") take output reports and tell nothing. Relays count from 0 here and
from 1 on the wire. Sources: the boards' published protocol descriptions.
"""

from __future__ import annotations

from typing import Final

RELAYS: Final = 8
"""The most that a board has."""

DCT_REPORT: Final = 0
"""The boards' reports have no numbers."""
DCT_REPORT_BYTES: Final = 9
"""With the number in front, as hidraw wants it."""

_DCT_ON: Final = 0xFF
_DCT_OFF: Final = 0xFD
_DCT_SERIAL: Final = slice(1, 6)
_DCT_LEVELS: Final = 8

_NOYITO_START: Final = 0xA0


def dct_switch(relay: int, level: bool) -> bytes:
    """Return the feature report that switches *relay*."""
    command = bytes([DCT_REPORT, _DCT_ON if level else _DCT_OFF, _number(relay)])
    return command.ljust(DCT_REPORT_BYTES, b"\0")


def dct_levels(report: bytes) -> tuple[bool, ...]:
    """Return the levels of all relays that *report* tells. Raises ValueError if it is no such report."""
    serial = report[_DCT_SERIAL]
    if len(report) != DCT_REPORT_BYTES or not serial.isascii() or not serial.decode("ascii").isprintable():
        raise ValueError(f"expected a relay board's serial number and levels, got {report.hex(' ')}")
    return tuple(bool(report[_DCT_LEVELS] >> relay & 1) for relay in range(RELAYS))


def noyito_switch(relay: int, level: bool) -> bytes:
    """Return the output report that switches *relay*: a start byte, its number, the level, their sum."""
    command = bytes([_NOYITO_START, _number(relay), level])
    return b"\0" + command + bytes([sum(command) & 0xFF])


def _number(relay: int) -> int:
    if not 0 <= relay < RELAYS:
        raise ValueError(f"expected a relay of 0 to {RELAYS - 1}, got {relay}")
    return relay + 1
