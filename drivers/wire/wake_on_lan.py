"""The magic packet of Wake-on-LAN: six bytes FF, then the sleeper's hardware address sixteen times.

Source: AMD, "Magic Packet Technology", publication 20213.
"""

from __future__ import annotations

from typing import Final

ADDRESS_BYTES: Final = 6
REPEATS: Final = 16


def magic_packet(mac: str) -> bytes:
    """Return the packet that wakes *mac*, six hexadecimal pairs separated by colons. Raises ValueError."""
    address = bytes.fromhex(mac.replace(":", ""))
    if len(address) != ADDRESS_BYTES:
        raise ValueError(f"expected a hardware address of {ADDRESS_BYTES} bytes, got {mac!r}")
    return b"\xff" * ADDRESS_BYTES + address * REPEATS
