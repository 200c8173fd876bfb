"""What is configured of the audit trail."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

type Transport = Literal["udp", "tcp", "tls"]


class SyslogServer(msgspec.Struct, frozen=True):
    """Where to send: `udp://host:514`, `tcp://host:601`, `tls://host:6514`."""

    transport: Transport
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]

    def __str__(self) -> str:
        """Return it as it is written in the configuration."""
        return f"{self.transport}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
