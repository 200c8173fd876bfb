from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drivers.gpio.edges import EdgeTracker, EventClock, KernelEdge


def edges(*levels: bool, first: int = 1) -> list[KernelEdge]:
    return [KernelEdge(level, 1000 * number, number) for number, level in enumerate(levels, first)]


def levels(changes: list[KernelEdge]) -> list[bool]:
    return [change.level for change in changes]


def test_alternating_edges_pass_as_they_are() -> None:
    tracker = EdgeTracker(level=False)
    events = edges(True, False, True)
    assert tracker.take(events) == events
    assert (tracker.level, tracker.seen, tracker.lost, tracker.blinks, tracker.unsure) == (
        True,
        3,
        0,
        0,
        False,
    )


def test_an_edge_to_where_the_line_was_is_a_blink() -> None:
    tracker = EdgeTracker(level=False)
    assert levels(tracker.take(edges(False))) == [True, False]
    assert levels(tracker.take(edges(True, True, first=2))) == [True, False, True]
    assert (tracker.blinks, tracker.lost, tracker.unsure) == (2, 0, False)


def test_edges_from_before_the_level_was_read_are_known() -> None:
    tracker = EdgeTracker(level=True, since_ns=1500)
    assert levels(tracker.take(edges(True, False))) == [False]
    assert (tracker.seen, tracker.lost, tracker.blinks) == (2, 0, 0)


def test_a_gap_is_counted_and_makes_the_level_unsure_until_it_is_read() -> None:
    tracker = EdgeTracker(level=False)
    tracker.take(edges(True))
    assert levels(tracker.take(edges(False, True, first=5))) == [False, True]
    assert (tracker.lost, tracker.unsure) == (3, True)
    assert tracker.settle(True) is False
    assert (tracker.unsure, tracker.corrections) == (False, 0)
    tracker.take(edges(False, first=9))
    assert tracker.settle(True) is True
    assert (tracker.level, tracker.corrections) == (True, 1)


def test_events_lost_before_the_first_one_are_a_gap() -> None:
    tracker = EdgeTracker(level=False)
    tracker.take(edges(True, first=46))
    assert (tracker.lost, tracker.unsure) == (45, True)


def test_the_number_of_events_wraps_around() -> None:
    tracker = EdgeTracker(level=False)
    tracker.take([KernelEdge(True, 1, 2**32 - 1)])
    lost = tracker.lost
    tracker.take([KernelEdge(False, 2, 0), KernelEdge(True, 3, 1)])
    assert tracker.lost == lost
    tracker.take([KernelEdge(False, 4, 4)])
    assert tracker.lost == lost + 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=50), st.booleans(), st.data())
def test_changes_alternate_and_end_at_the_last_level_however_they_are_read(
    steps: list[tuple[bool, int]], first: bool, data: st.DataObject
) -> None:
    events, seqno, skipped = [], 0, 0
    for time_ns, (level, skip) in enumerate(steps):
        seqno += 1 + skip
        skipped += skip
        events.append(KernelEdge(level, time_ns, seqno))
    cut = data.draw(st.integers(0, len(events)))
    tracker = EdgeTracker(level=first)
    changes = tracker.take(events[:cut]) + tracker.take(events[cut:])
    assert all(before is not after for before, after in pairwise([first, *levels(changes)]))
    assert [change.time_ns for change in changes] == sorted(change.time_ns for change in changes)
    assert tracker.level is (events[-1].level if events else first)
    assert tracker.level is (changes[-1].level if changes else first)
    assert (tracker.seen, tracker.lost, tracker.unsure) == (len(events), skipped, skipped > 0)


def test_events_are_dated_on_the_other_clock_by_the_best_reading() -> None:
    # Before and after each reading of the other clock; the second pair is the narrowest.
    monotonic_ns = iter([0, 5000, 10_000, 10_200, 20_000, 29_000, 30_000, 33_000, 40_000, 49_000])
    other_s = iter([7.0, 100.0, 7.0, 7.0, 7.0])
    clock = EventClock.measure(lambda: next(monotonic_ns), lambda: next(other_s))
    assert clock.seconds(10_100, now_s=200) == 100.0
    assert clock.seconds(2_000_010_100, now_s=200) == 102.0


def test_no_event_is_in_the_future() -> None:
    assert EventClock(offset_s=0).seconds(5_000_000_000, now_s=4.5) == 4.5
