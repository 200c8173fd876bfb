"""Passkeys in a real browser, with the authenticator that its developer tools have in software."""

from __future__ import annotations

import re
from typing import Any

import pytest
from console_page import RunningAppliance, address, violations
from playwright.sync_api import CDPSession, Page, expect

pytestmark = pytest.mark.browser


def by_name(appliance: RunningAppliance, path: str) -> str:
    """Return an address with a name in it: there are no passkeys for numbers."""
    return address(appliance, path).replace("//127.0.0.1:", "//localhost:")


@pytest.fixture
def authenticator(page: Page) -> tuple[CDPSession, dict[str, Any]]:
    """A device with a fingerprint sensor, or what it pretends to have, in *page*'s browser."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return tools, tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def log_in_by_name(page: Page, appliance: RunningAppliance) -> None:
    page.goto(by_name(appliance, "/login"))
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    page.locator("#login-submit").click()
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")


def test_a_passkey_is_made_logs_in_and_is_removed(
    page: Page, appliance: RunningAppliance, authenticator: tuple[CDPSession, dict[str, Any]]
) -> None:
    tools, device = authenticator
    log_in_by_name(page, appliance)
    page.goto(by_name(appliance, "/#/system/account"))
    page.locator("#passkey-make").click()
    page.locator("#passkey-proof-passwd").fill("wrong")
    page.locator("#passkey-proof-submit").click()
    expect(page.locator("#notices")).to_contain_text("expected your password")
    page.locator("#passkey-proof-passwd").fill(appliance.password)
    page.locator("#passkey-proof-submit").click()
    passkey = page.get_by_test_id("passkey")
    expect(passkey).to_contain_text("for localhost")
    passkey.get_by_role("button", name="Rename").click()
    passkey.get_by_label("New name").fill("Laptop")
    passkey.get_by_role("button", name="Rename").click()
    expect(passkey.locator("strong")).to_have_text("Laptop")
    assert violations(page) == []
    (credential,) = tools.send("WebAuthn.getCredentials", device)["credentials"]
    assert credential["isResidentCredential"]
    assert credential["rpId"] == "localhost"

    page.context.clear_cookies()
    page.goto(by_name(appliance, "/login#/system/account"))
    assert violations(page) == []
    page.locator("#login-passkey").click()
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")
    expect(page.locator("#panel")).to_have_attribute("data-panel", "system")
    passkey.get_by_role("button", name="Remove").click()
    page.locator("#confirm-yes").click()
    expect(passkey).to_have_count(0)

    # The device has it still, and the appliance does not know it any more.
    page.context.clear_cookies()
    page.goto(by_name(appliance, "/login"))
    page.locator("#login-passkey").click()
    expect(page.locator("#login-error")).to_contain_text("does not accept this passkey")
    assert page.url == by_name(appliance, "/login")


def test_who_does_not_verify_the_user_is_not_let_in(
    page: Page, appliance: RunningAppliance, authenticator: tuple[CDPSession, dict[str, Any]]
) -> None:
    tools, device = authenticator
    log_in_by_name(page, appliance)
    page.goto(by_name(appliance, "/#/system/account"))
    page.locator("#passkey-make").click()
    page.locator("#passkey-proof-passwd").fill(appliance.password)
    page.locator("#passkey-proof-submit").click()
    expect(page.get_by_test_id("passkey")).to_have_count(1)
    tools.send("WebAuthn.setUserVerified", {**device, "isUserVerified": False})
    page.context.clear_cookies()
    page.goto(by_name(appliance, "/login"))
    with page.expect_response("**/api/auth/passkeys/login"):
        page.locator("#login-passkey").click()
    # The browser itself refuses: it was told that the user has to be verified.
    expect(page.locator("#login-passkey")).to_have_attribute("aria-disabled", re.compile("false"))
    assert page.request.get(by_name(appliance, "/api/auth/check")).status == 401


def test_at_an_address_no_passkey_is_offered(page: Page, appliance: RunningAppliance) -> None:
    page.goto(address(appliance, "/login"))
    expect(page.locator("#login-submit")).to_be_visible()
    expect(page.locator("#login-passkey")).to_have_count(0)
