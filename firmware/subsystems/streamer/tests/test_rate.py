from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.streamer.rate import RateMeter, SpacedRate


def test_whole_seconds_are_counted() -> None:
    meter = RateMeter()
    for number in range(45):
        meter.tick(10 + number / 30)
    assert meter.per_second(11.9) == 30
    assert meter.per_second(12.0) == 15
    assert meter.per_second(14.0) == 0
    assert meter.total == 45


@given(lots_s=st.lists(st.floats(0.01, 0.5), min_size=2, max_size=60), fps=st.sampled_from([5, 25, 30, 60]))
def test_the_rate_is_the_same_in_whatever_lots_events_are_told(lots_s: list[float], fps: int) -> None:
    meter = SpacedRate()
    now, told = 100.0, 0
    for number, lot_s in enumerate(lots_s):
        count = max(int(lot_s * fps), 1)
        now += count / fps
        told += count
        meter.tick(now, count)
        assert meter.per_second(now) == (fps if number else 0)
    assert meter.total == told


@pytest.mark.parametrize("pause_s", [1.0, 1.6])
def test_events_that_do_not_come_any_more(pause_s: float) -> None:
    meter = SpacedRate()
    assert meter.per_second(0) == 0
    for number in range(30):
        meter.tick(number / 30, 1)
    assert meter.per_second(29 / 30 + pause_s) == (30 if pause_s < 1.5 else 0)
