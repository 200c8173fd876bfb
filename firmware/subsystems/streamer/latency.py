"""How long frames take from stage to stage: histograms since the start, and quantiles of the last seconds.

Without a clock: whoever has the times tells them. All times are seconds of `time.monotonic`, so that those
of a capture, of an encoder in another process, and of a browser that has estimated our clock can be compared.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from firmware.core.histogram import Histogram
from firmware.state.streamer import StageLatency
from firmware.subsystems.streamer.frames import FrameTimes

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""From a fast desk to a slow board with a large picture; at 1 s nobody can work any more."""

RECENT: Final = 256
"""Observations that quantiles are of: some eight seconds of one client."""


class Stage(enum.StrEnum):
    """A part of a frame's way, or the whole of it."""

    CAPTURE = "capture"
    """From the capture's time stamp until we had the frame."""
    QUEUE = "queue"
    """Until its encoding began."""
    ENCODE = "encode"
    """Until it was encoded."""
    SEND = "send"
    """Until it was given to a client's connection; once for each client."""
    TOTAL = "total"
    """From the capture's time stamp to the client's connection; once for each client."""
    PAINT = "paint"
    """From the capture's time stamp until it was on a screen, as browsers tell."""


class LatencyMeter:
    """The times of one format's frames."""

    def __init__(self) -> None:
        self._histograms = {stage: Histogram(BOUNDS_S) for stage in Stage}
        self._recent: dict[Stage, deque[float]] = {stage: deque(maxlen=RECENT) for stage in Stage}

    @property
    def histograms(self) -> Mapping[str, Histogram]:
        """All observations since the start."""
        return MappingProxyType({str(stage): each for stage, each in self._histograms.items()})

    def encoded(self, times: FrameTimes) -> None:
        """Count a captured frame that was encoded."""
        self._observe(Stage.CAPTURE, times.grab_end - times.grab_begin)
        self._observe(Stage.QUEUE, times.encode_begin - times.grab_end)
        self._observe(Stage.ENCODE, times.encode_end - times.encode_begin)

    def sent(self, times: FrameTimes, now_s: float) -> None:
        """Count a frame that is given to a client's connection now."""
        self._observe(Stage.SEND, now_s - times.encode_end)
        self._observe(Stage.TOTAL, now_s - times.grab_begin)

    def painted(self, latency_s: float) -> None:
        """Count a frame that a client has shown, *latency_s* after it was captured."""
        self._observe(Stage.PAINT, latency_s)

    def state(self) -> dict[str, StageLatency]:
        """Return each stage that has any observations."""
        return {
            stage: _summary(histogram, sorted(self._recent[stage]))
            for stage, histogram in self._histograms.items()
            if self._recent[stage]
        }

    def _observe(self, stage: Stage, seconds: float) -> None:
        # Clocks of captures may be ahead of ours by a little.
        seconds = max(seconds, 0.0)
        self._histograms[stage].observe(seconds)
        self._recent[stage].append(seconds)


def _summary(histogram: Histogram, recent: list[float]) -> StageLatency:
    def quantile_ms(share: float) -> float:
        return round(recent[min(int(share * len(recent)), len(recent) - 1)] * 1000, 2)

    cumulative = histogram.cumulative()
    return StageLatency(
        p50_ms=quantile_ms(0.5),
        p95_ms=quantile_ms(0.95),
        p99_ms=quantile_ms(0.99),
        count=cumulative[-1][1],
        up_to_ms={f"{bound * 1000:g}": count for bound, count in cumulative[:-1]},
    )
