"""A browser on an appliance's console: fixtures that `conftest` imports where there is a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from console_page import (
    BOOT_DEADLINE_S,
    CHROMIUM,
    CHROMIUM_FLAGS,
    RunningAppliance,
    Target,
    command_line,
    eventually,
    log_in,
)
from playwright.sync_api import Browser, Page, expect, sync_playwright


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; each test has a context of its own."""
    # Tests of serial ports in this process have imported trio-asyncio, whose loop Playwright cannot use.
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=CHROMIUM_FLAGS)
            yield browser
            browser.close()
    finally:
        asyncio.set_event_loop_policy(None)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page; at its end no script has failed and the Content-Security-Policy has blocked nothing."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def target(appliance: RunningAppliance) -> Iterator[Target]:
    """The machine behind the appliance."""
    target = Target(appliance)
    yield target
    target.close()


@pytest.fixture
def console(page: Page, appliance: RunningAppliance, target: Target) -> Page:
    """The console page of a target that is on and waits at its prompt, with a picture and the keyboard."""
    log_in(page, appliance)
    expect(page.locator("#led-power")).to_have_attribute("data-state", "on" if target.is_on() else "off")
    if not target.is_on():
        page.locator("#atx-power").click()
    expect(page.locator("#led-power")).to_have_attribute("data-state", "on", timeout=10_000)
    eventually(target.text, lambda text: command_line(text) == "", BOOT_DEADLINE_S)
    expect(page.locator("#overlay")).to_have_attribute("data-why", "", timeout=10_000)
    expect(page.locator("#screen")).to_be_focused()
    return page
