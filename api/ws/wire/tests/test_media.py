from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ws.wire.frame_queue import CAPACITY, FrameQueue
from api.ws.wire.input_events import BadMessageError, Ping
from api.ws.wire.media import (
    ClockWanted,
    KeyFrameWanted,
    MediaFrame,
    Painted,
    Start,
    decode,
    encode_clock,
    encode_offer,
    encode_times,
)
from firmware.subsystems.streamer.frames import FrameTimes


def jpeg(data: bytes = b"j") -> MediaFrame:
    return MediaFrame("jpeg", data, independent=True)


def video(data: bytes = b"p", *, key: bool = False) -> MediaFrame:
    return MediaFrame("h264", data, key=key)


# -- messages ----------------------------------------------------------------------------------------------


def test_the_header_says_video_and_whether_it_is_a_key_frame() -> None:
    assert jpeg(b"\xff\xd8").message == b"\x01\x00\xff\xd8"
    assert video(b"\0\0\0\1", key=True).message == b"\x01\x01\0\0\0\1"
    assert video(b"").message == b"\x01\x00"
    frame = jpeg(bytes(1000))
    assert frame.message is frame.message


def test_the_offer() -> None:
    formats = {"h264": {"profile_level_id": "42E01F"}, "jpeg": {}}
    assert json.loads(encode_offer(formats)) == {"event_type": "media", "event": {"video": formats}}


@pytest.mark.parametrize(
    ("message", "wish"),
    [
        (b"\x00", Ping()),
        (b"\x00anything", Ping()),
        (b"\x01", KeyFrameWanted()),
        (b"\x01\x00", KeyFrameWanted()),
        ('{"event_type": "start", "event": {"type": "video", "format": "jpeg"}}', Start("jpeg")),
        ('{"event_type": "start", "event": {"type": " Video", "format": "H264 "}}', Start("h264")),
        ('{"event_type": "start", "event": {"type": "video", "format": "av1"}}', Start("av1")),
        (
            '{"event_type": "start", "event": {"type": "video", "format": "h264", "timing": true}}',
            Start("h264", timing=True),
        ),
        (
            '{"event_type": "start", "event": {"type": "video", "format": "h264", "timing": "x"}}',
            Start("h264"),
        ),
        (b"\x0212345678", ClockWanted(b"12345678")),
        (
            '{"event_type": "painted", "event": {"latency_s": [0.034, 1, -0.001]}}',
            Painted((0.034, 1, -0.001)),
        ),
        ('{"event_type": "painted", "event": {"latency_s": []}}', Painted(())),
    ],
)
def test_wishes(message: str | bytes, wish: object) -> None:
    assert decode(message) == wish


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x02",
        b"\x021234567",
        b"\x02123456789",
        b"\x03",
        b"\xff",
        "",
        "no JSON",
        "[]",
        '{"event_type": "start"}',
        '{"event_type": 1, "event": {}}',
        '{"event_type": "ping", "event": {}}',
        '{"event_type": "start", "event": {}}',
        '{"event_type": "start", "event": {"type": "audio", "format": "opus"}}',
        '{"event_type": "start", "event": {"type": "video", "format": null}}',
        '{"event_type": "start", "event": {"type": ["video"], "format": "jpeg"}}',
        '{"event_type": "painted", "event": {}}',
        '{"event_type": "painted", "event": {"latency_s": 1}}',
        '{"event_type": "painted", "event": {"latency_s": ["1"]}}',
        '{"event_type": "painted", "event": {"latency_s": [true]}}',
        '{"event_type": "painted", "event": {"latency_s": [61]}}',
        f'{{"event_type": "painted", "event": {{"latency_s": [{", ".join(["0.1"] * 121)}]}}}}',
    ],
)
def test_what_is_ignored(message: str | bytes) -> None:
    with pytest.raises(BadMessageError):
        decode(message)


@given(st.binary() | st.text())
def test_nothing_else_comes_out_of_a_message(message: str | bytes) -> None:
    try:
        wish = decode(message)
    except BadMessageError:
        return
    assert isinstance(wish, (Start, Ping, KeyFrameWanted, ClockWanted, Painted))


