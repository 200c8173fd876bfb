"""Logging in through a provider that runs as a process of its own, by hand and in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from console_page import RunningAppliance, address
from playwright.sync_api import Page, expect

HERE = Path(__file__).parent
CLIENTS_PYTHON = HERE.parent / ".cache/clients/bin/python"
USERS = [
    {"sub": "alice", "preferred_username": "alice", "groups": ["kvm-admins"]},
    {"sub": "vera", "preferred_username": "vera", "groups": ["staff", "others"]},
    {"sub": "mallory", "preferred_username": "mallory", "groups": ["others"]},
]
PLACE = "http://kvm.example.org/"
OVERRIDE = """
farhand:
    oidc: {{
        issuer: '{issuer}', client_id: '{client_id}', name: 'Our own login',
        roles: {{kvm-admins: admin, staff: viewer}}, {more}
    }}
"""


@contextmanager
def provider(*arguments: str) -> Iterator[str]:
    """Run a provider with some users, and give its issuer."""
    process = subprocess.Popen(
        [CLIENTS_PYTHON, HERE / "peers/oidc_provider.py", json.dumps(USERS), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
            process.wait()


@dataclass
class Both:
    """An appliance and its provider."""

    appliance: RunningAppliance
    issuer: str

    def browser(self) -> httpx.Client:
        """A browser without cookies."""
        return httpx.Client(base_url=self.appliance.url, timeout=60)

    def log_in(self, browser: httpx.Client, subject: str) -> httpx.Response:
        """Go to the provider and back as *subject*."""
        return browser.get(self.way_back(browser, subject))

    def way_back(self, browser: httpx.Client, subject: str) -> str:
        """Go to the provider, log in as *subject*, and return where it sends the browser."""
        there = browser.get("/api/auth/oidc/login")
        assert there.status_code == 302, there.text
        with httpx.Client(timeout=60) as other:
            back = other.post(there.headers["Location"], data={"sub": subject})
        assert back.status_code == 302, back.text
        # The name that a proxy would have; there is none here.
        target = str(back.headers["Location"])
        assert target.startswith(f"{PLACE}api/auth/oidc/callback?")
        return target.removeprefix(PLACE.rstrip("/"))


@pytest.fixture
def both(tmp_path: Path, start_appliance: Callable[..., RunningAppliance]) -> Iterator[Both]:
    """An appliance that is registered with its provider, as a proxy in front of it would show it."""
    with provider() as issuer:
        wanted = {"redirect_uris": [f"{PLACE}api/auth/oidc/callback"]}
        client = httpx.post(f"{issuer}/oauth2/clients", json=wanted, timeout=60).json()
        secret_file = tmp_path / "oidc.secret"
        secret_file.write_text(client["client_secret"])
        secret_file.chmod(0o600)
        more = f"client_secret_file: {secret_file}, url: '{PLACE}'"
        yield Both(start(tmp_path, start_appliance, issuer, client["client_id"], more), issuer)


def start(
    tmp_path: Path, start_appliance: Callable[..., RunningAppliance], issuer: str, client_id: str, more: str
) -> RunningAppliance:
    """Start an appliance with *issuer* in its configuration."""
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    override = OVERRIDE.format(issuer=issuer, client_id=client_id, more=more)
    (config / "override.yaml").write_text(override)
    return start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")


def test_the_provider_vouches_for_a_user_with_the_rights_of_the_group(both: Both) -> None:
    for subject, may in (("alice", True), ("vera", False)):
        with both.browser() as browser:
            answer = both.log_in(browser, subject)
            assert answer.status_code == 200, answer.text
            assert "HttpOnly" in answer.headers["Set-Cookie"]
            assert "SameSite=Strict" in answer.headers["Set-Cookie"]
            rights = browser.get("/api/auth/rights").json()["result"]
            assert rights["user"] == f"oidc:{subject}"
            assert ("admin" in rights["capabilities"]) is may
            assert browser.post("/api/atx/power?action=on").status_code == (200 if may else 403)
            assert browser.post("/api/auth/logout").status_code == 200
            assert browser.get("/api/auth/check").status_code == 403
    with both.appliance.client() as admin:
        trail = admin.get("/api/audit").text
    assert '"login"' in trail
    assert "oidc:alice" in trail
    assert "oidc:vera" in trail


def test_who_may_not_is_told_plainly_and_gets_no_session(both: Both) -> None:
    with both.browser() as browser:
        answer = both.log_in(browser, "mallory")
        assert answer.status_code == 403
        assert "in a group that may use this appliance" in answer.text
        assert "auth_token" not in browser.cookies
        refused = browser.get("/api/auth/oidc/callback?error=access_denied&state=x")
        assert refused.status_code == 403
        assert "access_denied" not in refused.text


def test_an_answer_is_good_once_for_the_browser_that_asked(both: Both) -> None:
    with both.browser() as browser, both.browser() as other:
        url = both.way_back(browser, "alice")
        assert other.get(url).status_code == 403
        assert both.way_back(other, "alice") != url
        assert other.get(url).status_code == 403
        assert browser.get(url).status_code == 200
        assert browser.get(url).status_code == 403
        # A code of another login does not fit: it belongs to another verifier.
        state = httpx.URL(both.way_back(browser, "alice")).params["state"]
        code = httpx.URL(both.way_back(other, "alice")).params["code"]
        answer = browser.get("/api/auth/oidc/callback", params={"state": state, "code": code})
        assert answer.status_code == 503
        assert "expected tokens for the login, got none" in answer.text


def test_the_provider_may_change_its_key(both: Both) -> None:
    with both.browser() as browser:
        assert both.log_in(browser, "alice").status_code == 200
    httpx.post(f"{both.issuer}/test/new-key", timeout=60)
    deadline = time.monotonic() + 120
    with both.browser() as browser:
        # Keys are asked for again some seconds after the last time.
        while (answer := both.log_in(browser, "alice")).status_code != 200:
            assert answer.status_code == 403
            assert "signed by a key of the provider" in answer.text
            assert time.monotonic() < deadline
            time.sleep(1)


@pytest.mark.browser
def test_the_login_page_leads_there_and_back(
    page: Page, tmp_path: Path, start_appliance: Callable[..., RunningAppliance]
) -> None:
    with provider("--any-client") as issuer:
        appliance = start(tmp_path, start_appliance, issuer, "kvm", "expire: 600")
        page.goto(address(appliance, "/login"))
        page.get_by_role("link", name="Our own login").click()
        expect(page).to_have_url(re.compile(re.escape(issuer)))
        page.get_by_role("button", name="Authorize as vera").click()
        expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")
        assert page.url.startswith(address(appliance))
        page.goto(address(appliance, "/#/system/sessions"))
        expect(page.locator("[data-own=true]")).to_contain_text("oidc:vera")
        page.goto(address(appliance, "/#/system/account"))
        expect(page.locator("#account-elsewhere")).to_be_visible()
        page.locator("#page-sessions").click()
        page.locator("#logout-all").click()
        expect(page.locator("#login-submit")).to_be_visible()
