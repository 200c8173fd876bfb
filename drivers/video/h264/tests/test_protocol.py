"""Messages between the appliance and the process that encodes."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.video.frame import Colour, ColourMatrix, ColourRange
from drivers.video.h264.protocol import (
    MOST_BYTES,
    Encode,
    Failed,
    Message,
    Opening,
    Packet,
    ProtocolError,
    Ready,
    Refused,
    Unpacker,
    Unsupported,
    pack,
)

UINT32 = st.integers(0, 2**32 - 1)
COLOURS = st.builds(Colour, st.sampled_from(ColourRange), st.sampled_from(ColourMatrix))
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Encode, UINT32, UINT32, UINT32, COLOURS, st.booleans()),
    st.builds(Packet, st.booleans(), st.binary(max_size=300)),
    *(st.builds(kind, st.text()) for kind in (Ready, Opening, Refused, Unsupported, Failed)),
)


def unpacked(*parts: bytes) -> list[Message]:
    unpacker, messages = Unpacker(), list[Message]()
    for part in parts:
        unpacker.feed(part)
        while (message := unpacker.next()) is not None:
            messages.append(message)
    return messages


@given(st.lists(MESSAGES, max_size=5), st.lists(st.integers(0, 500)))
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    messages: list[Message], cuts: list[int]
) -> None:
    stream = b"".join(map(pack, messages))
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    assert unpacked(*(stream[begin:end] for begin, end in itertools.pairwise(at))) == messages


def framed(kind: int, body: bytes) -> bytes:
    return struct.pack("<IB", 1 + len(body), kind) + body


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (struct.pack("<I", 0), "expected a message of 1 to"),
        (struct.pack("<I", MOST_BYTES + 1), "expected a message of 1 to"),
        (framed(0, b""), "expected a kind of message between 1 and 7, got 0"),
        (framed(99, b"x"), "got 99"),
        (framed(Encode.KIND, b"short"), "expected a body of Encode, got 5 bytes"),
        (framed(Encode.KIND, struct.pack("<IIIBBB", 0, 2, 2, 9, 0, 0)), "expected a body of Encode"),
        (framed(Encode.KIND, struct.pack("<IIIBBB", 0, 2, 2, 0, 9, 0)), "expected a body of Encode"),
        (framed(Packet.KIND, b""), "expected a body of Packet, got 0 bytes"),
        (framed(Ready.KIND, b"\xff"), "expected a body of Ready"),
    ],
)
def test_nonsense_is_refused(stream: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        unpacked(stream)


@given(st.binary(max_size=100))
def test_any_bytes_are_messages_or_an_error(stream: bytes) -> None:
    try:
        for message in unpacked(stream):
            assert unpacked(pack(message)) == [message]
    except ProtocolError:
        pass
