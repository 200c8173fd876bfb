"""Networks, origins of web pages, and servers in the configuration."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, cast, override

from firmware.core.config.kinds import Kind, ListOf, MismatchError, Nullable, text_of
from firmware.core.config.tree import Node
from firmware.subsystems.audit.config import SyslogServer, Transport


@dataclass(frozen=True, slots=True)
class _Network(Kind):
    """A network; its value is text that `ipaddress.ip_network` reads."""

    @override
    def parse(self, node: Node) -> str:
        try:
            return str(ipaddress.ip_network((text_of(node) or "").strip()))
        except ValueError:
            raise MismatchError("an IP address, or a network such as 10.1.0.0/16", node) from None


type Networks = Annotated[tuple[str, ...], ListOf(_Network())]


@dataclass(frozen=True, slots=True)
class _WebOrigin(Kind):
    """An origin of the web (RFC 6454): scheme, host, and a port if it is not the scheme's own."""

    @override
    def parse(self, node: Node) -> str:
        text = (text_of(node) or "").strip().lower()
        if not re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", text):
            raise MismatchError("an origin such as https://kvm.example.org:8443, without a path", node)
        return text


type WebOrigins = Annotated[tuple[str, ...], ListOf(_WebOrigin())]


_SYSLOG = re.compile(
    r"(?P<transport>udp|tcp|tls)://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*))"
    r":(?P<port>[0-9]{1,5})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class _Syslog(Kind):
    """A syslog server."""

    @override
    def parse(self, node: Node) -> SyslogServer:
        found = _SYSLOG.fullmatch((text_of(node) or "").strip())
        if found is None or not 0 < int(found["port"]) < 65536:
            raise MismatchError("udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT", node)
        transport = cast("Transport", found["transport"])
        return SyslogServer(transport, found["v6"] or found["host"], int(found["port"]))


type OptionalSyslogServer = Annotated[SyslogServer | None, Nullable(_Syslog())]


@dataclass(frozen=True, slots=True)
class _Host(Kind):
    """A name, names below one, an address or a network."""

    @override
    def parse(self, node: Node) -> str:
        text = (text_of(node) or "").strip().lower()
        try:
            return str(ipaddress.ip_network(text))
        except ValueError:
            if not re.fullmatch(r"(?=.*[a-z])(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*", text):
                expected = "a host such as images.example.org or *.example.org, an address or a network"
                raise MismatchError(expected, node) from None
            return text


type Hosts = Annotated[tuple[str, ...], ListOf(_Host())]
