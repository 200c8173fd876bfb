"""The console's page of tokens and share links: made, copied once, listed, revoked; and what a guest sees."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from console_page import RunningAppliance, address, log_in, violations
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


def open_access(page: Page, appliance: RunningAppliance) -> None:
    log_in(page, appliance)
    page.goto(address(appliance, "/#/system/access"))
    expect(page.locator("#page-access")).to_have_attribute("aria-current", "page")


def make_link(page: Page, label: str) -> str:
    """Make a share link as a person does, and return it."""
    page.locator("#shares-make").click()
    page.locator("#shares-name").fill(label)
    page.locator("#shares-submit").click()
    secret = page.locator("#shares-secret")
    expect(secret).to_have_text(re.compile("/share/fhs_[0-9a-f]{64}$"))
    return secret.inner_text()


def test_a_token_is_made_shown_once_used_and_revoked(page: Page, appliance: RunningAppliance) -> None:
    open_access(page, appliance)
    expect(page.locator("#tokens")).to_contain_text("There is none.")
    page.locator("#tokens-make").click()
    assert violations(page) == []
    page.locator("#tokens-name").fill("backup")
    page.locator("#tokens-may-power").click()
    page.locator("#tokens-expire").select_option(label="in 7 days")
    page.locator("#tokens-submit").click()
    secret = page.locator("#tokens-secret")
    expect(secret).to_have_text(re.compile("^fht_[0-9a-f]{64}$"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#tokens-copy").click()
    expect(page.locator("#notices")).to_contain_text("in the clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == secret.inner_text()
    assert violations(page) == []
    headers = {"Authorization": f"Bearer {secret.inner_text()}"}
    with httpx.Client(base_url=appliance.url, headers=headers, verify=False) as program:
        assert program.get("/api/atx").status_code == 200
        assert program.post("/api/hid/reset").status_code == 403
        page.reload()
        item = page.locator("#tokens-list li")
        expect(item).to_contain_text("press the power buttons, watch")
        expect(item).to_contain_text("ends in 7 days")
        expect(item).to_contain_text(re.compile("used .* ago from 127.0.0.1"))
        expect(page.locator("#tokens-secret")).to_have_count(0)
        item.get_by_role("button", name="Revoke backup").click()
        page.locator("#confirm-yes").click()
        expect(page.locator("#tokens")).to_contain_text("There is none.")
        assert program.get("/api/atx").status_code == 403


def test_what_makes_no_sense_is_said(page: Page, appliance: RunningAppliance) -> None:
    open_access(page, appliance)
    page.locator("#shares-make").click()
    expect(page.locator("#shares-may-admin")).to_have_count(0)
    page.locator("#shares-may-view").click()
    page.locator("#shares-submit").click()
    expect(page.locator("#notices")).to_contain_text("Choose at least one thing")


def test_a_guest_watches_until_the_link_is_revoked(
    browser: Browser, page: Page, appliance: RunningAppliance
) -> None:
    open_access(page, appliance)
    link = make_link(page, "for the vendor")
    context = browser.new_context()
    guest = context.new_page()
    guest.goto(link)
    expect(guest.locator("#conn-state")).to_have_attribute("data-state", "online")
    assert guest.url == address(appliance)
    expect(guest.locator("#input-hint")).to_contain_text("You may watch and not touch")
    expect(guest.locator("#rail-keyboard")).to_have_count(0)
    guest.locator("#rail-system").click()
    expect(guest.locator("#guest")).to_contain_text("by the link “for the vendor” of admin.")
    expect(guest.locator("#page-sessions")).to_be_visible()
    for name in ("access", "account", "audit"):
        expect(guest.locator(f"#page-{name}")).to_have_count(0)
    page.get_by_role("button", name="Revoke for the vendor").click()
    page.locator("#confirm-yes").click()
    expect(guest.locator("#login-ended")).to_contain_text("Your session has ended", timeout=20_000)
    # The owner's browser goes on.
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")
    guest.goto(link)
    expect(guest.locator("h1")).to_have_text("This link does not work")
    context.close()


@contextmanager
def page_of_others(link: str) -> Iterator[str]:
    """Serve a page of another site with *link*, as a web mailer does; give its address."""

    class Mail(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<a id=link href='{link}'>watch</a>".encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Mail)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        # Another site than the appliance's, which is 127.0.0.1.
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_link_in_a_page_of_another_site_leads_to_the_console(
    browser: Browser, page: Page, appliance: RunningAppliance
) -> None:
    """The browser keeps the new cookie from the redirect then, which the login page makes good."""
    open_access(page, appliance)
    link = make_link(page, "")
    context = browser.new_context()
    guest = context.new_page()
    sent: list[str] = []
    guest.on("request", lambda request: sent.append(request.headers.get("referer", "")))
    with page_of_others(link) as mail:
        guest.goto(mail)
        guest.locator("#link").click()
        expect(guest.locator("#conn-state")).to_have_attribute("data-state", "online", timeout=20_000)
    assert guest.url == address(appliance)
    assert not [referer for referer in sent if "fhs_" in referer]
    assert guest.evaluate("document.referrer") == ""
    context.close()
