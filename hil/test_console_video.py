"""The console's live picture in a real browser: by which way it comes, how old it is, and what it follows."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from console_page import ROUND_TRIP_DEADLINE_S, RunningAppliance, Target, eventually, log_in, picture_size
from playwright.sync_api import Page, WebSocket, expect

from drivers.video import time_stripe

pytestmark = pytest.mark.browser

FRAME_INTERVAL_S = 1 / 30

# Keeps the stripes of the next 40 pictures that are painted, and when that was in seconds since 1970.
RECORD_STRIPES = f"""() => {{
    window.stripes = [];
    const prototype = CanvasRenderingContext2D.prototype;
    const draw = prototype.drawImage;
    prototype.drawImage = function (...parts) {{
        draw.apply(this, parts);
        if (window.stripes.length < 40) {{
            const time = (performance.timeOrigin + performance.now()) / 1000;
            const size = [{time_stripe.STRIPE_WIDTH_PX}, {time_stripe.STRIPE_HEIGHT_PX}];
            const rgba = this.getImageData(0, 0, ...size).data;
            window.stripes.push([time, Array.from(rgba.filter((_, index) => index % 4 === 1))]);
        }}
    }};
}}"""


WAYS = ["h264", "jpeg", "mjpeg"]


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    """By which of `WAYS` the picture is to come."""
    name: str = request.param
    return name


@pytest.fixture
def appliance(way: str, tmp_path: Path, start_appliance: Callable[..., RunningAppliance]) -> RunningAppliance:
    """The emulated board, whose pictures move all the time and tell when they were drawn."""
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    config.joinpath("override.yaml").write_text(
        "farhand: {emulated: {time_stripe: true, motion: true}}\n"
        + ("kvmd: {streamer: {h264_bitrate: {default: 5000}}}\n" if way == "h264" else "")
    )
    return start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")


@pytest.fixture
def media_sockets(page: Page) -> list[WebSocket]:
    """Every media socket that the page opens."""
    opened: list[WebSocket] = []
    page.on("websocket", lambda socket: opened.append(socket) if "/api/media/ws" in socket.url else None)
    return opened


@pytest.fixture
def video(
    page: Page, appliance: RunningAppliance, target: Target, way: str, media_sockets: list[WebSocket]
) -> Page:
    """The console of a target that is switched on, with a picture that comes by the wanted way."""
    if way == "mjpeg":
        # As behind a proxy that lets no such socket through.
        page.route_web_socket("**/api/media/ws", lambda socket: socket.close())
    log_in(page, appliance)
    if not target.is_on():
        page.locator("#atx-power").click()
    expect(page.locator("#overlay")).to_have_attribute("data-why", "", timeout=30_000)
    expect(page.locator("#video")).to_have_attribute("data-loaded", "true")
    expect(page.locator("#video")).to_have_attribute("data-transport", way)
    return page


@pytest.mark.parametrize("way", ["h264", "jpeg"], indirect=True)
def test_the_meter_agrees_with_the_time_in_the_picture(video: Page, target: Target) -> None:
    """What the page reports and shows, against the moment that is drawn into each picture."""
    video.evaluate(RECORD_STRIPES)
    recorded = partial(video.evaluate, "() => window.stripes.length")
    eventually(recorded, lambda count: count == 40, ROUND_TRIP_DEADLINE_S)
    # The same clock, told by the seconds since 1970 and by those since the machine's start.
    ahead_s = time.time() - time.monotonic()
    ages = []
    for painted_at, luma in video.evaluate("() => window.stripes"):
        drawn_at = time_stripe.read(bytes(luma), time_stripe.STRIPE_WIDTH_PX, near_s=painted_at - ahead_s)
        if drawn_at is not None:
            ages.append(painted_at - ahead_s - drawn_at)
    assert len(ages) > 20
    truth_s = statistics.median(ages)

    running: Any = target.get("/api/streamer")["streamer"]
    (reported,) = [stages["paint"] for stages in running["latency"].values() if "paint" in stages]
    assert abs(reported["p50_ms"] / 1000 - truth_s) <= FRAME_INTERVAL_S
    shown = re.fullmatch(r"(\d+) ms", video.locator("#video-latency").inner_text())
    assert shown is not None
    assert abs(int(shown[1]) / 1000 - truth_s) <= FRAME_INTERVAL_S


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_a_change_of_the_targets_resolution_is_followed_without_a_new_connection(
    video: Page, way: str, media_sockets: list[WebSocket]
) -> None:
    address = video.locator("#video-image").get_attribute("src")
    sockets = len(media_sockets)
    seen: list[str] = []

    def size() -> str:
        now = picture_size(video)
        if now and (not seen or seen[-1] != now):
            seen.append(now)
        return now

    # The firmware's own screen is a smaller one than the system's.
    video.locator("#atx-reset").click()
    video.locator("#confirm-yes").click()
    eventually(size, lambda now: now == "640x480", ROUND_TRIP_DEADLINE_S)
    eventually(size, lambda now: now == "1280x720", 60)
    assert len(media_sockets) == sockets
    assert video.locator("#video-image").get_attribute("src") == address
    assert (address is not None) is (way == "mjpeg")