def test_times_and_the_clock_are_numbers_in_network_order() -> None:
    times = encode_times(FrameTimes(1.0, 2.0, 3.0, 4.0), 5.0)
    assert times[0] == 2
    assert struct.unpack(">5d", times[1:]) == (1.0, 2.0, 3.0, 4.0, 5.0)
    clock = encode_clock(b"12345678", 6.0, 7.0)
    assert clock[:9] == b"\x0312345678"
    assert struct.unpack(">2d", clock[9:]) == (6.0, 7.0)


# -- the queue ---------------------------------------------------------------------------------------------


def taken(queue: FrameQueue) -> list[bytes]:
    data = []
    while (frame := queue.take()) is not None:
        data.append(frame.data)
    return data


def test_of_independent_frames_the_newest_wins() -> None:
    queue = FrameQueue()
    for data in (b"1", b"2", b"3"):
        assert not queue.put(jpeg(data))
    assert len(queue) == 1
    assert taken(queue) == [b"3"]
    assert queue.dropped == 2


def test_nothing_is_shown_before_the_first_key_frame() -> None:
    queue = FrameQueue()
    assert not queue.put(video(b"1"))
    assert not queue.put(video(b"2", key=True))
    assert not queue.put(video(b"3"))
    assert taken(queue) == [b"2", b"3"]


def test_an_overflow_throws_everything_away_and_wants_a_key_frame() -> None:
    queue = FrameQueue()
    queue.put(video(b"key", key=True))
    for number in range(CAPACITY - 1):
        assert not queue.put(video(b"%d" % number))
    assert len(queue) == CAPACITY == 32
    assert queue.put(video(b"too much")) == {"h264"}
    assert len(queue) == 0
    # Asked for once; what comes before it cannot be shown.
    assert not queue.put(video(b"useless"))
    assert not queue.put(video(b"key", key=True))
    assert not queue.put(video(b"next"))
    assert taken(queue) == [b"key", b"next"]
    assert queue.dropped == CAPACITY + 2


def test_a_key_frame_that_does_not_fit_is_where_it_goes_on() -> None:
    queue = FrameQueue(capacity=2)
    queue.put(video(b"1", key=True))
    queue.put(video(b"2"))
    assert not queue.put(video(b"3", key=True))
    assert not queue.put(video(b"4"))
    assert taken(queue) == [b"3", b"4"]


def test_a_picture_that_does_not_fit_makes_room_for_itself() -> None:
    queue = FrameQueue(capacity=2)
    queue.put(video(b"1", key=True))
    queue.put(video(b"2"))
    assert queue.put(jpeg(b"picture")) == {"h264"}
    assert not queue.put(video(b"3"))
    assert taken(queue) == [b"picture"]


KINDS = st.sampled_from(["jpeg", "key", "delta", "take"])


@given(st.lists(KINDS, max_size=120), st.integers(1, 6))
def test_what_is_taken_can_always_be_shown(steps: list[str], capacity: int) -> None:
    queue = FrameQueue(capacity)
    made: list[MediaFrame] = []
    shown: list[MediaFrame] = []
    for step in steps:
        if step == "take":
            frame = queue.take()
            if frame is not None:
                shown.append(frame)
            continue
        data = b"%d" % len(made)
        frame = jpeg(data) if step == "jpeg" else video(data, key=step == "key")
        made.append(frame)
        queue.put(frame)
        assert len(queue) <= capacity
    waiting = len(queue)
    assert len(shown) + queue.dropped + waiting == len(made)
    numbers = [int(frame.data) for frame in shown]
    assert numbers == sorted(set(numbers))
    h264 = [frame for frame in made if not frame.independent]
    places = {id(frame): place for place, frame in enumerate(h264)}
    last = None
    for frame in shown:
        if frame.independent:
            continue
        # A delta is shown only right behind the frame that it builds on.
        place = places[id(frame)]
        assert frame.key or (last is not None and place == last + 1)
        last = place
