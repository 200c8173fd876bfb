"""The appliance's own network interfaces, from sysfs, procfs and the address ioctls (netdevice(7)).

Reads only; loopback is left out. Never changes an interface.
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.system.blocking import BlockingCalls

SYS_NET: Final = Path("/sys/class/net")
PROC_IF_INET6: Final = Path("/proc/net/if_inet6")
_LOOPBACK_TYPE: Final = 772  # ARPHRD_LOOPBACK
_IFF_UP: Final = 0x1
_SIOCGIFADDR: Final = 0x8915
_SIOCGIFNETMASK: Final = 0x891B
_IFREQ: Final = struct.Struct("16sHH4s16x")  # name, family, port, IPv4 address


@dataclass(frozen=True, slots=True)
class Ipv4Address:
    """An address with its network mask, both in dotted form."""

    address: str
    mask: str


@dataclass(frozen=True, slots=True)
class Ipv6Address:
    """An address with the length of its prefix."""

    address: str
    prefix_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterface:
    """One interface; None where its driver does not tell."""

    name: str
    up: bool
    carrier: bool
    mac: str | None = None
    mtu: int | None = None
    speed_mbps: int | None = None
    ipv4: tuple[Ipv4Address, ...] = ()
    ipv6: tuple[Ipv6Address, ...] = ()


class LinuxNetwork:
    """Reads the interfaces."""

    def __init__(self, *, sys_net: Path = SYS_NET, if_inet6: Path = PROC_IF_INET6) -> None:
        self._sys_net = sys_net
        self._if_inet6 = if_inet6
        self._calls = BlockingCalls(threads=1)

    async def interfaces(self) -> list[NetworkInterface]:
        """Return the interfaces by name. Raises DriverError."""
        return await self._calls.run("the network interfaces", self._read)

    def _read(self) -> list[NetworkInterface]:
        ipv6 = _ipv6_addresses(self._if_inet6)
        found = []
        for directory in sorted(self._sys_net.iterdir()):
            # An interface that goes away while it is read is not there; files beside them are none.
            with suppress(FileNotFoundError, NotADirectoryError):
                if int((directory / "type").read_text()) != _LOOPBACK_TYPE:
                    found.append(_interface(directory, ipv6.get(directory.name, ())))
        return found


def _interface(directory: Path, ipv6: tuple[Ipv6Address, ...]) -> NetworkInterface:
    name = directory.name
    up = bool(int((directory / "flags").read_text(), 16) & _IFF_UP)
    speed = _number(directory / "speed")
    return NetworkInterface(
        name=name,
        up=up,
        carrier=_number(directory / "carrier") == 1,
        mac=(directory / "address").read_text().strip() or None,
        mtu=_number(directory / "mtu"),
        # -1 without a link; a virtual interface may have none at all.
        speed_mbps=speed if speed is not None and speed > 0 else None,
        ipv4=_ipv4_addresses(name),
        ipv6=ipv6,
    )


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _ipv4_addresses(name: str) -> tuple[Ipv4Address, ...]:
    """Return the first address of the interface, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            address, mask = (_ask(sock, request, name) for request in (_SIOCGIFADDR, _SIOCGIFNETMASK))
        except OSError:
            return ()
    return (Ipv4Address(address, mask),)


def _ask(sock: socket.socket, request: int, name: str) -> str:
    question = _IFREQ.pack(name.encode(), socket.AF_INET, 0, bytes(4))
    answer = fcntl.ioctl(sock.fileno(), request, question)
    return socket.inet_ntoa(_IFREQ.unpack(answer)[3])


def _ipv6_addresses(path: Path) -> dict[str, tuple[Ipv6Address, ...]]:
    """Return the addresses of every interface; lines are address, index, prefix, scope, flags, name."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}  # a kernel without IPv6
    found: dict[str, tuple[Ipv6Address, ...]] = {}
    for line in lines:
        address, _index, prefix, _scope, _flags, name = line.split()
        text = str(ipaddress.IPv6Address(int(address, 16)))
        found[name] = (*found.get(name, ()), Ipv6Address(text, int(prefix, 16)))
    return found
