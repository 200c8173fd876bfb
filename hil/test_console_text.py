"""Text in both ways through the console: typed on the target, and read from its screen."""

from __future__ import annotations

import pytest
from console_page import ROUND_TRIP_DEADLINE_S, Target, command_line, eventually
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

OCR_DEADLINE_MS = 60_000


def test_a_text_is_typed_and_can_be_stopped(console: Page, target: Target) -> None:
    console.locator("#rail-text").click()
    console.locator("#paste-text").fill("echo 1 \u4e2d\n")
    console.locator("#paste-type").click()
    # Named, with its line, before anything is typed.
    expect(console.locator("#paste-text-words")).to_contain_text("“\u4e2d” in line 1")
    assert command_line(target.text()) == ""
    console.locator("#paste-type").click()
    eventually(target.text, lambda text: "\n1\n" in text, ROUND_TRIP_DEADLINE_S)
    expect(console.get_by_test_id("typing-progress")).to_contain_text("9 of 9 characters")

    # The layout is that of the target: what a German keyboard has as y and z comes out the other way round.
    console.locator("#paste-keymap").select_option("de")
    console.locator("#paste-text").fill("yz")
    console.locator("#paste-type").click()
    eventually(target.text, lambda text: command_line(text) == "zy", ROUND_TRIP_DEADLINE_S)
    console.locator("#screen").focus()
    console.keyboard.press("Enter")
    eventually(target.text, lambda text: command_line(text) == "", ROUND_TRIP_DEADLINE_S)

    console.locator("#paste-keymap").select_option("en-us")
    slow = console.locator("#paste-delay")
    slow.focus()
    console.keyboard.press("End")
    console.locator("#paste-text").fill("a" * 500)
    console.locator("#paste-type").click()
    # It goes on without its panel, and is stopped by the way of the status bar.
    console.locator("#rail-mouse").click()
    eventually(target.text, lambda text: "aa" in str(command_line(text)), ROUND_TRIP_DEADLINE_S)
    console.locator("#activity-typing").click()
    console.locator("#typing-stop").click()
    reason = console.locator("#typing-reason")
    expect(reason).to_contain_text("of 500 characters were typed")
    typed = int(str(reason.text_content()).split()[1])
    eventually(target.text, lambda text: command_line(text) == "a" * typed, ROUND_TRIP_DEADLINE_S)
    expect(console.locator("#typing-go-on")).to_be_visible()


def test_text_is_read_from_a_region_of_the_screen(console: Page, target: Target) -> None:
    console.keyboard.type("echo read this sentence")
    console.keyboard.press("Enter")
    eventually(target.text, lambda text: "\nread this sentence" in text, ROUND_TRIP_DEADLINE_S)
    rows = target.text().split("\n")
    row = rows.index("read this sentence")
    console.locator("#rail-text").click()
    console.locator("#ocr-select").click()
    selector = console.locator("#selector")
    expect(selector).to_be_focused()
    # Nothing goes to the target, and Escape leaves.
    console.keyboard.type("zzz")
    console.keyboard.press("Escape")
    expect(selector).to_have_count(0)
    expect(console.locator("#screen")).to_be_focused()
    assert "zzz" not in target.text()

    console.locator("#ocr-select").click()
    box = console.locator("#video").bounding_box()
    assert box is not None
    height = box["height"] / len(rows)
    top = box["y"] + height * row
    console.mouse.move(box["x"] + 1, top - height * 0.3)
    console.mouse.down()
    console.mouse.move(box["x"] + box["width"] / 3, top + height * 1.3, steps=4)
    console.mouse.up()
    expect(console.locator("#ocr-result")).to_be_visible(timeout=OCR_DEADLINE_MS)
    found = console.locator("#ocr-result").input_value()
    # Blanks between the letters of a screen's font are Tesseract's guess; other lines are not in the region.
    assert "readthissentence" in "".join(found.split())
    assert "farhand" not in found
    console.locator("#ocr-type").click()
    expect(console.locator("#paste-text")).to_have_value(found)
    assert "mouse" in target.text()
    assert "clicks 0" in target.text(), "expected that the selection does not click on the target"
