"""Which hosts files may be fetched from.

Somebody who may fetch an image could have the appliance knock at doors of its network that only it can reach.
A name is compared as a name: where it leads is up to the network's own name service. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


class AllowedHosts:
    """Names (`images.example.org`), names below one (`*.example.org`), addresses, networks; none = any."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._below: list[str] = []
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for pattern in patterns:
            try:
                self._networks.append(ipaddress.ip_network(pattern))
            except ValueError:
                if pattern.startswith("*."):
                    self._below.append(pattern[1:].lower())
                else:
                    self._names.add(pattern.lower())

    def allow(self, host: str) -> bool:
        """Return whether files may be fetched from *host*, a name or an address as a URL has it."""
        if not (self._names or self._below or self._networks):
            return True
        bare = host.strip("[]").lower()
        try:
            address = ipaddress.ip_address(bare.partition("%")[0])
        except ValueError:
            name = bare.rstrip(".")
            return name in self._names or any(name.endswith(below) for below in self._below)
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)
