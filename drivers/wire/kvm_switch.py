"""What the protocols of simple KVM switches have in common: selecting a port, and reports of the port.

Responsible for the shape in which such a protocol is described, and for cutting text into lines within
bounds; bytes in, port numbers out. Ports count from 0 here, whatever the device's own numbers are. It never
waits, and never decides what to do about silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

MAX_LINE_BYTES: Final = 256
"""The longest line of these devices is a help text of 129 characters; longer ones are noise, and skipped."""


class PortDecoder(Protocol):
    """Finds reports in a stream of bytes."""

    def feed(self, data: bytes) -> list[int | None]:
        """Take bytes and return the ports that were reported in them, oldest first; None: no port."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchWire:
    """The protocol of one kind of switch."""

    ports: int
    select: Callable[[int], bytes]
    """The command that selects a port."""
    decoder: Callable[[], PortDecoder]
    query: bytes = b""
    """The command that asks for the selected port; empty if it cannot be asked."""
    confirms: bool = False
    """Whether a selection is answered with a report."""


class LineCutter:
    """Cuts a stream into lines ended by CR, LF or both, without their ends and the empty ones."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[str]:
        """Take bytes and return the lines that are complete now; what is no ASCII comes out as U+FFFD."""
        *ended, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if ended and self._skipping:
            ended = ended[1:]
            self._skipping = False
        if len(self._rest) > MAX_LINE_BYTES:
            self._rest = b""
            self._skipping = True
        lines = (
            line.decode("ascii", errors="replace").strip() for line in ended if len(line) <= MAX_LINE_BYTES
        )
        return [line for line in lines if line]
