"""Lines that are chained by their hashes: made, read and verified. Pure: bytes in, bytes out.

A line is a JSON object whose last member is `hash`: SHA-256, in hexadecimal, of the object as it would stand
there without that member. `prev` is the hash of the line before and `n` counts them, so that no line can be
changed, removed, added or moved without all that follow being made anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from firmware.core.errors import SetupError
from firmware.core.json_documents import read_json

HASH_DIGITS: Final = 64
FIRST_PREV: Final = "0" * HASH_DIGITS
"""What stands for the hash before the first line."""
_SEAL: Final = re.compile(rb'(?P<sealed>\{.*),"hash":"(?P<hash>[0-9a-f]{64})"\}', re.DOTALL)


class BrokenChainError(SetupError):
    """A line is not what was once written, or not at its place."""


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain ends: the number and the hash of its last line."""

    number: int = 0
    hash: str = FIRST_PREV


class _Link(msgspec.Struct, frozen=True):
    n: int
    prev: str


def append(end: End, record: Mapping[str, object]) -> tuple[bytes, End]:
    """Return the line of *record* after *end*, ended, and the new end. *record* has no n, prev or hash."""
    number = end.number + 1
    body = msgspec.json.encode({"n": number, **record, "prev": end.hash})
    digest = hashlib.sha256(body).hexdigest()
    return b'%s,"hash":"%s"}\n' % (body[:-1], digest.encode()), End(number, digest)


def read_end(line: bytes) -> tuple[End, str]:
    """Return the end that *line* makes, and the hash of the one before. Raises BrokenChainError."""
    match = _SEAL.fullmatch(line.removesuffix(b"\n"))
    if match is None:
        raise BrokenChainError("expected a line of the audit trail, got something else")
    body = match["sealed"] + b"}"
    digest = hashlib.sha256(body).hexdigest()
    if digest.encode() != match["hash"]:
        raise BrokenChainError("the line was changed: its hash is another one")
    try:
        link = read_json(body, _Link)
    except ValueError as exc:
        raise BrokenChainError(f"expected a line of the audit trail, got something else ({exc})") from None
    return End(link.n, digest), link.prev


def verified(lines: Iterable[bytes]) -> Iterator[End]:
    """Yield the end after each of *lines*; what is before the first one is taken as it says.

    Raises BrokenChainError at the first line that is not what was written there.
    """
    end: End | None = None
    for line in lines:
        if not line.endswith(b"\n"):
            raise BrokenChainError("the line is cut short")
        reached, prev = read_end(line)
        if end is not None and (prev != end.hash or reached.number != end.number + 1):
            raise BrokenChainError(
                f"lines are missing or were added: expected number {end.number + 1} "
                f"after {end.hash[:12]}..., got number {reached.number} after {prev[:12]}..."
            )
        if end is None and reached.number == 1 and prev != FIRST_PREV:
            raise BrokenChainError("the first line says that there was one before it")
        end = reached
        yield end
