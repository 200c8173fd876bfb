"""First light on a real machine: boot a guest, watch it, type to it and read its answer, by the API alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from PIL import Image
from qemu_guest import FIRMWARE_TEXT, MENU_TITLE, PROMPT, QEMU_ARGUMENTS, build_demo_iso
from screen_text import read_screen
from trio_websocket import open_websocket_url

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

# Firmware and boot loader take a few seconds under emulation, and ten times that on a busy machine.
BOOT_DEADLINE_S = 120
POLL_S = 0.5

KEYS = {" ": "Space", "$": "Digit4", "_": "Minus", "-": "Minus", "\n": "Enter", "=": "Equal"}
SHIFTED = "$_"


async def screen(client: httpx.AsyncClient) -> tuple[tuple[int, int], list[str]]:
    """The size of the screen and the lines on it, from a snapshot."""
    answer = await client.get("/api/streamer/snapshot?allow_offline=1")
    if answer.status_code == 503:
        return (0, 0), []
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content))
    return image.size, await trio.to_thread.run_sync(read_screen, image)


async def wait_for_text(client: httpx.AsyncClient, text: str) -> list[str]:
    """Wait until *text* is on the screen; the screen as it then is."""
    lines: list[str] = []
    with trio.move_on_after(BOOT_DEADLINE_S):
        while True:
            _, lines = await screen(client)
            if any(text in line for line in lines):
                return lines
            await trio.sleep(POLL_S)
    pytest.fail(f"{text!r} never appeared; the screen shows:\n" + "\n".join(lines))


async def press(client: httpx.AsyncClient, **params: str) -> None:
    answer = await client.post("/api/hid/events/send_key", params=params)
    assert answer.status_code == 200, answer.text


async def type_text(client: httpx.AsyncClient, text: str) -> None:
    """Type by single key events, as a script would; the firmware's keyboard driver wants a breath."""
    for character in text:
        key = KEYS.get(character) or f"Key{character.upper()}"
        if character in SHIFTED:
            await press(client, key="ShiftLeft", state="1")
        await press(client, key=key)
        if character in SHIFTED:
            await press(client, key="ShiftLeft", state="0")
        await trio.sleep(0.1)


async def wait_for_power(client: httpx.AsyncClient, *, on: bool) -> None:
    with trio.fail_after(60):
        while (await client.get("/api/atx")).json()["result"]["leds"]["power"] is not on:
            await trio.sleep(POLL_S)


async def test_first_light(tmp_path: Path, start_appliance: Callable[..., Any]) -> None:
    iso = build_demo_iso(tmp_path)
    appliance = start_appliance(
        *("--board", "qemu", "--http", "127.0.0.1:0", "--https", ""),
        *("--", *QEMU_ARGUMENTS, "-cdrom", str(iso)),
    )
    headers = {"X-KVMD-User": appliance.user, "X-KVMD-Passwd": appliance.password}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    socket_url = appliance.url.replace("http", "ws", 1).rstrip("/") + "/api/ws?stream=1"
    async with (
        httpx.AsyncClient(base_url=appliance.url, headers=headers, timeout=60) as client,
        open_websocket_url(socket_url, extra_headers=pairs) as socket,
        trio.open_nursery() as nursery,
    ):

        async def read_events() -> None:
            while True:
                await socket.get_message()

        nursery.start_soon(read_events)
        await wait_for_power(client, on=False)
        with trio.fail_after(30):
            while (await client.get("/streamer/state")).status_code != 200:
                await trio.sleep(POLL_S)
        assert (await client.get("/api/streamer/snapshot")).status_code == 503

        answer = await client.post("/api/atx/power?action=on")
        assert answer.status_code == 200, answer.text
        await wait_for_power(client, on=True)
        firmware = await wait_for_text(client, FIRMWARE_TEXT)
        menu = await wait_for_text(client, MENU_TITLE)
        assert menu != firmware

        await press(client, key="Enter")
        await wait_for_text(client, PROMPT)
        # The answer is not in the question: only the guest knows on what it runs.
        await type_text(client, "echo on_$grub_cpu-$grub_platform\n")
        await wait_for_text(client, "on_i386-pc")

        answer = await client.post("/api/atx/power?action=off_hard&wait=1")
        assert answer.status_code == 200, answer.text
        await wait_for_power(client, on=False)
        nursery.cancel_scope.cancel()
    assert appliance.stop() == 0
