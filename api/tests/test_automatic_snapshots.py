"""Automatic snapshots of a live appliance (contract subsystems.md 8), retrieved as their users do."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import trio
from PIL import Image

IDLE = """
kvmd:
    streamer: {shutdown_delay: 0.1}
    snapshot:
        idle_interval: 600
        wakeup_key: ShiftLeft
        wakeup_move: 1000
        online_delay: 0.3
        retries_delay: 0.2
"""
LIVE = """
kvmd:
    streamer: {shutdown_delay: 0.1}
    snapshot: {idle_interval: 600, live_interval: 0.5, wakeup_key: KeyA, online_delay: 0.1}
"""
LEFT_SHIFT_DOWN = bytes.fromhex("0200000000000000")


async def statistics_of(live: Any) -> Any:
    return (await live.result_of(await live.http.get("/api/supervisor")))["statistics"]["snapshots"]


async def test_an_idle_target_is_woken_up_and_photographed_right_after_the_start(
    live_with: Callable[[str], Any],
) -> None:
    async with live_with(IDLE) as live:
        with trio.fail_after(60):
            while (kept := await live.http.get("/api/streamer/snapshot?load=1")).status_code != 200:
                assert kept.status_code == 503
                await trio.sleep(0.05)
        assert LEFT_SHIFT_DOWN in live.pc.observer.keyboard_reports
        assert live.pc.observer.keyboard_reports[-1] == bytes(8)
        assert live.pc.observer.held_keys == set()
        assert kept.headers["x-ustreamer-online"] == "true"
        with Image.open(io.BytesIO(kept.content)) as image:
            width, height = image.size
        preview = await live.http.get("/api/streamer/snapshot?load=1&preview=1")
        with Image.open(io.BytesIO(preview.content)) as image:
            assert image.size == (width // 5, height // 5)
        # Nobody wants the picture any more: the streamer stops, the snapshot stays.
        with trio.fail_after(30):
            while (await live.http.get("/api/streamer")).json()["result"]["streamer"] is not None:
                await trio.sleep(0.05)
        state = await live.result_of(await live.http.get("/api/streamer"))
        assert state["snapshot"]["saved"] == {"online": True, "width": width, "height": height}
        assert (await live.http.get("/api/streamer/snapshot?load=1")).content == kept.content
        assert await statistics_of(live) == {"taken": 1, "failed": 0}
        assert "snapshot" in (await live.result_of(await live.http.get("/api/supervisor")))["tasks"]


async def test_whoever_watches_is_told_and_not_disturbed(live_with: Callable[[str], Any]) -> None:
    async with live_with(LIVE) as live, live.websocket("?stream=1") as socket:
        with trio.fail_after(60):
            while (await statistics_of(live))["taken"] < 1:
                await trio.sleep(0.05)
            live.pc.observer.keyboard_reports.clear()
            taken = (await statistics_of(live))["taken"]
            clients = 0
            while clients < 8:
                message = json.loads(await socket.get_message())
                if message["event_type"] == "clients":
                    assert message["event"] == {"count": 1}
                    clients += 1
            # Two events for each, at its start and its end.
            while (await statistics_of(live))["taken"] < taken + 2:
                await trio.sleep(0.05)
        assert live.pc.observer.held_keys == set()
        assert not any(any(report) for report in live.pc.observer.keyboard_reports)


async def test_without_an_interval_nothing_is_taken(live: Any) -> None:
    assert "snapshot" not in (await live.result_of(await live.http.get("/api/supervisor")))["tasks"]
    await trio.sleep(0.5)
    assert (await live.http.get("/api/streamer")).json()["result"]["streamer"] is None
