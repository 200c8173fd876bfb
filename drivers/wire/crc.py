"""Checksums that several devices have in common."""

from __future__ import annotations

from typing import Final


def _shifted(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(map(_shifted, range(256)))


def crc16(data: bytes) -> int:
    """Return the CRC-16/MODBUS: polynomial 0x8005 reflected, all ones at the start, nothing at the end."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc
