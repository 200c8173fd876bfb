"""Frames of the switch: any pieces, garbage in between, what breaks one, and the contract's vectors."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.switch_frame import MAX_MESSAGE_BYTES, FrameDecoder, encode_frame

# The bytes that have a meaning of their own, often.
BYTES = st.one_of(st.sampled_from([0xF0, 0xF1, 0xF2, 0x0D, 0x0E, 0x0F]), st.integers(0, 255))
MESSAGES = st.lists(BYTES, max_size=40).map(bytes)
GARBAGE = st.lists(BYTES.filter(lambda byte: byte != 0xF1), max_size=10).map(bytes)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.tuples(GARBAGE, MESSAGES), max_size=5), st.lists(st.integers(0, 500), max_size=8))
def test_messages_come_out_whatever_is_between_them_and_wherever_they_are_cut(
    parts: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    line = b"".join(garbage + encode_frame(message) for garbage, message in parts)
    decoder = FrameDecoder()
    found = [message for piece in pieces(line, cuts) for message in decoder.feed(piece)]
    assert found == [message for _, message in parts]
    assert decoder.statistics() == {
        "skipped_bytes": sum(len(garbage) for garbage, _ in parts),
        "broken_frames": 0,
    }


@given(MESSAGES)
def test_a_frame_cut_at_every_byte(message: bytes) -> None:
    decoder = FrameDecoder()
    frame = encode_frame(message)
    for byte in frame[:-1]:
        assert decoder.feed(bytes((byte,))) == []
    assert decoder.feed(frame[-1:]) == [message]


@given(MESSAGES)
def test_only_the_frames_ends_look_like_ends(message: bytes) -> None:
    inside = encode_frame(message)[1:-1]
    assert not {0xF1, 0xF2} & set(inside)


@given(st.binary(max_size=200), MESSAGES)
def test_whatever_came_before_the_next_frame_is_found(noise: bytes, message: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(noise)
    assert decoder.feed(encode_frame(message))[-1] == message


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("f1 01 02 f1 03 f2", id="a frame without an end"),
        pytest.param("f1 01 f0 f2", id="an end that is escaped"),
        pytest.param("f1 01 f0 f0 01 f2", id="an escape that is escaped raw"),
        pytest.param("f1 01 f0 f1 03 f2", id="a start behind an escape"),
    ],
)
def test_a_broken_frame_is_counted_and_costs_nothing_else(broken: str) -> None:
    decoder = FrameDecoder()
    found = decoder.feed(bytes.fromhex(broken))
    assert found in ([], [b"\x03"])
    assert decoder.statistics()["broken_frames"] == 1
    assert decoder.feed(encode_frame(b"ok")) == [b"ok"]


def test_a_frame_that_never_ends_costs_no_memory() -> None:
    decoder = FrameDecoder(max_message_bytes=4)
    assert decoder.feed(b"\xf1" + bytes(4) + b"\xf2") == [bytes(4)]
    assert decoder.feed(b"\xf1" + bytes(5) + b"\xf2") == []
    assert decoder.statistics() == {"skipped_bytes": 1, "broken_frames": 1}
    assert MAX_MESSAGE_BYTES > 5 + 1 + 256
