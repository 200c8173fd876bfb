"""The account page of the console: a second factor is set up, used at the login page and given up."""

from __future__ import annotations

import re
import time

import pyotp
import pytest
from console_page import RunningAppliance, address, log_in, violations
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def code_of_next_step(secret: str) -> str:
    """Return a code that is good for at least half a minute."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30)


def open_account(page: Page, appliance: RunningAppliance) -> None:
    page.goto(address(appliance, "/#/system/account"))
    expect(page.locator("#page-account")).to_have_attribute("aria-current", "page")


def set_up(page: Page, appliance: RunningAppliance) -> tuple[str, list[str]]:
    """Set up a second factor as a person does, and return its secret and the recovery codes."""
    page.locator("#factor-enroll").click()
    page.locator("#factor-proof-passwd").fill(appliance.password)
    page.locator("#factor-proof-submit").click()
    # A picture that was really drawn: the Content-Security-Policy lets it in.
    expect(page.locator("#factor-qr")).to_have_js_property("complete", value=True)
    assert page.locator("#factor-qr").evaluate("element => element.naturalWidth") > 100
    secret = page.locator("#factor-secret").inner_text().replace(" ", "")
    assert violations(page) == []
    page.locator("#factor-code").fill("000 000")
    page.locator("#factor-confirm").click()
    expect(page.locator("#notices")).to_contain_text("the six digits that the app shows now")
    page.locator("#factor-code").fill(code_of_next_step(secret))
    page.locator("#factor-confirm").click()
    expect(page.locator("#factor-state")).to_contain_text("8 recovery codes are left")
    codes = page.locator("#recovery-codes code").all_inner_texts()
    assert len(codes) == 8
    return secret, codes


def test_a_second_factor_from_its_qr_code_to_its_end(page: Page, appliance: RunningAppliance) -> None:
    log_in(page, appliance)
    open_account(page, appliance)
    expect(page.locator("#factor-state")).to_have_text("You have none of your own.")
    secret, codes = set_up(page, appliance)
    page.reload()
    expect(page.locator("#factor-state")).to_contain_text("8 recovery codes are left")
    expect(page.locator("#recovery-codes")).to_have_count(0)

    page.locator("#page-sessions").click()
    page.locator("#logout-all").click()
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    page.locator("#login-submit").click()
    expect(page.locator("#login-error")).to_contain_text("Wrong user name, password or one-time code")
    page.locator("#login-code").fill(code_of_next_step(secret))
    page.locator("#login-submit").click()
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")

    open_account(page, appliance)
    page.locator("#factor-disable").click()
    page.locator("#factor-proof-passwd").fill(appliance.password)
    page.locator("#factor-proof-submit").click()
    expect(page.locator("#factor-proof-code-words")).to_contain_text("six digits")
    page.locator("#factor-proof-code").fill(codes[0].upper())
    page.locator("#factor-proof-submit").click()
    expect(page.locator("#factor-state")).to_have_text("You have none of your own.")


def test_a_recovery_code_opens_the_login_page(page: Page, appliance: RunningAppliance) -> None:
    log_in(page, appliance)
    open_account(page, appliance)
    _secret, codes = set_up(page, appliance)
    page.context.clear_cookies()
    page.goto(address(appliance, "/login"))
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    page.locator("#login-code").fill(codes[3])
    page.locator("#login-submit").click()
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")
    open_account(page, appliance)
    expect(page.locator("#factor-state")).to_have_text(re.compile("7 recovery codes are left"))
