"""How the picture is shown and what is done with it: turned, in its size, full screen, recorded, set up."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from console_page import (
    ROUND_TRIP_DEADLINE_S,
    SCREEN_SIZE_PX,
    RunningAppliance,
    Target,
    address,
    eventually,
    log_in,
    screen_box,
)
from playwright.sync_api import FloatRect, Page, expect

pytestmark = pytest.mark.browser

MOUSE = re.compile(r"mouse (\d+),(\d+) ")


def seen_box(page: Page) -> FloatRect:
    """Where the picture is seen on the page."""
    box = page.locator("#video").bounding_box()
    assert box is not None
    return box


def pointer_of(target: Target) -> tuple[int, int]:
    """Where the target's own status line says that its pointer is."""
    found = MOUSE.search(target.text())
    assert found is not None, "expected the emulated PC's status line"
    return int(found[1]), int(found[2])


def expect_pointer(target: Target, wanted: tuple[float, float]) -> None:
    eventually(
        lambda: pointer_of(target),
        lambda now: abs(now[0] - wanted[0]) <= 2 and abs(now[1] - wanted[1]) <= 2,
        ROUND_TRIP_DEADLINE_S,
    )


def test_the_pointer_is_where_it_is_seen_on_a_turned_picture(console: Page, target: Target) -> None:
    console.locator("#rail-video").click()
    last_x, last_y = SCREEN_SIZE_PX[0] - 1, SCREEN_SIZE_PX[1] - 1
    across, down = 0.3, 0.2
    expected = {90: (down, 1 - across), 180: (1 - across, 1 - down), 270: (1 - down, across)}
    for degrees, (x, y) in expected.items():
        console.locator(f"#rotate-{degrees}").click()
        expect(console.locator("#video")).to_have_attribute("data-rotation", str(degrees))
        box = seen_box(console)
        assert (box["width"] < box["height"]) == (degrees != 180)
        console.mouse.move(box["x"] + across * (box["width"] - 1), box["y"] + down * (box["height"] - 1))
        expect_pointer(target, (x * last_x, y * last_y))


def test_in_its_actual_size_the_picture_follows_the_pointer(console: Page, target: Target) -> None:
    console.set_viewport_size({"width": 900, "height": 600})
    console.locator("#rail-video").click()
    console.locator("#view-scale").select_option("actual")
    box = seen_box(console)
    assert [box["width"], box["height"]] == list(SCREEN_SIZE_PX)
    screen = screen_box(console)
    last_x, last_y = SCREEN_SIZE_PX[0] - 1, SCREEN_SIZE_PX[1] - 1
    for share_x, share_y in ((0, 0), (1, 1)):
        console.mouse.move(
            screen["x"] + share_x * (screen["width"] - 1),
            screen["y"] + share_y * (screen["height"] - 1),
            steps=2,
        )
        expect_pointer(target, (share_x * last_x, share_y * last_y))


def test_full_screen_is_entered_with_the_keyboard_at_the_target(console: Page, target: Target) -> None:
    console.locator("#rail-video").click()
    console.locator("#full-screen").click()
    eventually(
        lambda: console.evaluate("document.fullscreenElement?.className"),
        lambda name: name == "stage",
        ROUND_TRIP_DEADLINE_S,
    )
    expect(console.locator("#screen")).to_be_focused()
    console.keyboard.type("x")
    eventually(target.text, lambda text: text.rstrip().split("\n")[0].count("x") > 0, ROUND_TRIP_DEADLINE_S)
    console.evaluate("document.exitFullscreen()")


def test_a_recording_is_a_video_of_the_picture(console: Page, tmp_path: Path) -> None:
    console.locator("#rail-video").click()
    console.locator("#record").click()
    # It goes on without its panel.
    console.locator("#rail-mouse").click()
    activity = console.locator("#activity-recording")
    expect(activity).to_contain_text("Recording 0:02", timeout=30_000)
    activity.click()
    with console.expect_download() as caught:
        console.locator("#record").click()
    expect(activity).to_have_count(0)
    caught_file = tmp_path / "screen.webm"
    caught.value.save_as(caught_file)
    asked = "stream=codec_name,width,height,nb_read_frames"
    probe = subprocess.run(
        [
            "ffprobe",
            "-v",
            "error",
            "-count_frames",
            "-show_entries",
            asked,
            "-of",
            "csv=p=0",
            str(caught_file),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    codec, width, height, frames = probe.stdout.strip().split(",")
    assert codec.startswith("vp")
    assert (int(width), int(height)) == SCREEN_SIZE_PX
    assert int(frames) > 1


def test_the_transport_can_be_chosen(console: Page) -> None:
    console.locator("#rail-video").click()
    expect(console.locator("#video")).to_have_attribute("data-transport", "jpeg")
    console.locator("#transport-wish").select_option("mjpeg")
    expect(console.locator("#video")).to_have_attribute("data-transport", "mjpeg")
    expect(console.locator("#video")).to_have_attribute("data-loaded", "true", timeout=10_000)
    expect(console.locator("#transport-now")).to_contain_text("Now MJPEG. It was chosen")
    console.locator("#transport-wish").select_option("auto")
    expect(console.locator("#video")).to_have_attribute("data-transport", "jpeg")
    expect(console.locator("#video")).to_have_attribute("data-loaded", "true", timeout=10_000)


def test_the_streamer_and_the_monitor_are_set_up(
    page: Page, appliance: RunningAppliance, target: Target
) -> None:
    log_in(page, appliance)
    page.goto(address(appliance, "/#/video"))
    quality = page.locator("#param-quality")
    expect(quality).to_have_value("80")
    quality.focus()
    page.keyboard.press("Home")
    expect(quality).to_have_value("1")
    eventually(
        lambda: target.get("/api/streamer")["applied"]["quality"], lambda now: now == 1, ROUND_TRIP_DEADLINE_S
    )
    # Nothing of H.264 without it.
    assert target.get("/api/streamer")["features"]["h264"] is False
    expect(page.locator("#param-bitrate")).to_have_count(0)

    expect(page.locator("#edid-told")).to_contain_text("Farhand, 1920\N{MULTIPLICATION SIGN}1080 preferred")
    before = page.locator("#edid-data").input_value()
    page.locator("#edid-data").fill("00FF")
    page.locator("#edid-set").click()
    expect(page.locator("#notices")).to_contain_text("Monitor that the target sees: expected")
    assert target.get("/api/streamer/edid")["edid"]["source"] == "config"
    page.locator("#edid-data").fill(before)
    page.locator("#edid-set").click()
    expect(page.locator("#edid-default")).to_have_attribute("aria-disabled", "false")
    assert target.get("/api/streamer/edid")["edid"]["source"] == "api"
    page.locator("#edid-default").click()
    expect(page.locator("#edid-default")).to_have_attribute("aria-disabled", "true")
    assert target.get("/api/streamer/edid")["edid"]["source"] == "config"
