"""What the tests of the console know about its page and about the target behind it.

The target's screen is read from a snapshot as a person would; the API tells the state.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
from PIL import Image
from playwright.sync_api import FloatRect, Page, expect

from drivers.video.glyph_reader import frame_of_jpeg, read_text

AXE = Path(__file__).parents[1] / "api/console/node_modules/axe-core/axe.min.js"
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# The emulated PC tests its memory after power-on; everything else takes a moment.
BOOT_DEADLINE_S = 60.0
# A key's way to the target and the picture's way back, on a machine that does other things too.
ROUND_TRIP_DEADLINE_S = 20.0
POLL_PERIOD_S = 0.1

# The limit for the console's initial load.
INITIAL_LOAD_LIMIT_BYTES = 200 * 1024
SCREEN_SIZE_PX = (1280, 720)
# Larger than any pointer that the target may draw.
POINTER_NEIGHBOURHOOD_PX = 32


class RunningAppliance(Protocol):
    """What these tests need of conftest's appliance."""

    url: str
    user: str
    password: str

    def client(self) -> httpx.Client: ...

    def stop(self) -> int: ...


class Target:
    """The machine behind the appliance, seen through the API alone."""

    def __init__(self, appliance: RunningAppliance) -> None:
        self._client = appliance.client()

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> dict[str, Any]:
        answer = self._client.get(path)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()["result"]
        return result

    def post(self, path: str, **query: str | int) -> None:
        self._client.post(path, params=query).raise_for_status()

    def snapshot(self) -> bytes | None:
        """The present picture as JPEG, None without a signal."""
        answer = self._client.get("/api/streamer/snapshot")
        if answer.status_code == 503:
            return None
        answer.raise_for_status()
        return answer.content

    def picture(self) -> Image.Image:
        """The present picture; there has to be one."""
        jpeg = self.snapshot()
        assert jpeg is not None, "expected a picture, got no signal"
        return Image.open(io.BytesIO(jpeg)).convert("RGB")

    def text(self) -> str:
        """The characters on the target's screen, "" without a signal."""
        jpeg = self.snapshot()
        return "" if jpeg is None else "\n".join(read_text(frame_of_jpeg(jpeg)))

    def is_on(self) -> bool:
        return bool(self.get("/api/atx")["leds"]["power"])


def eventually[T](probe: Callable[[], T], wanted: Callable[[T], bool], deadline_s: float) -> T:
    """Ask *probe* until its answer is *wanted*; the last answer is in the failure's message."""
    end = time.monotonic() + deadline_s
    while not wanted(answer := probe()):
        assert time.monotonic() < end, f"did not come within {deadline_s} s; last seen:\n{answer}"
        time.sleep(POLL_PERIOD_S)
    return answer


def address(appliance: RunningAppliance, path: str = "/") -> str:
    return appliance.url.rstrip("/") + path


def log_in(page: Page, appliance: RunningAppliance) -> None:
    """Open the console as a person does, who is sent to the login page first."""
    page.goto(address(appliance))
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    page.locator("#login-submit").click()
    expect(page.locator("#conn-state")).to_have_attribute("data-state", "online")


def command_line(text: str) -> str | None:
    """What stands behind the last prompt of the screen, without the cursor; None without a prompt."""
    found = re.findall(r"^[^\n]*?[$#>] ?([^\n]*)$", text, re.MULTILINE)
    return found[-1].rstrip(" _\N{FULL BLOCK}") if found else None


def picture_size(page: Page) -> str:
    """Of the picture itself, "1280x720"; empty without one."""
    return page.locator("#video").get_attribute("data-size") or ""


def screen_box(page: Page) -> FloatRect:
    box = page.locator("#screen").bounding_box()
    assert box is not None
    return box


def picture_box(page: Page) -> FloatRect:
    """Where the picture itself is in its letterbox."""
    box = page.locator("#video").bounding_box()
    assert box is not None
    scale = min(box["width"] / SCREEN_SIZE_PX[0], box["height"] / SCREEN_SIZE_PX[1])
    width, height = SCREEN_SIZE_PX[0] * scale, SCREEN_SIZE_PX[1] * scale
    return {
        "x": box["x"] + (box["width"] - width) / 2,
        "y": box["y"] + (box["height"] - height) / 2,
        "width": width,
        "height": height,
    }


def violations(page: Page) -> list[dict[str, Any]]:
    """What axe-core finds against WCAG 2.2 A and AA, and its own good practices."""
    page.evaluate(AXE.read_text())
    found: str = page.evaluate(
        """async () => {
            const { violations } = await axe.run(document, { resultTypes: ["violations"] });
            return JSON.stringify(violations.map(({ id, help, nodes }) =>
                ({ id, help, where: nodes.map((node) => node.html.slice(0, 200)) })));
        }"""
    )
    return list(json.loads(found))
