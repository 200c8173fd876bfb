"""Units of byte streams, and parameter sets in front of key frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.video.h264.annexb import (
    ACCESS_UNIT_DELIMITER,
    IDR_SLICE,
    PICTURE_PARAMETERS,
    SEQUENCE_PARAMETERS,
    SLICE,
    ParameterSets,
    is_key_frame,
    units,
)

SEI = 6


def unit(kind: int, body: bytes = b"\x80", *, reference: int = 3) -> bytes:
    return b"\x00\x00\x01" + bytes((reference << 5 | kind,)) + body


SPS, PPS = unit(SEQUENCE_PARAMETERS, b"sps"), unit(PICTURE_PARAMETERS, b"pps")
KEY, DELTA, AUD = unit(IDR_SLICE), unit(SLICE, reference=2), unit(ACCESS_UNIT_DELIMITER, b"\xf0")

# Bodies never hold a start code: encoders put a 3 in between (7.4.1).
BODIES = st.binary(min_size=1).map(lambda body: body.replace(b"\0", b"\1"))


@given(st.lists(st.tuples(st.integers(0, 31), BODIES, st.booleans()), max_size=8))
def test_units_are_found_whatever_they_are(parts: list[tuple[int, bytes, bool]]) -> None:
    stream, expected = b"", []
    for kind, body, long in parts:
        # A start code of four bytes is one of three behind a zero.
        stream += b"\0" * long
        begin = len(stream)
        stream += unit(kind, body)
        expected.append((kind, begin))
    found = list(units(stream))
    assert [(kind, begin) for kind, begin, _ in found] == expected
    assert [end for _, _, end in found] == [begin for _, begin in expected[1:]] + [len(stream)] * bool(parts)


@pytest.mark.parametrize("stream", [b"", b"\0\0\1", b"\0\0", b"no start code"])
def test_there_may_be_none(stream: bytes) -> None:
    assert list(units(stream)) == []
    assert not is_key_frame(stream)
    assert ParameterSets().complete(stream) == stream


@pytest.mark.parametrize(
    ("packet", "key"),
    [
        (KEY, True),
        (KEY + KEY, True),
        (AUD + SPS + PPS + unit(SEI) + KEY, True),
        (DELTA, False),
        (unit(SEI) + DELTA, False),
        (SPS + PPS, False),
        (DELTA + KEY, False),
    ],
)
def test_a_key_frame_is_known_by_its_first_slice(packet: bytes, key: bool) -> None:
    assert is_key_frame(packet) is key


def test_what_is_complete_stays_as_it_is() -> None:
    sets = ParameterSets()
    for packet in (SPS + PPS + KEY, DELTA, AUD + SPS + unit(SEI) + PPS + KEY):
        assert sets.complete(packet) == packet


def test_sets_that_are_given_once_are_put_in_front_of_every_key_frame() -> None:
    sets = ParameterSets()
    assert sets.complete(SPS + PPS) == SPS + PPS
    assert sets.complete(KEY) == SPS + PPS + KEY
    assert sets.complete(DELTA) == DELTA
    assert sets.complete(AUD + unit(SEI) + KEY) == AUD + SPS + PPS + unit(SEI) + KEY
    newer = unit(PICTURE_PARAMETERS, b"newer")
    assert sets.complete(newer + KEY) == SPS + newer + KEY
    assert sets.complete(KEY) == SPS + newer + KEY
    other = unit(SEQUENCE_PARAMETERS, b"other")
    assert sets.complete(other + PPS + KEY) == other + PPS + KEY
    assert sets.complete(KEY) == other + PPS + KEY
