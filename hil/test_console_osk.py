"""The on-screen keyboard: what fingers press there arrives at the target, and nothing stays down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from console_page import ROUND_TRIP_DEADLINE_S, RunningAppliance, eventually, log_in
from hid_trace import HidTrace
from playwright.sync_api import Browser, expect

from drivers.wire.hid_usages import KEYS

pytestmark = pytest.mark.browser

SHIFT, ALTGR = 0x02, 0x40


def report(modifiers: int, *names: str) -> bytes:
    return bytes([modifiers, 0, *(KEYS[name].usage for name in names)]).ljust(8, b"\0")


@pytest.fixture
def traced(tmp_path: Path, start_appliance: Callable[..., RunningAppliance]) -> RunningAppliance:
    """An appliance whose emulated PC writes its reports down."""
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    (config / "override.yaml").write_text(f"farhand: {{emulated: {{hid_trace: {tmp_path / 'trace'}}}}}\n")
    return start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")


def test_a_phone_types_with_sticky_modifiers(
    browser: Browser, traced: RunningAppliance, tmp_path: Path
) -> None:
    trace = HidTrace(tmp_path / "trace")
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = context.new_page()
    log_in(page, traced)
    page.locator("#osk-toggle").tap()
    key = page.locator("#osk-KeyQ")
    expect(key).to_have_text("q")
    box = key.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 30, "expected a key for a finger"

    page.locator("#osk-ShiftLeft").tap()
    expect(key).to_have_text("Q")
    key.tap()
    expect(key).to_have_text("q")
    eventually(trace.keyboard, lambda reports: report(SHIFT, "KeyQ") in reports, ROUND_TRIP_DEADLINE_S)
    eventually(trace.held_keys, lambda held: held == set(), ROUND_TRIP_DEADLINE_S)

    # Twice locks it, the third time lets go.
    page.locator("#osk-ShiftLeft").tap()
    page.locator("#osk-ShiftLeft").tap()
    expect(page.locator("#osk-ShiftLeft")).to_have_attribute("data-sticky", "locked")
    key.tap()
    eventually(trace.held_keys, lambda held: held == {"ShiftLeft"}, ROUND_TRIP_DEADLINE_S)
    # And so does closing it.
    page.locator("#osk-close").tap()
    eventually(trace.held_keys, lambda held: held == set(), ROUND_TRIP_DEADLINE_S)

    # It is there again after a reload; its keys say what a German keyboard has on them.
    page.locator("#osk-toggle").tap()
    page.reload()
    page.locator("#osk-keymap").select_option("de")
    expect(page.locator("#osk-KeyY")).to_have_text("z")
    page.locator("#osk-AltRight").tap()
    expect(page.locator("#osk-KeyQ")).to_have_text("@")
    page.locator("#osk-KeyQ").tap()
    eventually(trace.keyboard, lambda reports: report(ALTGR, "KeyQ") in reports, ROUND_TRIP_DEADLINE_S)
    # The phone's own keyboard types by the same layout; what it deletes is deleted there.
    page.locator("#osk-soft").tap()
    page.keyboard.insert_text("z")
    eventually(trace.keyboard, lambda reports: report(0, "KeyY") in reports, ROUND_TRIP_DEADLINE_S)
    page.keyboard.press("Backspace")
    eventually(trace.keyboard, lambda reports: report(0, "Backspace") in reports, ROUND_TRIP_DEADLINE_S)
    page.keyboard.press("Enter")
    eventually(trace.keyboard, lambda reports: report(0, "Enter") in reports, ROUND_TRIP_DEADLINE_S)
    page.locator("#osk-page-functions").tap()
    page.locator("#osk-F12").tap()
    eventually(trace.keyboard, lambda reports: report(0, "F12") in reports, ROUND_TRIP_DEADLINE_S)
    eventually(trace.held_keys, lambda held: held == set(), ROUND_TRIP_DEADLINE_S)
    context.close()


def test_two_fingers_and_no_finger_at_all(browser: Browser, traced: RunningAppliance, tmp_path: Path) -> None:
    trace = HidTrace(tmp_path / "trace")
    context = browser.new_context(viewport={"width": 1400, "height": 900}, has_touch=True)
    page = context.new_page()
    log_in(page, traced)
    page.locator("#osk-toggle").tap()
    expect(page.locator("#osk-KeyA")).to_have_text("a")
    points = []
    for number, name in enumerate(("KeyA", "KeyB")):
        box = page.locator(f"#osk-{name}").bounding_box()
        assert box is not None
        points.append({"id": number, "x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2})
    devtools = context.new_cdp_session(page)
    devtools.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    eventually(trace.keyboard, lambda reports: report(0, "KeyA", "KeyB") in reports, ROUND_TRIP_DEADLINE_S)
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    eventually(trace.held_keys, lambda held: held == set(), ROUND_TRIP_DEADLINE_S)
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    # By the keyboard of who has no pointer.
    page.locator("#osk-KeyC").focus()
    page.keyboard.press("Enter")
    eventually(trace.keyboard, lambda reports: report(0, "KeyC") in reports, ROUND_TRIP_DEADLINE_S)
    eventually(trace.held_keys, lambda held: held == set(), ROUND_TRIP_DEADLINE_S)
    context.close()
