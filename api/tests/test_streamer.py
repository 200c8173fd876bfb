"""The streamer's parameters, snapshots and the text on them, on a live appliance (contract http.md 4.5)."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

from firmware.subsystems.streamer import control

# The contract's second, shortened for tests that wait for it (its own are in the subsystem).
QUIET_S = 0.2

SIZES = """
kvmd:
    streamer:
        resolution: {default: 1280x720, available: [1280x720, 640x480]}
        desired_fps: {default: 25, min: 10, max: 30}
        reset_delay: 0.1
"""


@pytest.fixture(autouse=True)
def short_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PARAMS_QUIET_S", QUIET_S)


async def streamer_state(live: Any, ready: Callable[[Any], bool]) -> Any:
    with trio.fail_after(30):
        while True:
            state = await live.result_of(await live.http.get("/api/streamer"))
            if ready(state):
                return state
            await trio.sleep(0.05)


def online(state: Any) -> bool:
    return bool(state["streamer"] and state["streamer"]["source"]["online"])


# -- parameters --------------------------------------------------------------------------------------------


async def test_a_resolution_is_chosen_among_the_available_ones(live_with: Callable[[str], Any]) -> None:
    async with live_with(SIZES) as live:
        state = await live.result_of(await live.http.get("/api/streamer"))
        assert state["features"] == {"quality": True, "resolution": True, "h264": False}
        assert state["limits"] == {
            "desired_fps": {"min": 10, "max": 30},
            "available_resolutions": ["1280x720", "640x480"],
        }
        assert state["params"] == {"desired_fps": 25, "quality": 80, "resolution": "1280x720"}
        async with live.websocket():
            state = await streamer_state(live, online)
            assert state["streamer"]["source"]["resolution"] == {"width": 1280, "height": 720}
            for query in ("resolution=640x480", "resolution=1920x1080", "desired_fps=90"):
                assert await live.result_of(await live.http.post(f"/api/streamer/set_params?{query}")) == {}
            state = await streamer_state(
                live, lambda state: online(state) and state["params"]["resolution"] == "640x480"
            )
            # What was beyond the limits was dropped.
            assert state["params"] == {"desired_fps": 25, "quality": 80, "resolution": "640x480"}
            assert state["applied"] == state["params"]
            assert state["streamer"]["source"]["resolution"] == {"width": 640, "height": 480}
            picture = await live.http.get("/api/streamer/snapshot")
            assert picture.headers["x-ustreamer-width"] == "640"
            with Image.open(io.BytesIO(picture.content)) as image:
                assert image.size == (640, 480)


async def test_what_stands_before_an_error_is_staged(live: Any) -> None:
    """In the order of the contract, whatever the order in the query; an empty value is no value."""
    answer = await live.http.post(
        "/api/streamer/set_params?h264_gop=30&resolution=640x480&quality=33&desired_fps="
    )
    await live.refused(answer, 400, "StreamerResolutionNotSupported")
    state = await streamer_state(live, lambda state: state["params"]["quality"] == 33)
    assert state["params"] == {"desired_fps": 30, "quality": 33}
    answer = await live.http.post("/api/streamer/set_params?quality=0&desired_fps=20")
    await live.refused(answer, 400, "ValidatorError")
    await trio.sleep(3 * QUIET_S)
    assert (await streamer_state(live, lambda _state: True))["params"]["desired_fps"] == 30


async def test_a_fixed_quality_cannot_be_set(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {streamer: {quality: 0}}") as live:
        state = await live.result_of(await live.http.get("/api/streamer"))
        assert state["features"] == {"quality": False, "resolution": False, "h264": False}
        assert state["params"] == {"desired_fps": 30}
        answer = await live.http.post("/api/streamer/set_params?quality=50")
        await live.refused(answer, 400, "StreamerQualityNotSupported")


async def test_the_streamer_can_be_reset(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {streamer: {reset_delay: 0.5}}") as live:
        assert await live.result_of(await live.http.post("/api/streamer/reset")) == {}
        async with live.websocket():
            await streamer_state(live, online)
            assert await live.result_of(await live.http.post("/api/streamer/reset")) == {}
            await streamer_state(live, lambda state: state["streamer"] is None)
            await streamer_state(live, online)


# -- snapshots ---------------------------------------------------------------------------------------------


async def test_forgetting_the_kept_frame_is_an_event(live: Any) -> None:
    async def saved() -> Any:
        with trio.fail_after(30):
            while True:
                message = json.loads(await socket.get_message())
                if message["event_type"] == "streamer" and set(message["event"]) == {"snapshot"}:
                    return message["event"]["snapshot"]["saved"]

    async with live.websocket() as socket:
        await streamer_state(live, online)
        await live.http.get("/api/streamer/snapshot?save=1")
        kept = await saved()
        assert kept["online"] is True
        assert set(kept) == {"online", "width", "height"}
        await live.http.delete("/api/streamer/snapshot")
        assert await saved() is None


async def test_a_frame_comes_before_the_validation_of_what_to_do_with_it(live: Any) -> None:
    for query in ("preview=1&preview_quality=0", "ocr=1&ocr_langs=klingon", "ocr=1&ocr_left=x"):
        answer = await live.http.get(f"/api/streamer/snapshot?{query}")
        await live.refused(answer, 503, "UnavailableError")
    await live.refused(await live.http.get("/api/streamer/snapshot?save=maybe"), 400, "ValidatorError")


# -- text --------------------------------------------------------------------------------------------------


async def typed(live: Any, text: str) -> None:
    for letter in text:
        key = {" ": "Space", "\n": "Enter"}.get(letter, f"Key{letter.upper()}")
        for state in (1, 0):
            await live.http.post(f"/api/hid/events/send_key?key={key}&state={state}")


async def test_text_on_the_screen_is_recognised(live: Any) -> None:
    langs = (await live.result_of(await live.http.get("/api/streamer/ocr")))["ocr"]
    assert langs["enabled"] is True
    assert langs["langs"]["default"] == ["eng"]
    assert "eng" in langs["langs"]["available"]
    async with live.websocket():
        await streamer_state(live, online)
        await typed(live, "clear\necho quick brown fox jumps over the dog\n")
        with trio.fail_after(90):
            while True:
                answer = await live.http.get("/api/streamer/snapshot?ocr=1&ocr_langs=ENG&preview=1&save=1")
                assert answer.status_code == 200, answer.text
                if answer.text.count("quick brown fox jumps over the dog") >= 2:
                    break
        assert answer.headers["content-type"] == "text/plain"
        assert answer.text.endswith("\n")
        # The same frame was kept; its lower half says something else, by its upper edge alone.
        height = int(answer.headers["x-ustreamer-height"])
        lower = await live.http.get(f"/api/streamer/snapshot?ocr=1&load=1&ocr_top={height // 2}")
        assert lower.status_code == 200
        assert "quick brown fox" not in lower.text
        assert lower.headers["x-ustreamer-height"] == str(height)
        bad = await live.http.get("/api/streamer/snapshot?ocr=1&load=1&ocr_langs=eng,klingon")
        await live.refused(bad, 400, "ValidatorError")
        bad = await live.http.get("/api/streamer/snapshot?ocr=1&load=1&ocr_left=1.5")
        await live.refused(bad, 400, "ValidatorError")


async def test_without_languages_there_is_no_recognition(
    live_with: Callable[[str], Any], tmp_path: Any
) -> None:
    empty = tmp_path / "tessdata"
    empty.mkdir()
    async with live_with(f"kvmd: {{ocr: {{tessdata: {empty}}}}}") as live:
        off = {"ocr": {"enabled": False, "langs": {"default": [], "available": []}}}
        assert await live.result_of(await live.http.get("/api/streamer/ocr")) == off
        async with live.websocket() as socket:
            event = None
            with trio.fail_after(30):
                while event is None:
                    message = json.loads(await socket.get_message())
                    event = message["event"] if message["event_type"] == "ocr" else None
            assert event == off["ocr"]
            await streamer_state(live, online)
            answer = await live.http.get("/api/streamer/snapshot?ocr=1")
            await live.refused(answer, 400, "OcrError")
            assert re.search("install tesseract-ocr", answer.text)


async def test_who_goes_away_leaves_no_recognition_behind(
    live: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "pid"
    program = tmp_path / "tesseract"
    program.write_text(f"#!/bin/sh\necho $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with live.websocket():
        await streamer_state(live, online)
        async with await live.raw_get("/api/streamer/snapshot?ocr=1"):
            with trio.fail_after(30):
                while not pid_file.exists():
                    await trio.sleep(0.02)
            # Everything else goes on meanwhile.
            assert (await live.http.get("/api/streamer/snapshot")).status_code == 200
        pid = int(pid_file.read_text())
        with trio.fail_after(30), suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)
                await trio.sleep(0.05)
