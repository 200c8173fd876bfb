"""The web console in a real browser: from the login page to the target's own screen and back.

What the page did is never asked of the page alone: the API tells the state, and the target's screen is read
from a snapshot as a person would.
"""

from __future__ import annotations

import gzip
import re
from functools import partial
from pathlib import Path

import pytest
from console_page import (
    BOOT_DEADLINE_S,
    INITIAL_LOAD_LIMIT_BYTES,
    POINTER_NEIGHBOURHOOD_PX,
    ROUND_TRIP_DEADLINE_S,
    SCREEN_SIZE_PX,
    RunningAppliance,
    Target,
    address,
    command_line,
    eventually,
    picture_box,
    picture_size,
    screen_box,
)
from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


# ------------------------------------------------------------------------------------------ session


def test_a_failed_login_says_why_and_a_good_one_returns_to_the_deep_link(
    page: Page, appliance: RunningAppliance
) -> None:
    page.goto(address(appliance, "/#/some/view"))
    expect(page).to_have_url(address(appliance, "/login#/some/view"))
    error = page.locator("#login-error")
    expect(error).to_be_hidden()

    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill("not the password")
    page.keyboard.press("Enter")
    expect(error).to_contain_text("Wrong user name, password or one-time code")

    page.locator("#login-user").fill("Upper Case")
    page.keyboard.press("Enter")
    expect(error).to_contain_text("lower-case")

    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    page.locator("#login-code").fill("12345")
    page.keyboard.press("Enter")
    expect(error).to_contain_text("six digits")

    page.locator("#login-code").fill("")
    page.keyboard.press("Enter")
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")
    assert page.url == address(appliance, "/#/some/view")


def test_the_login_page_says_that_the_appliance_does_not_answer(
    page: Page, appliance: RunningAppliance
) -> None:
    page.goto(address(appliance, "/login"))
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    appliance.stop()
    page.locator("#login-submit").click()
    expect(page.locator("#login-error")).to_contain_text("does not answer")


def test_the_code_is_appended_to_the_password(page: Page, appliance: RunningAppliance) -> None:
    page.goto(address(appliance, "/login"))
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill("pass word")
    page.locator("#login-code").fill("123 456")
    with page.expect_request("**/api/auth/login") as caught:
        page.locator("#login-submit").click()
    assert caught.value.post_data == f"user={appliance.user}&passwd=pass+word123456"


def test_logging_out_ends_the_session(console: Page, appliance: RunningAppliance) -> None:
    cookies = {cookie["name"]: cookie["value"] for cookie in console.context.cookies()}
    console.locator("#logout").click()
    expect(console).to_have_url(address(appliance, "/login"))
    expect(console.locator("#login-user")).to_be_visible()
    answer = console.request.get(address(appliance, "/api/auth/check"))
    assert answer.status == 403, f"the session {cookies} outlived the logout"
    console.goto(address(appliance))
    expect(console).to_have_url(address(appliance, "/login"))


# -------------------------------------------------------------------------------------------- video


def test_the_picture_is_there_after_a_small_load(console: Page) -> None:
    loaded: dict[str, str] = {}
    console.on("response", lambda answer: loaded.update({answer.url: answer.request.resource_type}))
    console.reload()
    expect(console.locator("#video")).to_have_attribute("data-loaded", "true", timeout=10_000)
    expect(console.locator("#overlay")).to_have_attribute("data-why", "", timeout=10_000)
    wanted = "{}x{}".format(*SCREEN_SIZE_PX)
    eventually(partial(picture_size, console), lambda size: size == wanted, ROUND_TRIP_DEADLINE_S)
    expect(console.locator("#video-mode")).to_have_text("1280\N{MULTIPLICATION SIGN}720")

    parts = {url: kind for url, kind in loaded.items() if kind in {"document", "script", "stylesheet"}}
    assert set(parts.values()) == {"document", "script", "stylesheet"}
    load_bytes = sum(len(gzip.compress(console.request.get(url).body())) for url in parts)
    assert load_bytes < INITIAL_LOAD_LIMIT_BYTES, f"expected a small load, got {load_bytes} bytes of {parts}"


def test_a_screenshot_is_saved(console: Page, tmp_path: Path) -> None:
    with console.expect_download() as caught:
        console.locator("#snapshot").click()
    assert caught.value.suggested_filename.endswith(".jpg")
    caught.value.save_as(tmp_path / "screen.jpg")
    with Image.open(tmp_path / "screen.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", SCREEN_SIZE_PX)


def test_a_lost_connection_is_explained(console: Page, appliance: RunningAppliance) -> None:
    appliance.stop()
    expect(console.locator("#overlay")).to_have_attribute("data-why", "reconnecting", timeout=10_000)
    expect(console.locator("#overlay")).to_contain_text("Connection lost")
    expect(console.locator("#retry")).to_be_visible()
    expect(console.locator("#led-power")).to_have_attribute("data-state", "unknown")


# ----------------------------------------------------------------------------------------- keyboard


