"""Measures the web console in a real browser, against a live emulated appliance on loopback.

Run by `./justw bench-console`. What is initially loaded, how long until the first picture, how soon an event
of the page is a report that the target has taken, and whether the page keeps the pace of the display.
Ratios to the limits are what to look at; docs/performance.md has the method.
"""

from __future__ import annotations

import gzip
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from hid_trace import HidTrace
from playwright.sync_api import Browser, Page, sync_playwright

from tools.bench_appliance import CREDENTIALS, BenchAppliance, bench_appliance

CHROMIUM: Final = "/usr/bin/chromium"
LOAD_LIMIT_BYTES: Final = 200 * 1024
FIRST_PICTURE_LIMIT_MS: Final = 1_000
FRAME_MS: Final = 1_000 / 60
OPENINGS: Final = 7
EVENTS: Final = 300
WAIT_S: Final = 20.0
CONFIG: Final = """
kvmd:
    streamer: {{forever: true, desired_fps: {{default: 30}}}}
farhand:
    emulated: {{motion: {motion}, hid_trace: {trace}}}
"""

# Keys, one after the other, each as a browser makes it; returns when each was made, in ms since the epoch.
PRESS: Final = """
async (count) => {
    const screen = document.getElementById("screen");
    const times = [], frames = [];
    let last = performance.now(), on = true;
    const frame = (now) => { frames.push(now - last); last = now; if (on) requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    for (let number = 0; number < count; number++) {
        await new Promise((resolve) => setTimeout(resolve, 10 + (number * 7) % 23));
        times.push(performance.timeOrigin + performance.now());
        const type = number % 2 === 0 ? "keydown" : "keyup";
        screen.dispatchEvent(new KeyboardEvent(type, { code: "KeyA", bubbles: true, cancelable: true }));
        const at = { clientX: 300 + number % 200, clientY: 300 + number % 100, pointerId: 1 };
        screen.dispatchEvent(new PointerEvent("pointermove", { ...at, bubbles: true }));
    }
    on = false;
    return { times, frames: frames.slice(1) };
}
"""
FIRST_PICTURE: Final = """
async () => {
    const picture = document.getElementById("video");
    if (picture.dataset.loaded !== "true") {
        await new Promise((resolve) => new MutationObserver(() => {
            if (picture.dataset.loaded === "true") resolve();
        }).observe(picture, { attributes: true }));
    }
    await new Promise(requestAnimationFrame);
    return performance.now();
}
"""


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def _log_in(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.goto(url)
    page.locator("#login-user").fill(CREDENTIALS["X-KVMD-User"])
    page.locator("#login-passwd").fill(CREDENTIALS["X-KVMD-Passwd"])
    page.locator("#login-submit").click()
    page.locator("#video[data-loaded=true]").wait_for()
    return page


def _load(page: Page) -> None:
    loaded: dict[str, str] = {}
    page.on("response", lambda answer: loaded.update({answer.url: answer.request.resource_type}))
    page.reload()
    page.locator("#video[data-loaded=true]").wait_for()
    total = 0
    for url, kind in loaded.items():
        if kind in {"document", "script", "stylesheet"}:
            size = len(gzip.compress(page.request.get(url).body()))
            total += size
            print(f"    {url.rsplit('/', 1)[-1] or 'index.html'}: {size} bytes")
    print(f"  initial load, gzip: {total} bytes, {total / LOAD_LIMIT_BYTES:.2f} of the limit")


def _first_picture(page: Page, url: str) -> None:
    times: list[float] = []
    for _ in range(OPENINGS):
        page.goto("about:blank")
        page.goto(url)
        times.append(float(page.evaluate(FIRST_PICTURE)))
    middle = statistics.median(times)
    print(
        f"  first picture: median {middle:.0f} ms, longest {max(times):.0f} ms of {OPENINGS},"
        f" {middle / FIRST_PICTURE_LIMIT_MS:.2f} of the limit"
    )


def _events(page: Page, trace: HidTrace, what: str) -> None:
    before = len(trace.reports("keyboard"))
    result: Any = page.evaluate(PRESS, EVENTS)
    end = time.monotonic() + WAIT_S
    while len(arrived := trace.reports("keyboard")[before:]) < EVENTS:
        assert time.monotonic() < end, f"{len(arrived)} of {EVENTS} reports arrived"
        time.sleep(0.05)
    # The trace has the monotonic clock, the page the time of day.
    offset_ms = time.time() * 1_000 - time.monotonic() * 1_000
    delays = [
        report.at_ns / 1e6 + offset_ms - made for made, report in zip(result["times"], arrived, strict=True)
    ]
    frames = [float(frame) for frame in result["frames"]]
    kept = sum(frame < 1.5 * FRAME_MS for frame in frames) / len(frames)
    print(
        f"  {what}: event to report p50 {_quantile(delays, 0.5):.1f} ms, p99 {_quantile(delays, 0.99):.1f} ms"
        f" ({EVENTS} keys); {kept:.0%} of the page's frames in time, p99 {_quantile(frames, 0.99):.1f} ms"
    )


def _measure(appliance: BenchAppliance, browser: Browser, trace: HidTrace, what: str) -> None:
    url = f"http://{appliance.host}:{appliance.port}/"
    page = _log_in(browser, url)
    if what.endswith("plays"):
        _load(page)
        _first_picture(page, url)
    _events(page, trace, what)
    page.context.close()


def main() -> None:
    """Measure with a picture that moves, and with one that rests."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for motion, what in (("true", "while the picture plays"), ("false", "while the picture rests")):
            trace = Path(folder) / f"trace-{motion}"
            with bench_appliance(CONFIG.format(motion=motion, trace=trace)) as appliance:
                _measure(appliance, browser, HidTrace(trace), what)
        browser.close()


if __name__ == "__main__":
    main()
