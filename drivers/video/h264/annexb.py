"""H.264 byte streams (ITU-T H.264, Annex B): what a packet holds, and parameter sets where they are missing.

Pure. Only what stands before the first slice is looked at, so that a packet's size does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

START_CODE: Final = b"\x00\x00\x01"

SLICE: Final = 1
IDR_SLICE: Final = 5
SEQUENCE_PARAMETERS: Final = 7
PICTURE_PARAMETERS: Final = 8
ACCESS_UNIT_DELIMITER: Final = 9


def units(stream: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield type, begin and end of each unit of *stream*; each begins with its start code.

    Zeros between two units belong to the first of them, which the format allows.
    """
    at = stream.find(START_CODE)
    while at >= 0 and at + len(START_CODE) < len(stream):
        following = stream.find(START_CODE, at + len(START_CODE))
        yield stream[at + len(START_CODE)] & 0x1F, at, len(stream) if following < 0 else following
        at = following


def is_key_frame(packet: bytes) -> bool:
    """Whether a decoder can begin with *packet*: its first slice is one of an IDR picture."""
    for kind, _, _ in units(packet):
        if SLICE <= kind <= IDR_SLICE:
            return kind == IDR_SLICE
    return False


class ParameterSets:
    """Puts parameter sets in front of every key frame, as a stream that is joined in its middle needs it.

    Some hardware gives them once, with its first frame.
    """

    def __init__(self) -> None:
        self._sequence = b""
        self._picture = b""

    def complete(self, packet: bytes) -> bytes:
        """Return *packet*, with the parameter sets that were last seen if it is a key frame without them."""
        behind_delimiter = 0
        sequence, picture = b"", b""
        for kind, begin, end in units(packet):
            if kind == ACCESS_UNIT_DELIMITER:
                behind_delimiter = end
            elif kind == SEQUENCE_PARAMETERS:
                sequence += packet[begin:end]
            elif kind == PICTURE_PARAMETERS:
                picture += packet[begin:end]
            elif SLICE <= kind <= IDR_SLICE:
                break
        # Both or none: a picture's set refers to the sequence's.
        if sequence:
            self._sequence, self._picture = sequence, picture
        elif picture:
            self._picture = picture
        if not is_key_frame(packet) or (sequence and picture):
            return packet
        missing = b"".join(
            kept for kept, given in ((self._sequence, sequence), (self._picture, picture)) if not given
        )
        return packet[:behind_delimiter] + missing + packet[behind_delimiter:]
