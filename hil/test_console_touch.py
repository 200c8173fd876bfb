"""Fingers on the console's screen, as the target's own status line tells what its mouse does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from console_page import ROUND_TRIP_DEADLINE_S, RunningAppliance, Target, eventually, log_in
from playwright.sync_api import Browser, CDPSession, Page, expect

pytestmark = pytest.mark.browser

STATUS = re.compile(r"mouse (\d+),(\d+) \[(.{5})\] clicks (\d+) wheel (-?\d+),(-?\d+)")


@pytest.fixture
def phone(browser: Browser, appliance: RunningAppliance) -> Iterator[Page]:
    """The console on a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    log_in(page, appliance)
    expect(page.locator("#video")).to_have_attribute("data-loaded", "true", timeout=20_000)
    yield page
    context.close()
    assert complaints == []


class Fingers:
    """Fingers by places of the picture, 0..1 on both axes."""

    def __init__(self, page: Page) -> None:
        self._devtools: CDPSession = page.context.new_cdp_session(page)
        box = page.locator("#video").bounding_box()
        assert box is not None
        self._box = box

    def at(self, kind: str, *places: tuple[float, float]) -> None:
        points: list[dict[str, Any]] = [
            {
                "id": number,
                "x": self._box["x"] + x * self._box["width"],
                "y": self._box["y"] + y * self._box["height"],
            }
            for number, (x, y) in enumerate(places)
        ]
        self._devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def tap(self, *places: tuple[float, float]) -> None:
        self.at("touchStart", *places)
        self.at("touchEnd")


def test_fingers_point_click_drag_and_turn_the_wheel(phone: Page, target: Target) -> None:
    def status() -> tuple[int, int, str, int, tuple[int, int]]:
        found = STATUS.search(target.text())
        assert found is not None, "expected the emulated PC's status line"
        x, y, buttons, clicks, wheel, pan = found.groups()
        return int(x), int(y), buttons, int(clicks), (int(wheel), int(pan))

    fingers = Fingers(phone)
    fingers.tap((0.25, 0.75))
    x, y, buttons, *_ = eventually(status, lambda now: now[3] == 1, ROUND_TRIP_DEADLINE_S)
    assert abs(x - 320) <= 4
    assert abs(y - 540) <= 4
    assert buttons == "-----"

    # A drag holds the left button from where it began.
    fingers.at("touchStart", (0.2, 0.2))
    for step in range(1, 9):
        fingers.at("touchMove", (0.2 + step * 0.05, 0.2))
    eventually(status, lambda now: now[2] != "-----" and abs(now[0] - 768) <= 4, ROUND_TRIP_DEADLINE_S)
    fingers.at("touchEnd")
    eventually(status, lambda now: now[2] == "-----", ROUND_TRIP_DEADLINE_S)

    # Two fingers up the screen: what they push goes up, so the wheel turns down.
    fingers.at("touchStart", (0.3, 0.9), (0.6, 0.9))
    for step in range(1, 9):
        fingers.at("touchMove", (0.3, 0.9 - step * 0.1), (0.6, 0.9 - step * 0.1))
    fingers.at("touchEnd")
    eventually(status, lambda now: now[4][0] < 0 and now[2] == "-----", ROUND_TRIP_DEADLINE_S)

    # As a trackpad, the pointer goes by the way of the finger and not to its place.
    phone.locator("#rail-mouse").click()
    phone.locator("#touch-mode").select_option("trackpad")
    phone.locator("#panel-close").click()
    fingers = Fingers(phone)
    before = status()
    fingers.at("touchStart", (0.9, 0.9))
    fingers.at("touchMove", (0.85, 0.9))
    fingers.at("touchMove", (0.8, 0.9))
    fingers.at("touchEnd")
    moved = eventually(status, lambda now: now[0] < before[0] - 50, ROUND_TRIP_DEADLINE_S)
    assert abs(moved[1] - before[1]) <= 4
    fingers.tap((0.5, 0.5), (0.6, 0.5))
    eventually(status, lambda now: now[3] == moved[3] + 1 and now[2] == "-----", ROUND_TRIP_DEADLINE_S)
