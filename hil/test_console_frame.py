"""The console's frame: addresses, panels by mouse and keyboard, sessions that end, networks that break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_page import RunningAppliance, Target, address, log_in, violations
from peers.reverse_proxy import ReverseProxy, reverse_proxy
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

# Every appliance has these; others are there with what they are for.
PANELS = ("video", "keyboard", "mouse", "text", "drives", "system")
RECONNECT_DEADLINE_MS = 60_000


def test_every_panel_has_an_address_and_a_button(page: Page, appliance: RunningAppliance) -> None:
    log_in(page, appliance)
    panel = page.locator("#panel")
    for name in PANELS:
        page.locator(f"#rail-{name}").click()
        expect(panel).to_have_attribute("data-panel", name)
        assert page.url == address(appliance, f"/#/{name}")
        # A click leaves the keyboard with the target.
        expect(page.locator("#screen")).to_be_focused()
    page.go_back()
    expect(panel).to_have_attribute("data-panel", PANELS[-2])
    page.locator(f"#rail-{PANELS[-2]}").click()
    expect(panel).to_have_count(0)

    page.goto(address(appliance, "/#/mouse"))
    expect(panel).to_have_attribute("data-panel", "mouse")
    page.locator("#panel-close").click()
    expect(panel).to_have_count(0)
    expect(page.locator("#screen")).to_be_focused()
    page.goto(address(appliance, "/#/no-such-panel"))
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")
    expect(panel).to_have_count(0)


def test_a_panel_is_opened_and_left_by_keyboard(page: Page, appliance: RunningAppliance) -> None:
    log_in(page, appliance)
    expect(page.locator("#screen")).to_be_focused()
    page.keyboard.press("Control+Alt")
    for _ in range(40):
        if page.evaluate("document.activeElement.id") == "rail-mouse":
            break
        page.keyboard.press("Tab")
    expect(page.locator("#rail-mouse")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#panel-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_have_count(0)
    expect(page.locator("#screen")).to_be_focused()


def test_the_end_of_a_session_is_said_and_leads_back(page: Page, appliance: RunningAppliance) -> None:
    log_in(page, appliance)
    page.locator("#rail-mouse").click()
    answer = page.request.post(address(appliance, "/api/auth/logout"))
    assert answer.ok
    expect(page.locator("#login-ended")).to_contain_text("Your session has ended")
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    page.locator("#login-submit").click()
    expect(page.locator("#panel")).to_have_attribute("data-panel", "mouse")
    assert page.url == address(appliance, "/#/mouse")


def test_the_language_is_the_readers(browser: Browser, appliance: RunningAppliance) -> None:
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    page.goto(address(appliance))
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page).to_have_title("Anmelden · Farhand")
    page.locator("#login-passwd").fill("falsch")
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-submit").click()
    expect(page.locator("#login-error")).to_contain_text("Passwort oder Einmalcode ist falsch")
    page.locator("#language").select_option("en")
    expect(page.locator("#login-submit")).to_have_text("Log in")
    page.locator("#language").select_option("de")
    log_in(page, appliance)
    expect(page.locator("#rail-keyboard")).to_contain_text("Tastatur")
    page.locator("#atx-power-long").click()
    expect(page.locator("#confirm")).to_contain_text("Zielrechner hart ausschalten?")
    context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 1400), ("light", 390)])
def test_axe_finds_nothing(browser: Browser, appliance: RunningAppliance, scheme: Any, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 850}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address(appliance))
    expect(page.locator("#login-user")).to_be_visible()
    assert violations(page) == []
    log_in(page, appliance)
    assert violations(page) == []
    for name in PANELS:
        page.goto(address(appliance, f"/#/{name}"))
        expect(page.locator("#panel")).to_have_attribute("data-panel", name)
        expect(page.locator("#panel h3").first).to_be_visible()
        assert violations(page) == [], name
    for name in ("health", "log", "sessions", "account", "snapshots", "settings"):
        page.goto(address(appliance, f"/#/system/{name}"))
        expect(page.locator(f"#page-{name}")).to_have_attribute("aria-current", "page")
        expect(page.locator("#panel h3").first).to_be_visible()
        assert violations(page) == [], name
    page.locator("#osk-toggle").click()
    expect(page.locator("#osk-KeyQ")).to_have_text("q")
    assert violations(page) == []
    page.locator("#atx-reset").click()
    expect(page.locator("#confirm")).to_be_visible()
    assert violations(page) == []
    context.close()


@pytest.fixture
def proxy(appliance: RunningAppliance, tmp_path: Path) -> Iterator[ReverseProxy]:
    """A proxy that shows the appliance below `/far/away/`."""
    with reverse_proxy(tmp_path, "/far/away/", appliance.url) as proxy:
        yield proxy


def test_below_a_path_of_a_reverse_proxy_and_through_its_restart(
    page: Page, appliance: RunningAppliance, proxy: ReverseProxy, target: Target
) -> None:
    page.goto(proxy.url + "#/mouse")
    expect(page).to_have_url(proxy.url + "login#/mouse")
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    page.locator("#login-submit").click()
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")
    expect(page.locator("#panel")).to_have_attribute("data-panel", "mouse")
    expect(page).to_have_url(proxy.url + "#/mouse")
    page.locator("#atx-power").click()
    expect(page.locator("#led-power")).to_have_attribute("data-state", "on", timeout=10_000)
    expect(page.locator("#video")).to_have_attribute("data-loaded", "true", timeout=10_000)

    page.evaluate("window.sameAsBefore = true")
    proxy.stop()
    expect(page.locator("#overlay")).to_have_attribute(
        "data-why", "reconnecting", timeout=RECONNECT_DEADLINE_MS
    )
    expect(page.locator("#conn-state")).to_have_text("Reconnecting…")
    target.post("/api/hid/set_params", mouse_output="usb_rel")
    proxy.start()
    expect(page.locator("#conn-state")).to_have_attribute(
        "data-state", "online", timeout=RECONNECT_DEADLINE_MS
    )
    # What changed meanwhile is known, what was open still is, and it is the same page.
    expect(page.locator("#mouse-mode")).to_have_value("usb_rel")
    expect(page.locator("#video")).to_have_attribute("data-loaded", "true", timeout=RECONNECT_DEADLINE_MS)
    assert page.evaluate("window.sameAsBefore") is True
