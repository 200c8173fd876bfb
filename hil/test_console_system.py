"""The console's System panel: what is wrong is said, the log is live, sessions end, pictures are kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from console_page import ROUND_TRIP_DEADLINE_S, RunningAppliance, Target, address, eventually, log_in
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


def test_a_part_that_does_not_work_is_told_with_its_reason(
    page: Page, tmp_path: Path, start_appliance: Callable[..., RunningAppliance]
) -> None:
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    # A board of which nothing is there.
    (config / "override.yaml").write_text(
        "kvmd:\n"
        "    auth: {enabled: false}\n"
        "    hid: {type: ch9329, device: /dev/there-is-no-chip}\n"
        "    atx: {type: disabled}\n"
        "    msd: {type: disabled}\n"
    )
    appliance = start_appliance("--board", "generic", "--http", "127.0.0.1:0", "--https", "")
    page.goto(address(appliance, "/#/system"))
    expect(page.locator("#tasks-told")).to_contain_text("of the appliance do not work:", timeout=20_000)
    broken = page.get_by_test_id("task-hid.keyboard")
    expect(broken).to_contain_text("/dev/there-is-no-chip")
    with page.expect_response("**/api/supervisor/restart?*") as caught:
        broken.get_by_role("button", name="Restart").click()
    assert caught.value.ok
    # The screen says it too, where people look first.
    expect(page.locator("#capture-trouble")).to_contain_text("The capture does not work:", timeout=20_000)


def test_all_is_well_and_health_has_points(page: Page, appliance: RunningAppliance, target: Target) -> None:
    log_in(page, appliance)
    page.goto(address(appliance, "/#/system"))
    tasks = target.get("/api/supervisor")["tasks"]
    expect(page.locator("#tasks-told")).to_have_text(f"All {len(tasks)} parts of the appliance work.")
    page.locator("#page-health").click()
    assert page.url.endswith("#/system/health")
    chart = page.locator("#chart-memory")
    expect(chart).to_have_attribute("data-points", re.compile("[1-9]"), timeout=30_000)
    expect(chart).to_have_attribute("aria-label", re.compile("Memory since this page was opened: least"))


def test_the_log_is_live_and_is_searched(page: Page, appliance: RunningAppliance, target: Target) -> None:
    log_in(page, appliance)
    page.goto(address(appliance, "/#/system/log"))
    lines = page.locator("#log-lines")
    expect(lines).to_contain_text("User admin logged in")
    page.locator("#log-filter").fill("set_params POST")
    expect(lines).to_have_text("")
    target.post("/api/hid/set_params", jiggler=1)
    expect(lines).to_contain_text("/api/hid/set_params", timeout=20_000)
    expect(lines).not_to_contain_text("logged in")


def test_a_session_is_ended_from_another_browser(
    browser: Browser, page: Page, appliance: RunningAppliance
) -> None:
    context = browser.new_context()
    other = context.new_page()
    log_in(other, appliance)
    log_in(page, appliance)
    page.goto(address(appliance, "/#/system/sessions"))
    sessions = page.get_by_test_id("session")
    expect(sessions).to_have_count(2)
    expect(page.locator("[data-testid=session][data-own=true]")).to_contain_text("this browser")
    page.locator("[data-testid=session][data-own=false]").get_by_role("button", name="End").click()
    page.locator("#confirm-yes").click()
    expect(other.locator("#login-ended")).to_contain_text("Your session has ended", timeout=20_000)
    expect(sessions).to_have_count(1)
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")
    context.close()


def test_pictures_are_kept_on_the_appliance_and_in_the_page(console: Page, target: Target) -> None:
    console.locator("#rail-system").click()
    console.locator("#page-snapshots").click()
    console.locator("#keep").click()
    kept = console.locator("#kept")
    expect(kept).to_be_visible(timeout=20_000)
    eventually(
        lambda: kept.evaluate("(image) => image.naturalWidth"), lambda px: px == 640, ROUND_TRIP_DEADLINE_S
    )
    assert target.get("/api/streamer")["snapshot"]["saved"]["width"] == 1280
    console.locator("#take").click()
    console.locator("#take").click()
    expect(console.get_by_test_id("shot")).to_have_count(2)
    with console.expect_download() as caught:
        console.get_by_test_id("shot").first.get_by_role("button", name="Save").click()
    assert caught.value.suggested_filename.endswith(".jpg")


def test_theme_and_language_are_kept(page: Page, appliance: RunningAppliance) -> None:
    log_in(page, appliance)
    page.goto(address(appliance, "/#/system/settings"))
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator("#theme").select_option("dark")
    eventually(lambda: page.evaluate(ground), lambda now: now != light, ROUND_TRIP_DEADLINE_S)
    page.locator("#language").select_option("de")
    expect(page.locator("#rail-drives")).to_contain_text("Laufwerk")
    page.reload()
    expect(page.locator("#panel-title")).to_have_text("System")
    expect(page.locator("#page-settings")).to_have_text("Einstellungen")
    expect(page.locator("#theme")).to_have_value("dark")
    assert page.evaluate(ground) != light


def test_the_audit_trail_is_shown(page: Page, appliance: RunningAppliance, target: Target) -> None:
    log_in(page, appliance)
    target.post("/api/atx/click", button="power")
    page.goto(address(appliance, "/#/system/audit"))
    records = page.get_by_test_id("audit-record")
    expect(records.filter(has_text="POST /api/atx/click").first).to_contain_text("button=power")
    expect(records.first).to_contain_text("admin")
    page.locator("#audit-filter").fill("no such record")
    expect(records).to_have_count(0)
    with page.expect_download() as caught:
        page.locator("#audit-download").click()
    assert '"what":"POST /api/atx/click"' in Path(caught.value.path()).read_text()


def test_who_may_only_watch_from_now_on_is_told_so(
    page: Page, tmp_path: Path, start_appliance: Callable[..., RunningAppliance]
) -> None:
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    rights = config / "rights.toml"
    rights.write_text('[users]\nadmin = "operator"\n')
    appliance = start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")
    log_in(page, appliance)
    expect(page.locator("#atx-power")).to_have_attribute("aria-disabled", "false")
    page.locator("#rail-system").click()
    expect(page.locator("#page-sessions")).to_be_visible()
    expect(page.locator("#page-audit")).to_have_count(0)
    rights.write_text('[users]\nadmin = "viewer"\n')
    expect(page.locator("#input-hint")).to_contain_text("You may watch and not touch", timeout=60_000)
    expect(page.locator("#atx-power")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#rail-keyboard")).to_have_count(0)
    # What is offered all the same is refused with the reason, and is not the end of the session.
    page.locator("#rail-drives").click()
    page.locator("#drive-reset").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#notices")).to_contain_text("a user who may media")
    assert page.url.endswith("#/drives")
