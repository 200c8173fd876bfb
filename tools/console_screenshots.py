"""Takes the pictures of the web console that the documentation shows, and others to look at.

A real Chromium on a live emulated appliance; run by `./justw console-screenshots`. Those of the README are
written to docs/images, all others to the folder that is given.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from tools.bench_appliance import CREDENTIALS, bench_appliance

CHROMIUM: Final = "/usr/bin/chromium"
SETTLE_MS: Final = 1_500
IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
IN_DOCUMENTATION: Final = frozenset({"console", "console-phone", "console-dark"})
# A demo of everything, on a screen that says something.
CONFIG: Final = """
kvmd:
    streamer: {h264_bitrate: {default: 5000}}
    gpio:
        scheme:
            relay: {pin: 62, mode: output, pulse: {delay: 1, min_delay: 0.1, max_delay: 5}}
            lamp: {pin: 63, mode: input}
        view:
            header: {title: Rack 7}
            table: [["#Fan:", "relay|confirm|Push", "lamp|green"]]
farhand: {emulated: {switch_units: 2}}
"""
LINES: Final = ("uname", "monitor", "lsusb", "mount", "help")
IMAGE: Final = "debian-12.9.0-amd64-netinst.iso"
DESKTOP: Final[dict[str, Any]] = {"viewport": {"width": 1400, "height": 860}}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 800},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
PANELS: Final = ("video", "keyboard", "mouse", "text", "drives", "gpio", "switch", "system", "system/health")


def opened(browser: Browser, url: str, options: dict[str, Any]) -> Page:
    """A console that is logged in and shows its picture."""
    page = browser.new_context(**options).new_page()
    page.goto(url)
    page.locator("#login-user").fill(CREDENTIALS["X-KVMD-User"])
    page.locator("#login-passwd").fill(CREDENTIALS["X-KVMD-Passwd"])
    page.locator("#login-submit").click()
    page.locator("#video[data-loaded=true]").wait_for()
    return page


def take(page: Page, folder: Path, name: str) -> None:
    """Wait until it is calm, and take it."""
    page.wait_for_timeout(SETTLE_MS)
    file = (IMAGES if name in IN_DOCUMENTATION else folder) / f"{name}.png"
    page.screenshot(path=file)
    print(file)


def run(url: str, folder: Path) -> None:
    """Take all of them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = opened(browser, url, DESKTOP)
        page.goto(f"{url}#/drives")
        page.locator("#upload-files").set_input_files(
            {"name": IMAGE, "mimeType": "application/octet-stream", "buffer": os.urandom(4 << 20)}
        )
        page.get_by_test_id(f"transfer-{IMAGE}").filter(has_text="digests agree").wait_for()
        page.locator("#drive-image").select_option(IMAGE)
        page.locator("#drive-insert").click()
        page.locator("#screen").focus()
        for line in LINES:
            page.keyboard.type(line)
            page.keyboard.press("Enter")
        take(page, folder, "console")
        for panel in PANELS:
            page.goto(f"{url}#/{panel}")
            take(page, folder, f"desktop-{panel.replace('/', '-')}")
        dark = opened(browser, url, {**DESKTOP, "color_scheme": "dark"})
        dark.goto(f"{url}#/system/health")
        dark.locator("#osk-toggle").click()
        take(dark, folder, "console-dark")
        phone = opened(browser, url, PHONE)
        phone.locator("#osk-toggle").tap()
        take(phone, folder, "console-phone")
        phone.locator("#osk-toggle").tap()
        for panel in PANELS:
            phone.goto(f"{url}#/{panel}")
            take(phone, folder, f"phone-{panel.replace('/', '-')}")
        browser.close()


def main() -> None:
    """Start an appliance and take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where those go that are only looked at")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with bench_appliance(CONFIG) as appliance:
        run(f"http://{appliance.host}:{appliance.port}/", options.folder)


if __name__ == "__main__":
    main()
