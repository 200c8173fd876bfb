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
from playwright.sync_api import Download, FloatRect, Page, expect

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


def video_file(path: Path) -> tuple[str, tuple[int, int], int]:
    """Return codec, size and number of frames of a file."""
    asked = "stream=codec_name,width,height,nb_read_frames"
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", asked, "-of", "csv=p=0", str(path)]
    probe = subprocess.run(command, capture_output=True, text=True, check=True)
    codec, width, height, frames = probe.stdout.strip().split(",")
    return codec, (int(width), int(height)), int(frames)


# What a browser does with a page that is not seen: it makes no frames.
LEAVE_THE_PAGE = """() => {
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    window.requestAnimationFrame = () => 0;
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_recording_is_a_video_of_each_size_of_the_picture(
    console: Page, target: Target, tmp_path: Path
) -> None:
    downloads: list[Download] = []

    def note(download: Download) -> None:
        downloads.append(download)

    console.on("download", note)
    console.locator("#rail-video").click()
    console.locator("#record").click()
    # It goes on without its panel, and without anybody who looks.
    console.locator("#rail-mouse").click()
    activity = console.locator("#activity-recording")
    expect(activity).to_contain_text("Recording 0:02", timeout=30_000)
    console.evaluate(LEAVE_THE_PAGE)
    target.post("/api/atx/click", button="reset")

    def files() -> int:
        console.wait_for_timeout(100)  # events of the page come while it is waited for
        return len(downloads)

    # The firmware's own screen is a smaller one than the system's.
    eventually(files, lambda count: count == 2, 60)
    activity.click()
    console.locator("#record").click()
    expect(activity).to_have_count(0)
    eventually(files, lambda count: count == 3, ROUND_TRIP_DEADLINE_S)
    sizes = []
    for number, download in enumerate(downloads):
        path = tmp_path / f"screen{number}.webm"
        download.save_as(path)
        codec, size, frames = video_file(path)
        assert codec.startswith("vp")
        assert frames > 1
        sizes.append(size)
    assert sizes == [SCREEN_SIZE_PX, (640, 480), SCREEN_SIZE_PX]


def test_a_window_floats_over_all_others(console: Page) -> None:
    console.locator("#rail-video").click()
    console.locator("#float").click()
    eventually(
        lambda: console.evaluate("document.pictureInPictureElement?.videoWidth ?? 0"),
        lambda width: width == SCREEN_SIZE_PX[0],
        ROUND_TRIP_DEADLINE_S,
    )
    console.evaluate("document.exitPictureInPicture()")


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
