"""What the appliance and the process that encodes say to each other.

Pure. A message is its length (4 bytes, without themselves), one byte that tells its kind, and its body;
numbers are little-endian. Settings are the process's arguments, pictures are in shared memory (`memory`):
messages only name them. Both ends come from one installation, so that there are no versions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from drivers.video.frame import Colour, ColourMatrix, ColourRange

MOST_BYTES: Final = 64 << 20
"""Far more than a key frame of the largest picture; a longer message is a broken stream."""

_LENGTH: Final = struct.Struct("<I")
_RANGES: Final = tuple(ColourRange)
_MATRICES: Final = tuple(ColourMatrix)


class ProtocolError(Exception):
    """The other end says what nobody can mean."""


@dataclass(frozen=True, slots=True)
class Encode:
    """Encode the picture in a slot; answered by one `Packet`, after which the slot is not read any more."""

    KIND: ClassVar = 1
    _BODY: ClassVar = struct.Struct("<IIIBBB")

    slot: int
    width: int
    height: int
    colour: Colour
    key: bool

    def _body(self) -> bytes:
        colour_range, matrix = _RANGES.index(self.colour.range), _MATRICES.index(self.colour.matrix)
        return self._BODY.pack(self.slot, self.width, self.height, colour_range, matrix, self.key)

    @classmethod
    def _of(cls, body: bytes) -> Self:
        slot, width, height, colour_range, matrix, key = cls._BODY.unpack(body)
        return cls(slot, width, height, Colour(_RANGES[colour_range], _MATRICES[matrix]), bool(key))


@dataclass(frozen=True, slots=True)
class _Text:
    text: str

    def _body(self) -> bytes:
        return self.text.encode()

    @classmethod
    def _of(cls, body: bytes) -> Self:
        return cls(body.decode())


class Ready(_Text):
    """The process is ready; the text is the version of what it encodes with."""

    KIND: ClassVar = 2


class Opening(_Text):
    """A codec of this name is tried with the next picture."""

    KIND: ClassVar = 3


class Refused(_Text):
    """The codec that was tried does not work, and why; another one is tried."""

    KIND: ClassVar = 4


class Unsupported(_Text):
    """There is no H.264 in this installation, and why; the process ends."""

    KIND: ClassVar = 5


class Failed(_Text):
    """A picture could not be encoded, and why; the process ends."""

    KIND: ClassVar = 6


@dataclass(frozen=True, slots=True)
class Packet:
    """The encoded picture, an access unit of an Annex B stream."""

    KIND: ClassVar = 7

    key: bool
    data: bytes

    def _body(self) -> bytes:
        return bytes((self.key,)) + self.data

    @classmethod
    def _of(cls, body: bytes) -> Self:
        return cls(bool(body[0]), body[1:])


type Message = Encode | Ready | Opening | Refused | Unsupported | Failed | Packet

_KINDS: Final[dict[int, type[Message]]] = {
    kind.KIND: kind for kind in (Encode, Ready, Opening, Refused, Unsupported, Failed, Packet)
}


def pack(message: Message) -> bytes:
    """Return *message* as it is sent."""
    body = message._body()  # noqa: SLF001 - the classes of this module are one codec
    return b"".join((_LENGTH.pack(1 + len(body)), bytes((message.KIND,)), body))


class Unpacker:
    """Makes messages of bytes as they come."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        self._bytes += data

    def next(self) -> Message | None:
        """Return the next whole message, None until there is one. Raises ProtocolError."""
        if len(self._bytes) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._bytes)
        if not 1 <= length <= MOST_BYTES:
            raise ProtocolError(f"expected a message of 1 to {MOST_BYTES} bytes, got {length}")
        end = _LENGTH.size + length
        if len(self._bytes) < end:
            return None
        kind, body = self._bytes[_LENGTH.size], bytes(self._bytes[_LENGTH.size + 1 : end])
        del self._bytes[:end]
        if kind not in _KINDS:
            raise ProtocolError(f"expected a kind of message between 1 and {max(_KINDS)}, got {kind}")
        try:
            return _KINDS[kind]._of(body)  # noqa: SLF001 - as above
        except (struct.error, IndexError, UnicodeDecodeError) as exc:
            raise ProtocolError(f"expected a body of {_KINDS[kind].__name__}, got {len(body)} bytes") from exc
