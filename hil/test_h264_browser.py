"""H.264 in a real browser: WebCodecs decodes what the media socket sends, as a console would have it do.

A page of the appliance's own, on loopback, opens the socket and configures its decoder with nothing but the
announced profile. What it shows is compared with a snapshot, which came by way of the JPEG encoder.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from console_page import (
    BOOT_DEADLINE_S,
    CHROMIUM,
    CHROMIUM_FLAGS,
    RunningAppliance,
    Target,
    address,
    command_line,
    eventually,
)
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from drivers.video.frame import Frame, PixelFormat
from drivers.video.glyph_reader import read_text

pytestmark = pytest.mark.browser

DEADLINE_S = 30.0

OVERRIDE = """
kvmd:
    streamer:
        h264_bitrate: {default: 5000}
        resolution: {default: 1280x720, available: [640x480]}
        reset_delay: 0.1
"""

VIEWER = """
async () => {
    const seen = window.seen = {sizes: [], errors: [], keys: [], codec: null};
    const canvas = window.seenCanvas = document.createElement("canvas");
    const decoder = new VideoDecoder({
        output: (frame) => {
            seen.sizes.push([frame.displayWidth, frame.displayHeight]);
            canvas.width = frame.displayWidth;
            canvas.height = frame.displayHeight;
            canvas.getContext("2d").drawImage(frame, 0, 0);
            frame.close();
        },
        error: (error) => seen.errors.push(String(error)),
    });
    // A session that wants video, for which the streamer runs.
    window.session = new WebSocket(`ws://${location.host}/api/ws?stream=1`);
    const socket = new WebSocket(`ws://${location.host}/api/media/ws`);
    socket.binaryType = "arraybuffer";
    socket.onclose = (event) => seen.errors.push(`closed: ${event.code}`);
    socket.onmessage = ({data}) => {
        if (typeof data === "string") {
            const {profile_level_id} = JSON.parse(data).event.video.h264;
            seen.codec = `avc1.${profile_level_id}`;
            decoder.configure({codec: seen.codec, optimizeForLatency: true});
            socket.send(JSON.stringify({event_type: "start", event: {type: "video", format: "h264"}}));
            return;
        }
        const bytes = new Uint8Array(data);
        const type = bytes[1] ? "key" : "delta";
        seen.keys.push(bytes[1]);
        decoder.decode(new EncodedVideoChunk({type, timestamp: seen.keys.length, data: bytes.subarray(2)}));
    };
    window.seenSocket = socket;
}
"""


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page of a browser of its own."""
    # Tests of serial ports in this process have imported trio-asyncio, whose loop Playwright cannot use.
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=CHROMIUM_FLAGS)
            # Whatever page it is that the scripts of this test run in.
            yield browser.new_page(bypass_csp=True)
            browser.close()
    finally:
        asyncio.set_event_loop_policy(None)


class Viewer:
    """The page's decoder, and what it has seen."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(VIEWER)

    def seen(self) -> dict[str, Any]:
        seen: dict[str, Any] = self._page.evaluate("window.seen")
        assert seen["errors"] == []
        return seen

    def pixels(self) -> NDArray[np.float64]:
        """The last picture, as it is shown."""
        url: str = self._page.evaluate("window.seenCanvas.toDataURL()")
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
            return np.asarray(image.convert("RGB"), dtype=np.float64)

    def text(self) -> str:
        pixels = self.pixels()
        grey = pixels.mean(axis=2).astype(np.uint8)
        height, width = grey.shape
        frame = Frame(grey.tobytes(), width, height, width, PixelFormat.GREY, 0.0, 0.0)
        return "\n".join(read_text(frame))

    def demand_key_frame(self) -> None:
        self._page.evaluate("window.seenSocket.send(new Uint8Array([1]))")


def encoding_process(appliance: Any) -> int:
    """The number of the process that encodes: a child of the appliance."""
    pid = appliance.process.pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"h264.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    raise AssertionError("expected a child that encodes, found none")


def test_webcodecs_decodes_the_stream(
    page: Page, start_appliance: Callable[..., RunningAppliance], tmp_path: Path
) -> None:
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    (config / "override.yaml").write_text(OVERRIDE)
    appliance = start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")
    target = Target(appliance)
    credentials: dict[str, str | float | bool] = {"user": appliance.user, "passwd": appliance.password}
    page.request.post(address(appliance, "/api/auth/login"), form=credentials)
    page.goto(address(appliance, "/streamer/"))
    viewer = Viewer(page)
    eventually(viewer.seen, lambda seen: len(seen["sizes"]) > 0, DEADLINE_S)
    seen = viewer.seen()
    assert seen["codec"] == "avc1.42E01F"
    assert seen["keys"][0] == 1
    assert set(map(tuple, seen["sizes"])) == {(1280, 720)}

    # The colours too: range and matrix arrive.
    def difference() -> float:
        return float(np.abs(viewer.pixels() - np.asarray(target.picture(), dtype=np.float64)).mean())

    eventually(difference, lambda found: found < 4, DEADLINE_S)
    eventually(target.text, lambda text: command_line(text) == "", BOOT_DEADLINE_S)
    with appliance.client() as client:
        client.post("/api/hid/print?limit=0", content=b"echo from here").raise_for_status()
    eventually(viewer.text, lambda text: command_line(text) == "echo from here", DEADLINE_S)

    count = sum(viewer.seen()["keys"])
    viewer.demand_key_frame()
    eventually(viewer.seen, lambda seen: sum(seen["keys"]) > count, DEADLINE_S)

    # Another size in the middle of the stream, with the same decoder.
    target.post("/api/streamer/set_params", resolution="640x480")
    eventually(viewer.seen, lambda seen: seen["sizes"][-1] == [640, 480], DEADLINE_S)

    # And another process.
    shown = len(viewer.seen()["sizes"])
    os.kill(encoding_process(appliance), signal.SIGKILL)
    eventually(viewer.seen, lambda seen: len(seen["sizes"]) > shown, DEADLINE_S)
    target.close()
