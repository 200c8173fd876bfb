"""Codec of ANEL's NET-PwrCtrl power strips, as their web page talks to them.

Sources: the pages that the strips serve, and programs that use them. `GET /strg.cfg` answers fields set off
by semicolons, in ISO 8859-1: ten of the strip itself (the first is its model), then tens of fields of which
the first eight are for one socket each: names from 10, levels from 20, locks from 30, notes from 40, flags
from 50 (T timer, K keep-alive, W waiting to switch); field 58 is `end`. A POST of `F<socket>=<value>` to
`/ctrl.htm` switches a socket; strips differ in whether they obey the value or toggle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SOCKETS: Final = 8
_LEVELS: Final = 20
_LOCKS: Final = 30
_FLAGS: Final = 50
_END: Final = 58
_BITS: Final = {"0": False, "1": True}


@dataclass(frozen=True, slots=True)
class Strip:
    """The sockets of a strip, from the first."""

    levels: tuple[bool, ...]
    locked: tuple[bool, ...]
    waiting: tuple[bool, ...]

    @classmethod
    def parse(cls, answer: bytes) -> Strip:
        """Read strg.cfg. Raises ValueError."""
        fields = [field.strip() for field in answer.decode("latin-1").split(";")]
        if len(fields) <= _END or fields[_END] != "end":
            raise ValueError(f"expected the word end as field {_END} of strg.cfg, got {len(fields)} fields")
        levels = fields[_LEVELS : _LEVELS + SOCKETS]
        for socket, level in enumerate(levels):
            if level not in _BITS:
                raise ValueError(f"expected 0 or 1 as the level of socket {socket}, got {level!r}")
        return cls(
            levels=tuple(_BITS[level] for level in levels),
            locked=tuple(field == "1" for field in fields[_LOCKS : _LOCKS + SOCKETS]),
            waiting=tuple("W" in field for field in fields[_FLAGS : _FLAGS + SOCKETS]),
        )


def switch(socket: int, level: bool) -> bytes:
    """Return the form that asks for a level."""
    return b"F%d=%d" % (socket, level)


def toggle(socket: int) -> bytes:
    """Return the form that toggles a socket."""
    return b"F%d=T" % socket
