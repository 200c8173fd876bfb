"""Codec of ezCoo's HDMI and USB switches with 4 inputs.

Sources: the API sheets and the help texts of the EZ-SW41HA-KVM series. A command is a line. Protocol 1 is
`SET OUT1 VS INy` and `GET OUT1 VS`; protocol 2, of firmwares 1.20 and later, is `EZS OUT1 VS INy` and
`EZG OUT1 VS`; inputs count from 1. The answer to a question is the line `OUT1 VS INy`; a selection need not
be answered. A command that comes alone may be ignored, which is why each one is sent twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from drivers.wire.kvm_switch import LineCutter, SwitchWire

PORTS: Final = 4
_VERBS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType({1: ("SET", "GET"), 2: ("EZS", "EZG")})
_TIMES: Final = 2
# The whole line, so that an echo of the command is no answer; A01 to A99 is the address of one of several.
_REPORT: Final = re.compile(r"(?:A\d\d)?OUT1 VS IN([1-4])", re.ASCII | re.IGNORECASE)


def _command(text: str) -> bytes:
    return f"{text}\n".encode() * _TIMES


def _select(verb: str, port: int) -> bytes:
    return _command(f"{verb} OUT1 VS IN{port + 1}")


class Decoder:
    """Finds the lines that say which input is selected."""

    def __init__(self) -> None:
        self._lines = LineCutter()

    def feed(self, data: bytes) -> list[int | None]:
        """Take bytes and return the reported ports."""
        matches = map(_REPORT.fullmatch, self._lines.feed(data))
        return [int(match[1]) - 1 for match in matches if match]


def wire(protocol: int) -> SwitchWire:
    """Return protocol 1 or 2. Raises KeyError for another one."""
    set_verb, get_verb = _VERBS[protocol]
    return SwitchWire(
        ports=PORTS,
        select=partial(_select, set_verb),
        decoder=Decoder,
        query=_command(f"{get_verb} OUT1 VS"),
    )
