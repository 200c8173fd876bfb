"""Networks and origins of web pages in the configuration."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, override

from firmware.core.config.kinds import Kind, ListOf, MismatchError, text_of
from firmware.core.config.tree import Node


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
