"""Codec of Extron's Simple Instruction Set, as the SW USB switches with 2 and 4 inputs speak it.

Source: Extron's "SW USB Series User Guide", SIS Programming and Control. `n!` selects input n, counted from
1, and is answered with `Chnn CR LF`, which the switch also says when somebody presses its buttons; `I` is
answered with a line that begins in the same way. `Enn` is a refusal (E01: no such input).
"""

from __future__ import annotations

import re
from typing import Final

from drivers.wire.kvm_switch import LineCutter, SwitchWire

PORTS: Final = 4
# Followed by the activity of all inputs, set off by a bullet, when it answers `I`.
_REPORT: Final = re.compile(r"Chn([1-4])(?!\d).*", re.ASCII)


def select(port: int) -> bytes:
    """Return the command that selects *port*, counted from 0."""
    return b"%d!" % (port + 1)


class Decoder:
    """Finds the lines that say which input is selected."""

    def __init__(self) -> None:
        self._lines = LineCutter()

    def feed(self, data: bytes) -> list[int | None]:
        """Take bytes and return the reported ports."""
        matches = map(_REPORT.fullmatch, self._lines.feed(data))
        return [int(match[1]) - 1 for match in matches if match]


WIRE: Final = SwitchWire(ports=PORTS, select=select, decoder=Decoder, query=b"I", confirms=True)
