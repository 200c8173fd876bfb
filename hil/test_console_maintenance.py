"""The console's maintenance page: an update with its restart, a backup and its way back, the reset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from console_page import RunningAppliance, Target, address, log_in, violations
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

PASSWORD = "long enough for a backup"
SLOW_MS = 60_000
"""Making a key from a password takes seconds by design, and more on a busy machine."""


def open_maintenance(page: Page, appliance: RunningAppliance) -> None:
    log_in(page, appliance)
    page.goto(address(appliance, "/#/system/maintenance"))
    expect(page.locator("#page-maintenance")).to_have_attribute("aria-current", "page")


@pytest.fixture
def with_slots(tmp_path: Path, start_appliance: Callable[..., RunningAppliance]) -> RunningAppliance:
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    (config / "override.yaml").write_text("farhand: {emulated: {slots: true}}\n")
    return start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")


def test_an_update_is_installed_and_started(page: Page, with_slots: RunningAppliance, tmp_path: Path) -> None:
    open_maintenance(page, with_slots)
    expect(page.get_by_test_id("slot-A")).to_have_attribute("data-condition", "confirmed", timeout=20_000)
    assert violations(page) == []
    wrong = tmp_path / "photo.raucb"
    wrong.write_bytes(b"no bundle")
    page.locator("#update-file").set_input_files(wrong)
    expect(page.locator("#update-failed")).to_contain_text("no update bundle", timeout=20_000)
    good = tmp_path / "new.raucb"
    good.write_bytes(b"farhand-emulated 9.0.0\n" + bytes(1 << 20))
    page.locator("#update-file").set_input_files(good)
    expect(page.locator("#update-done")).to_be_visible(timeout=SLOW_MS)
    other = page.get_by_test_id("slot-B")
    expect(other).to_have_attribute("data-condition", "waiting")
    expect(other).to_contain_text("9.0.0")
    page.locator("#update-restart").click()
    with page.expect_response("**/api/update/restart") as answered:
        page.locator("#confirm-yes").click()
    assert answered.value.ok
    page.reload()
    expect(page.get_by_test_id("slot-B")).to_have_attribute("data-condition", "confirmed", timeout=20_000)
    expect(page.locator("#update-restart")).to_have_count(0)
    # Only https: the button takes nothing else.
    expect(page.locator("#update-install")).to_have_attribute("aria-disabled", "true")
    page.locator("#update-url").fill("http://example.org/x.raucb")
    expect(page.locator("#update-install")).to_have_attribute("aria-disabled", "true")


def test_a_backup_is_made_and_waits_to_be_restored(
    page: Page, appliance: RunningAppliance, target: Target, tmp_path: Path
) -> None:
    open_maintenance(page, appliance)
    # A demo is nothing that could be updated or reset, and says so.
    expect(page.locator("#updates")).to_contain_text("not started from a Farhand image", timeout=20_000)
    expect(page.locator("#factory-reset")).to_contain_text("not started from a Farhand image")
    expect(page.locator("#backup-contents")).to_be_visible()
    page.locator("#backup-password").fill("short")
    expect(page.locator("#backup-make")).to_have_attribute("aria-disabled", "true")
    page.locator("#backup-password").fill(PASSWORD)
    with page.expect_download(timeout=SLOW_MS) as caught:
        page.locator("#backup-make").click()
    kept = tmp_path / "kept.age"
    caught.value.save_as(kept)
    assert kept.read_bytes().startswith(b"age-encryption.org/v1\n")

    def restore(password: str) -> None:
        page.locator("#restore-password").fill(password)
        page.locator("#restore-file").set_input_files(kept)
        page.locator("#confirm-yes").click()

    restore("another password")
    expect(page.locator("#notices")).to_contain_text("not the one", timeout=SLOW_MS)
    assert target.get("/api/backup")["restore_pending"] is False
    restore(PASSWORD)
    expect(page.locator("#restore-pending")).to_be_visible(timeout=SLOW_MS)
    assert target.get("/api/backup")["restore_pending"] is True
    assert violations(page) == []
    page.locator("#restore-forget").click()
    expect(page.locator("#restore-pending")).to_have_count(0)
    assert target.get("/api/backup")["restore_pending"] is False
