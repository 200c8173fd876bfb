"""Networks in the configuration: addresses, or addresses with a length of prefix."""

from __future__ import annotations

import ipaddress
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
