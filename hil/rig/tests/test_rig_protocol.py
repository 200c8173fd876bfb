"""What host and guest say to each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig import protocol

IDS = st.integers(0, 2**31)
PRINTED = st.binary(max_size=200).map(lambda data: data.decode("utf-8", "surrogateescape"))
MESSAGES = st.one_of(
    st.builds(protocol.Hello, IDS),
    st.builds(
        protocol.Run,
        IDS,
        st.lists(st.text(max_size=20), min_size=1, max_size=3),
        st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
        st.text(max_size=10),
        st.floats(0, 1e6),
    ),
    st.builds(
        protocol.Put, IDS, st.text(), st.integers(0, 2**40), st.binary(), st.integers(0, 0o777), st.booleans()
    ),
    st.builds(protocol.Settle, IDS, st.floats(0, 1e10), st.binary(max_size=64)),
    st.builds(protocol.Output, IDS, PRINTED),
    st.builds(protocol.Exited, IDS, st.integers(-64, 255), st.floats(0, 1e6), st.booleans()),
    st.builds(protocol.Data, IDS, st.binary(max_size=300), st.booleans()),
    st.builds(protocol.Failed, IDS, st.text()),
)


@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(0, 4000), max_size=6))
def test_messages_arrive_whole_however_the_bytes_are_cut(
    sent: list[protocol.Message], cuts: list[int]
) -> None:
    data = b"".join(protocol.encode(message) for message in sent)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    decoder = protocol.Decoder()
    arrived = [message for start, end in pairwise(edges) for message in decoder.feed(data[start:end])]
    assert arrived == sent
    assert [type(message) for message in arrived] == [type(message) for message in sent]


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"{", b"[]", b"null", b'{"kind":"Run","id":1}', b'{"kind":"Nothing","id":1}', b'{"id":1}'),
        *(b'{"kind":"Hello","id":"1"}', b'{"kind":"Data","id":1,"data":"%","last":true}', b"\xff\xfe"),
    ],
)
def test_a_line_that_is_no_message_is_refused_by_name(line: bytes) -> None:
    with pytest.raises(protocol.ProtocolError, match="expected"):
        protocol.decode(line)


def test_a_line_that_never_ends_is_refused() -> None:
    decoder = protocol.Decoder()
    with pytest.raises(protocol.ProtocolError, match="end of a line"):
        decoder.feed(b"x" * (protocol.MAX_LINE_BYTES + 1))


@given(st.binary(max_size=300), st.integers(1, 7))
def test_output_is_the_same_bytes_again(data: bytes, size: int) -> None:
    decoder = protocol.TextDecoder()
    pieces = [decoder.feed(data[start : start + size]) for start in range(0, len(data), size)]
    text = "".join([*pieces, decoder.feed(b"", last=True)])
    assert protocol.text_bytes(text) == data


def test_a_character_in_two_pieces_is_not_torn() -> None:
    decoder = protocol.TextDecoder()
    euro = "€".encode()
    assert [decoder.feed(euro[:1]), decoder.feed(euro[1:2]), decoder.feed(euro[2:])] == ["", "", "€"]