def test_what_is_typed_in_the_page_appears_on_the_target(console: Page, target: Target) -> None:
    console.keyboard.type("echo hello")
    eventually(target.text, lambda text: command_line(text) == "echo hello", ROUND_TRIP_DEADLINE_S)
    console.keyboard.press("Enter")
    # Alone on its line: the output, not the command.
    eventually(target.text, lambda text: "hello" in text.splitlines(), ROUND_TRIP_DEADLINE_S)


@pytest.mark.parametrize("leaving", ["window blur", "page hidden", "other element", "page hide"])
def test_a_held_key_is_released_when_the_page_loses_it(console: Page, target: Target, leaving: str) -> None:
    def typed_by_someone_else(key: str) -> str | None:
        # Its own way to the target, which does not end the page's hold.
        target.post("/api/hid/events/send_key", key=key)
        return command_line(target.text())

    console.keyboard.down("Shift")
    # The hold is real: someone else's key comes out shifted.
    eventually(
        partial(typed_by_someone_else, "KeyA"), lambda text: str(text)[-1:] == "A", ROUND_TRIP_DEADLINE_S
    )

    match leaving:
        case "window blur":
            console.evaluate("window.dispatchEvent(new Event('blur'))")
        case "page hidden":
            console.evaluate(
                "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true});"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )
        case "other element":
            console.locator("#cad").focus()
        case "page hide":
            console.close()

    eventually(
        partial(typed_by_someone_else, "KeyB"), lambda text: str(text)[-1:] == "b", ROUND_TRIP_DEADLINE_S
    )


def test_control_and_alt_give_the_keyboard_back_to_the_page(console: Page) -> None:
    console.keyboard.press("Tab")
    expect(console.locator("#screen")).to_be_focused()
    console.keyboard.press("Control+Alt")
    expect(console.locator("#screen")).not_to_be_focused()
    expect(console.locator("#atx-power")).to_be_focused()


def test_the_lock_leds_of_the_target_are_shown(console: Page, target: Target) -> None:
    caps = console.locator("#led-caps")
    before = target.get("/api/hid")["keyboard"]["leds"]["caps"]
    expect(caps).to_have_attribute("data-state", "on" if before else "off")
    console.keyboard.press("CapsLock")
    expect(caps).to_have_attribute("data-state", "off" if before else "on", timeout=10_000)
    assert target.get("/api/hid")["keyboard"]["leds"]["caps"] is not before


def test_control_alt_delete_is_sent_as_a_shortcut(console: Page) -> None:
    with console.expect_response("**/api/hid/events/send_shortcut?*") as caught:
        console.locator("#cad").click()
    assert caught.value.ok
    assert "keys=ControlLeft%2CAltLeft%2CDelete" in caught.value.url
    # A click on a tool does not take the keyboard away from the target.
    expect(console.locator("#screen")).to_be_focused()


# -------------------------------------------------------------------------------------------- mouse


def test_the_targets_pointer_follows_the_mouse(console: Page, target: Target) -> None:
    # A tall window, so that a mapping that ignores the bars above and below would miss by far.
    console.set_viewport_size({"width": 900, "height": 1000})
    box = picture_box(console)
    assert box["y"] - screen_box(console)["y"] > 100, "expected a letterbox"

    def move_to(share: float) -> None:
        console.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * share, steps=5)

    def look(share: float) -> Image.Image:
        picture = target.picture()
        x, y = round(picture.width * share), round(picture.height * share)
        reach = POINTER_NEIGHBOURHOOD_PX
        return picture.crop((x - reach, y - reach, x + reach, y + reach))

    def changed(share: float, before: Image.Image) -> bool:
        difference = ImageChops.difference(look(share), before).convert("L")
        # What JPEG changes by itself is far below.
        return difference.point(lambda level: 255 if level > 64 else 0).getbbox() is not None

    # Away from the text at the top and from where a pointer starts.
    parking, places = 0.3, (0.6, 0.9, 0.75)
    without = look(parking)
    move_to(parking)
    eventually(partial(changed, parking, without), bool, ROUND_TRIP_DEADLINE_S)
    empty = {place: look(place) for place in places}
    for place in places:
        move_to(place)
        eventually(partial(changed, place, empty[place]), bool, ROUND_TRIP_DEADLINE_S)
    move_to(parking)
    for place in places:
        eventually(partial(changed, place, empty[place]), lambda seen: not seen, ROUND_TRIP_DEADLINE_S)


