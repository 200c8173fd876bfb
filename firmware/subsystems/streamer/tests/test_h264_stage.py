"""What each listener of the H.264 stage gets, however fast it is; the encoder itself is tested beside it."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.streamer.h264_stage import FEED_PICTURES, H264Feed, H264Frame, H264Stage


def frame(number: int, *, key: bool = False) -> H264Frame:
    return H264Frame(b"%d" % number, key, None)


@given(st.lists(st.sampled_from(["key", "delta", "take"]), max_size=200))
def test_what_a_listener_gets_can_be_decoded(events: list[str]) -> None:
    """From a key frame on nothing is missing up to the next key frame, and what was lost is asked for."""
    demands, made, taken = [0], list[H264Frame](), list[int]()

    def demand() -> None:
        demands[0] += 1

    feed = H264Feed(demand)
    for event in events:
        if event != "take":
            made.append(frame(len(made), key=event == "key"))
            feed.put(made[-1])
        elif feed.waiting:
            taken.append(int(feed.take().data))
        assert feed.waiting <= FEED_PICTURES
    for place, number in enumerate(taken):
        follows = place > 0 and number == taken[place - 1] + 1
        assert made[number].key or follows
    losses = sum(later != earlier + 1 for earlier, later in itertools.pairwise(taken))
    assert demands[0] <= len(made) // FEED_PICTURES
    assert losses <= len(made) // FEED_PICTURES


async def test_nobody_listens_then_somebody_does() -> None:
    stage = H264Stage(lambda: None)
    assert not stage.wanted
    with stage.listen() as feed:
        assert stage.audience.count.value == 1
        # There is no encoder yet.
        assert not stage.wanted
        feed.put(frame(1))
        feed.put(frame(2, key=True))
        assert (await feed.next()).data == b"2"
    assert stage.audience.count.value == 0
