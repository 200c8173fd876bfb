from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.streamer.frames import FrameTimes
from firmware.subsystems.streamer.latency import RECENT, LatencyMeter


def test_stages_are_the_differences_of_a_frames_times() -> None:
    meter = LatencyMeter()
    assert meter.state() == {}
    times = FrameTimes(10.0, 10.004, 10.014, 10.034)
    meter.encoded(times)
    meter.sent(times, 10.035)
    meter.painted(0.06)
    medians = {name: stage.p50_ms for name, stage in meter.state().items()}
    assert medians == {"capture": 4, "queue": 10, "encode": 20, "send": 1, "total": 35, "paint": 60}
    assert meter.state()["encode"].up_to_ms["10"] == 0
    assert meter.state()["encode"].up_to_ms["25"] == 1


def test_a_capture_whose_clock_is_ahead_is_not_negative() -> None:
    meter = LatencyMeter()
    meter.encoded(FrameTimes(10.1, 10.0, 10.0, 10.0))
    assert meter.state()["capture"].p50_ms == 0


@given(st.lists(st.floats(0, 2), min_size=1, max_size=2 * RECENT))
def test_quantiles_are_of_the_last_observations_and_counts_of_all(seconds: list[float]) -> None:
    meter = LatencyMeter()
    for each in seconds:
        meter.painted(each)
    stage = meter.state()["paint"]
    recent = seconds[-RECENT:]
    assert stage.count == len(seconds)
    assert stage.up_to_ms["250"] == sum(each <= 0.25 for each in seconds)
    for share, quantile_ms in ((0.5, stage.p50_ms), (0.95, stage.p95_ms), (0.99, stage.p99_ms)):
        quantile_s = quantile_ms / 1000
        assert sum(each <= quantile_s + 0.00001 for each in recent) >= share * len(recent)
        assert sum(each < quantile_s - 0.00001 for each in recent) <= share * len(recent)
    assert meter.histograms["paint"].total == pytest.approx(sum(seconds))
