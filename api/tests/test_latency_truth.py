"""The latency meter against ground truth: the time that the emulated display draws into each picture."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio
from peers.mjpeg_client import MjpegClient, Part

from api.tests.conftest import CREDENTIALS

RATE_HZ = 30
FRAME_S = 1 / RATE_HZ
FRAMES = 40
SCREEN = """
kvmd: {{streamer: {{resolution: {{default: {size}, available: [1920x1080, 1280x720]}}}}}}
farhand: {{emulated: {{time_stripe: true, motion: true}}}}
"""


def watch(url: str, enough: Callable[[list[Part]], bool]) -> list[Part]:
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    client = MjpegClient(host, int(port), "/streamer/stream?extra_headers=1", CREDENTIALS)
    end = time.monotonic() + 60
    while not enough(client.parts) and time.monotonic() < end:
        time.sleep(FRAME_S)
    return client.close()


@pytest.mark.parametrize("size", ["1280x720", "1920x1080"])
async def test_what_the_meter_says_is_true_to_a_frame(live_with: Any, size: str) -> None:
    async with live_with(SCREEN.format(size=size)) as live, live.websocket("?stream=1"):
        with trio.fail_after(30):
            while (await live.http.get("/streamer/state")).status_code != 200:
                await trio.sleep(0.05)
        parts = await trio.to_thread.run_sync(watch, live.url, lambda parts: len(parts) > FRAMES)
        state = await live.result_of(await live.http.get("/api/streamer"))
    # The first one may be as old as it likes.
    seen = [(part.headers, part.drawn_s()) for part in parts[1:]]
    known = [(headers, drawn_s) for headers, drawn_s in seen if drawn_s is not None]
    assert len(known) == len(seen) >= FRAMES

    def told_s(headers: Any, name: str) -> float:
        return float(headers[f"x-ustreamer-{name}-time"])

    captured = [told_s(headers, "grab-begin") - drawn_s for headers, drawn_s in known]
    assert abs(statistics.median(captured)) <= FRAME_S
    # As old as the picture is when it is sent, the meter says that it is.
    true_age_s = statistics.median(told_s(headers, "send") - drawn_s for headers, drawn_s in known)
    told_age_s = state["streamer"]["latency"]["jpeg"]["total"]["p50_ms"] / 1000
    assert abs(told_age_s - true_age_s) <= FRAME_S
