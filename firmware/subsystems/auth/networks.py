"""Which network a client calls from: the unit in which guesses are counted."""

from __future__ import annotations

import ipaddress
from typing import Final

# What one customer, and so one attacker, is given at least: within it addresses cost nothing (RFC 6177).
IPV6_NETWORK_BITS: Final = 64
LOCAL: Final = "local"
"""The network of whatever has no IP address, such as a process on this machine."""


def network_of(address: str) -> str:
    """Return the network of an IP address: an IPv4 address itself, the /64 of an IPv6 one.

    An IPv4 address in IPv6 notation is the IPv4 one. Everything else is one network, so that nobody gets a
    fresh count by an address that cannot be read.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return LOCAL
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), IPV6_NETWORK_BITS), strict=False))
