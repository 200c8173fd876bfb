"""The drive manager in a real browser: an image's way in, into the target's drive, out again, and away."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_page import ROUND_TRIP_DEADLINE_S, RunningAppliance, Target, address, eventually, log_in
from peers.reverse_proxy import ReverseProxy, reverse_proxy
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

MIB = 1 << 20
TRANSFER_DEADLINE_MS = 60_000


def image_file(folder: Path, name: str, size: int) -> tuple[Path, str]:
    """A file of random bytes, and what it hashes to."""
    content = random.Random(name).randbytes(size)
    path = folder / name
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_an_image_comes_in_is_shown_to_the_target_and_goes(
    console: Page, target: Target, tmp_path: Path
) -> None:
    path, digest = image_file(tmp_path, "os.iso", 3 * MIB)
    # Files that are dragged over the page open the panel.
    dragged = console.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['x'], 'x')); return data; }"
    )
    console.dispatch_event(".header", "dragenter", {"dataTransfer": dragged})
    expect(console.locator("#panel")).to_have_attribute("data-panel", "drives")
    console.locator("#upload-files").set_input_files(path)
    transfer = console.get_by_test_id("transfer-os.iso")
    expect(transfer).to_have_attribute("data-phase", "done", timeout=TRANSFER_DEADLINE_MS)
    stored = target.get("/api/msd")["storage"]["images"]["os.iso"]
    assert (stored["size"], stored["complete"], stored["sha256"]) == (3 * MIB, True, digest)

    console.locator("#drive-image").select_option("os.iso")
    expect(console.locator("#drive-image")).to_have_value("os.iso")
    console.locator("#drive-insert").click()
    expect(console.locator("#drive-state")).to_contain_text("os.iso is in the drive (CD-ROM)")
    eventually(target.text, lambda text: "no medium" not in text, ROUND_TRIP_DEADLINE_S)
    assert target.get("/api/msd")["drive"]["connected"] is True
    console.locator("#drive-eject").click()
    expect(console.locator("#drive-state")).to_have_text("The drive is empty.")
    eventually(target.text, lambda text: "no medium" in text, ROUND_TRIP_DEADLINE_S)

    console.get_by_test_id("image-os.iso-open").click()
    with console.expect_download() as caught:
        console.get_by_test_id("image-os.iso-download").click()
    caught.value.save_as(tmp_path / "back.iso")
    assert (tmp_path / "back.iso").read_bytes() == path.read_bytes()
    console.get_by_test_id("image-os.iso-verify").click()
    expect(console.get_by_test_id("image-os.iso")).to_contain_text("checked", timeout=TRANSFER_DEADLINE_MS)
    console.get_by_test_id("image-os.iso-remove").click()
    expect(console.locator("#confirm")).to_contain_text("Delete os.iso?")
    console.locator("#confirm-yes").click()
    expect(console.get_by_test_id("image-os.iso")).to_have_count(0)
    assert target.get("/api/msd")["storage"]["images"] == {}


@pytest.fixture
def proxy(appliance: RunningAppliance, tmp_path: Path) -> Iterator[ReverseProxy]:
    """A proxy that can be cut off; what it shows is below `/kvm7/`."""
    (tmp_path / "proxy").mkdir()
    with reverse_proxy(tmp_path / "proxy", "/kvm7/", appliance.url) as proxy:
        yield proxy


def test_an_upload_survives_a_cut_and_a_reload(
    page: Page, appliance: RunningAppliance, target: Target, proxy: ReverseProxy, tmp_path: Path
) -> None:
    path, digest = image_file(tmp_path, "large\N{NO-BREAK SPACE}disk.img", 40 * MIB)

    def written() -> int:
        uploading = target.get("/api/msd")["storage"]["uploading"]
        return 0 if uploading is None else int(uploading["written"])

    # Slow enough to be cut in the middle.
    devtools = page.context.new_cdp_session(page)
    page.goto(proxy.url + "#/drives")
    page.locator("#login-user").fill(appliance.user)
    page.locator("#login-passwd").fill(appliance.password)
    page.locator("#login-submit").click()
    expect(page.locator("#upload-files")).to_be_attached()
    devtools.send("Network.enable")
    devtools.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 4 * MIB},
    )
    page.locator("#upload-files").set_input_files(path)
    transfer = page.get_by_test_id("transfer-large_disk.img")
    eventually(written, lambda count: count > 2 * MIB, ROUND_TRIP_DEADLINE_S)
    proxy.stop()
    expect(transfer).to_contain_text("trying again", timeout=TRANSFER_DEADLINE_MS)
    proxy.start()
    eventually(written, lambda count: count > 6 * MIB, TRANSFER_DEADLINE_MS / 1000)
    # The page would be asked for; a reload of the tool does not wait for an answer.
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    before = target.get("/api/msd")["storage"]["images"]["large_disk.img"]
    assert before["complete"] is False
    expect(page.locator("#upload-files")).to_be_attached()
    devtools.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    sent: list[int] = []
    page.on(
        "request",
        lambda request: (
            sent.append(int(request.headers["upload-offset"])) if request.method == "PATCH" else None
        ),
    )
    page.locator("#upload-files").set_input_files(path)
    expect(transfer).to_have_attribute("data-phase", "done", timeout=TRANSFER_DEADLINE_MS)
    assert sent[0] > 2 * MIB, "expected it to go on where it was"
    stored = target.get("/api/msd")["storage"]["images"]["large_disk.img"]
    assert (stored["size"], stored["complete"], stored["sha256"]) == (40 * MIB, True, digest)


def test_what_goes_wrong_is_said(page: Page, appliance: RunningAppliance, target: Target) -> None:
    log_in(page, appliance)
    page.goto(address(appliance, "/#/drives"))
    page.locator("#fetch-url").fill(f"{appliance.url}no-such-image.iso")
    page.locator("#fetch-start").click()
    expect(page.locator("#notices")).to_contain_text("Fetching no-such-image.iso:")
    expect(page.locator("#notices")).to_contain_text("404")
    assert target.get("/api/msd")["storage"]["images"] == {}