def test_every_part_of_the_mouse_arrives_exactly(console: Page, target: Target) -> None:
    # The emulated PC's last line tells what its mouse does.
    form = re.compile(r"mouse (\d+),(\d+) \[(.{5})\] clicks (\d+) wheel (-?\d+),(-?\d+)")

    def status() -> tuple[tuple[int, int], str, int, tuple[int, int]]:
        found = form.search(target.text())
        assert found is not None, "expected the emulated PC's status line"
        x, y, buttons, clicks, wheel, pan = found.groups()
        return (int(x), int(y)), buttons, int(clicks), (int(wheel), int(pan))

    last_x, last_y = SCREEN_SIZE_PX[0] - 1, SCREEN_SIZE_PX[1] - 1
    box = picture_box(console)
    for share_x, share_y in ((1, 1), (0, 0), (1, 0), (0.25, 0.75), (0, 1), (0.5, 0.5)):
        console.mouse.move(
            box["x"] + share_x * (box["width"] - 1), box["y"] + share_y * (box["height"] - 1), steps=3
        )
        wanted = (share_x * last_x, share_y * last_y)
        eventually(
            status,
            lambda now, at=wanted: abs(now[0][0] - at[0]) <= 1 and abs(now[0][1] - at[1]) <= 1,  # type: ignore[misc] # a default binds the loop variable
            ROUND_TRIP_DEADLINE_S,
        )
    assert status()[1:] == ("-----", 0, (0, 0))

    console.mouse.click(box["x"] + 200, box["y"] + 200, button="right")
    console.mouse.down()
    eventually(status, lambda now: now[1] != "-----" and now[2] == 2, ROUND_TRIP_DEADLINE_S)
    console.evaluate("window.dispatchEvent(new Event('blur'))")
    eventually(status, lambda now: now[1] == "-----", ROUND_TRIP_DEADLINE_S)
    console.mouse.up()

    console.mouse.wheel(0, -300)
    console.mouse.wheel(100, 0)
    eventually(status, lambda now: now[3] == (3, 1), ROUND_TRIP_DEADLINE_S)


def test_the_back_button_of_the_mouse_belongs_to_the_target(console: Page) -> None:
    # Playwright's own mouse has three buttons.
    devtools = console.context.new_cdp_session(console)
    address = console.url
    box = screen_box(console)
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "clickCount": 1}
    with console.expect_response("**/api/hid/events/send_shortcut?*"):
        devtools.send(
            "Input.dispatchMouseEvent", {"type": "mousePressed", "button": "back", "buttons": 8, **where}
        )
        devtools.send(
            "Input.dispatchMouseEvent", {"type": "mouseReleased", "button": "back", "buttons": 0, **where}
        )
        # A round trip later the page is still here and still connected.
        console.locator("#cad").click()
    assert console.url == address
    expect(console.locator("#conn-state")).to_have_attribute("data-state", "online")


def test_the_mouse_can_be_switched_to_relative_and_back(console: Page, target: Target) -> None:
    console.locator("#rail-mouse").click()
    mode = console.locator("#mouse-mode")
    expect(mode).to_have_value("usb")
    mode.select_option("usb_rel")
    expect(console.locator("#screen")).to_have_attribute("data-mouse", "relative", timeout=10_000)
    expect(mode).to_have_value("usb_rel")
    expect(console.locator("#input-hint")).to_contain_text("catch the mouse")
    assert target.get("/api/hid")["mouse"]["absolute"] is False

    console.locator("#screen").click()
    expect(console.locator("#input-hint")).to_contain_text("Mouse caught")
    mode.select_option("usb")
    expect(console.locator("#screen")).to_have_attribute("data-mouse", "absolute", timeout=10_000)
    assert target.get("/api/hid")["mouse"]["absolute"] is True
    # The browser frees the pointer a moment after it was told to.
    eventually(lambda: console.evaluate("document.pointerLockElement === null"), bool, ROUND_TRIP_DEADLINE_S)


# -------------------------------------------------------------------------------------------- power


def test_holding_the_power_button_asks_first_and_then_switches_off(console: Page, target: Target) -> None:
    console.locator("#atx-power-long").click()
    expect(console.locator("#confirm")).to_contain_text("Force the target off?")
    expect(console.locator("#confirm-no")).to_be_focused()
    console.locator("#confirm-no").click()
    expect(console.locator("#confirm")).to_have_count(0)
    assert target.get("/api/atx")["busy"] is False

    console.locator("#atx-power-long").click()
    console.locator("#confirm-yes").click()
    expect(console.locator("#atx-power-long")).to_have_attribute("aria-disabled", "true")
    expect(console.locator("#led-power")).to_have_attribute("data-state", "off", timeout=20_000)
    assert not target.is_on()
    expect(console.locator("#overlay")).to_have_attribute("data-why", "target_off", timeout=10_000)
    # The words over the screen never take a click away from it.
    box = screen_box(console)
    top = console.evaluate(
        "([x, y]) => document.elementFromPoint(x, y)?.closest('#screen') !== null",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    assert top is True


def test_resetting_restarts_the_target(console: Page, target: Target) -> None:
    console.keyboard.type("marker")
    eventually(target.text, lambda text: "marker" in text, ROUND_TRIP_DEADLINE_S)
    console.locator("#atx-reset").click()
    expect(console.locator("#confirm")).to_contain_text("Reset the target?")
    console.locator("#confirm-yes").click()
    eventually(target.text, lambda text: "marker" not in text, BOOT_DEADLINE_S)
    assert target.is_on()
