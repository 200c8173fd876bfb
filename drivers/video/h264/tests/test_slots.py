"""Which slot is written, which picture is encoded, and when a picture that stands still rests."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from drivers.video.frame import Colour, ColourRange
from drivers.video.h264.slots import COUNT, MOST_REPEATS, QUIET_REPEATS, Job, Picture, Slots

FAIR_BYTES = 20_000
SMALL, LARGE = 12, 50_000


def picture(slot: int, number: float = 0.0) -> Picture:
    return Picture(slot, 1920, 1080, Colour(), True, number, number)


def shown(slots: Slots, number: float = 0.0) -> Job:
    """Bring a new picture and have it encoded."""
    slots.written(picture(slots.free(), number))
    job = slots.next()
    assert job is not None
    return job


def test_the_newest_picture_wins() -> None:
    slots = Slots(gop=0, fair_bytes=FAIR_BYTES)
    assert slots.next() is None
    for number in range(5):
        slots.written(picture(slots.free(), number))
    job = slots.next()
    assert job is not None
    assert job.picture.grab_begin == 4
    assert slots.next() is None


def test_key_frames_on_demand_come_at_once_and_only_once() -> None:
    slots = Slots(gop=0, fair_bytes=FAIR_BYTES)
    slots.want_key_frame()
    assert slots.next() is None
    first = shown(slots)
    assert first.key
    slots.encoded(LARGE, key=True)
    assert not shown(slots, 1).key
    slots.encoded(LARGE, key=False)
    slots.want_key_frame()
    again = slots.next()
    assert again is not None
    assert again.key
    assert again.picture.grab_begin == 1
    assert slots.next() is None


def test_the_period_counts_pictures() -> None:
    for gop, expected in ((0, [0]), (1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 3, 6])):
        slots = Slots(gop=gop, fair_bytes=FAIR_BYTES)
        keys = []
        for number in range(7):
            key = shown(slots, number).key or number == 0
            slots.encoded(LARGE, key=key)
            if key:
                keys.append(number)
        assert keys == expected


def test_a_picture_is_repeated_until_nothing_gets_better() -> None:
    slots = Slots(gop=2, fair_bytes=FAIR_BYTES)
    shown(slots)
    slots.encoded(LARGE, key=True)
    for length in [LARGE] * 10 + [SMALL] * (QUIET_REPEATS - 1) + [LARGE] + [SMALL] * QUIET_REPEATS:
        job = slots.again()
        assert job is not None
        assert not job.key
        slots.encoded(length, key=False)
    assert slots.again() is None
    # A key frame may be coarser than what was there, so it is made better again.
    slots.want_key_frame()
    assert slots.next() is not None
    slots.encoded(LARGE, key=True)
    assert slots.again() is not None


def test_repeats_end() -> None:
    slots = Slots(gop=0, fair_bytes=FAIR_BYTES)
    shown(slots)
    repeats = 0
    while slots.again() is not None:
        slots.encoded(LARGE, key=False)
        repeats += 1
    assert repeats == MOST_REPEATS


def test_small_is_what_is_small_for_the_bit_rate() -> None:
    slots = Slots(gop=0, fair_bytes=100)
    shown(slots)
    for _ in range(QUIET_REPEATS + 1):
        slots.encoded(80, key=False)
        assert slots.repeats
    for _ in range(QUIET_REPEATS):
        slots.encoded(SMALL, key=False)
    assert not slots.repeats


def test_what_nobody_watches_is_forgotten() -> None:
    slots = Slots(gop=0, fair_bytes=FAIR_BYTES)
    shown(slots)
    slots.written(picture(slots.free(), 1))
    slots.want_key_frame()
    slots.forget()
    slots.encoded(LARGE, key=True)
    assert slots.newest is None
    assert slots.next() is None
    assert not slots.repeats
    slots.want_key_frame()
    assert slots.next() is None
    assert shown(slots, 2).key


def test_pictures_are_alike_by_what_their_bytes_mean() -> None:
    one = picture(0)
    assert one.alike(replace(one, slot=1, grab_begin=7.0, grab_end=8.0))
    for changes in ({"width": 2}, {"height": 2}, {"colour": Colour(ColourRange.LIMITED)}, {"online": False}):
        assert not one.alike(replace(one, **changes))


class SlotsMachine(RuleBasedStateMachine):
    """A source, a codec and clients that come and go, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = Slots(gop=3, fair_bytes=FAIR_BYTES)
        self.contents: dict[int, float] = {}
        self.writing: int | None = None
        self.encoding: Job | None = None
        self.number = 0.0

    @precondition(lambda self: self.writing is None)
    @rule()
    def begin_to_write(self) -> None:
        self.writing = self.slots.free()
        self.number += 1
        self.contents[self.writing] = self.number

    @precondition(lambda self: self.writing is not None)
    @rule(changed=st.booleans())
    def end_writing(self, changed: bool) -> None:
        assert self.writing is not None
        if changed:
            self.slots.written(picture(self.writing, self.contents[self.writing]))
            newest = self.slots.newest
            assert newest is not None
            assert newest.grab_begin == self.contents[self.writing]
        self.writing = None

    @precondition(lambda self: self.encoding is None)
    @rule(patient=st.booleans())
    def begin_to_encode(self, patient: bool) -> None:
        self.encoding = self.slots.again() if patient and self.slots.repeats else self.slots.next()

    @precondition(lambda self: self.encoding is not None)
    @rule(length=st.sampled_from([SMALL, LARGE]), key=st.booleans())
    def end_encoding(self, length: int, key: bool) -> None:
        assert self.encoding is not None
        self.slots.encoded(length, key=key or self.encoding.key)
        self.encoding = None

    @rule()
    def want_key_frame(self) -> None:
        self.slots.want_key_frame()

    @rule()
    def forget(self) -> None:
        self.slots.forget()

    @invariant()
    def nobody_writes_to_what_is_read(self) -> None:
        assert 0 <= self.slots.free() < COUNT
        if self.encoding is not None:
            assert self.encoding.picture.grab_begin == self.contents[self.encoding.picture.slot]
            assert self.writing != self.encoding.picture.slot
        newest = self.slots.newest
        if newest is not None:
            assert newest.grab_begin == self.contents[newest.slot]
            assert self.writing != newest.slot


TestSlotsMachine = SlotsMachine.TestCase
TestSlotsMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
