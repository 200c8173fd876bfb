from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.debounce import Debouncer


def test_the_first_change_shows_at_once_and_the_next_after_the_period() -> None:
    line = Debouncer(False, 0.1)
    assert line.feed(True, 10.0)
    assert not line.feed(False, 10.05)
    assert line.level is True
    assert line.deadline == 10.1
    assert line.settle(10.1)
    assert line.level is False


def test_a_change_that_was_taken_back_in_time_never_shows() -> None:
    line = Debouncer(False, 0.1)
    line.feed(True, 0.0)
    line.feed(False, 0.02)
    line.feed(True, 0.04)
    assert line.deadline is None
    assert not line.settle(1.0)
    assert line.level is True


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=60), st.floats(0, 0.5))
def test_changes_are_never_closer_than_the_period_and_the_last_level_wins(
    samples: list[tuple[bool, float]], period_s: float
) -> None:
    line = Debouncer(False, period_s)
    now, shown_at = 0.0, []
    for raw, step in samples:
        now += step
        if line.feed(raw, now):
            shown_at.append(now)
    deadline = line.deadline
    if deadline is not None and line.settle(max(now, deadline)):
        shown_at.append(max(now, deadline))
    assert all(b - a >= period_s - 1e-9 for a, b in pairwise(shown_at))
    if samples:
        line.settle(now + 10)
        assert line.level is samples[-1][0]
