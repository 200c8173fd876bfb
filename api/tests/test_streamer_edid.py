"""The monitor that the target sees, by the API: what people send is checked, shown at once, and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from drivers.emulated.faults import FaultKind, PortName
from drivers.wire.edid import DEFAULT_MODES, build_edid, with_checksums
from firmware.boards import edid_keeper

PATH = "/api/streamer/edid"
OWN = build_edid()
MINE = build_edid(name="Mine", modes=DEFAULT_MODES[1:])
OTHER = build_edid(name="Other")


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edid_keeper, "LOOK_INTERVAL_S", 0.05)


async def edid_of(live: Any, answer: Any = None) -> Any:
    return (await live.result_of(answer or await live.http.get(PATH)))["edid"]


async def applied_edid_of(live: Any) -> Any:
    """What is told once it is applied: a capture that is busy gets it a moment later."""
    with trio.fail_after(10):
        while not (answer := await edid_of(live))["applied"]:
            await trio.sleep(0.01)
    return answer


async def shows(live: Any, edid: bytes) -> None:
    """Wait until the PC sees *edid*."""
    with trio.fail_after(10):
        while live.pc.edid.edid != edid:
            await trio.sleep(0.01)


async def test_the_configured_one_is_told_with_what_it_says(live: Any) -> None:
    assert await applied_edid_of(live) == {
        "data": OWN.hex().upper(),
        "source": "config",
        "applied": True,
        "parsed": {
            "mfc_id": "FRH",
            "product_id": 1,
            "serial": 0,
            "monitor_name": "Farhand",
            "monitor_serial": None,
            "audio": False,
        },
        "preferred": {"width": 1920, "height": 1080},
    }
    assert live.pc.edid.edid == OWN


@pytest.mark.parametrize(
    "sent",
    [
        {"params": {"data": MINE.hex()}},
        {"params": {"data": MINE.hex(" ", 16).upper()}, "content": OTHER},
        {"content": MINE},
        {"content": MINE.hex("\n", 16).encode() + b"\r\n"},
    ],
    ids=["data", "data and a body", "binary", "digits"],
)
async def test_another_one_is_shown_at_once(live: Any, sent: dict[str, Any]) -> None:
    told = await edid_of(live, await live.http.post(PATH, **sent))
    answer = await applied_edid_of(live)
    assert {**told, "applied": True} == answer
    assert live.pc.edid.edid == MINE
    width, height = DEFAULT_MODES[1].width, DEFAULT_MODES[1].height
    assert (answer["data"], answer["source"]) == (MINE.hex().upper(), "api")
    assert answer["parsed"]["monitor_name"] == "Mine"
    assert answer["preferred"] == {"width": width, "height": height}


async def test_the_target_sees_it(live: Any) -> None:
    await edid_of(live, await live.http.post(PATH, content=MINE))
    await live.result_of(await live.http.post("/api/hid/print", content="monitor\n"))
    mode = DEFAULT_MODES[1]
    with trio.fail_after(20):
        while f"FRH Mine, serial 0, prefers {mode.width}x{mode.height}" not in live.pc.video.text():
            await trio.sleep(0.05)


async def test_a_choice_survives_a_restart_until_it_is_taken_back(
    live_with: Callable[[str], Any], tmp_path: Path
) -> None:
    file = tmp_path / "configured.hex"
    file.write_text(OTHER.hex())
    configured = f"farhand: {{video: {{edid: {file}}}}}"
    async with live_with(configured) as live:
        assert (await edid_of(live))["parsed"]["monitor_name"] == "Other"
        await edid_of(live, await live.http.post(PATH, content=MINE))
    async with live_with(configured) as live:
        assert live.pc.edid.edid == MINE
        assert (await edid_of(live))["source"] == "api"
        answer = await edid_of(live, await live.http.post(PATH))
        assert (answer["source"], answer["data"]) == ("config", OTHER.hex().upper())
        assert live.pc.edid.edid == OTHER
    async with live_with(configured) as live:
        assert live.pc.edid.edid == OTHER
        assert (await edid_of(live))["source"] == "config"


async def test_a_capture_that_returns_gets_it_again(live: Any) -> None:
    await edid_of(live, await live.http.post(PATH, content=MINE))
    live.pc.faults.set(PortName.VIDEO, FaultKind.UNPLUG)
    assert live.pc.edid.edid == b""
    # What is chosen while it is away is kept, and shown when it is there again.
    answer = await edid_of(live, await live.http.post(PATH, content=OTHER))
    assert (answer["data"], answer["source"], answer["applied"]) == (OTHER.hex().upper(), "api", False)
    live.pc.faults.clear(PortName.VIDEO, FaultKind.UNPLUG)
    await live.result_of(await live.http.post("/api/supervisor/restart", params={"task": "board.edid"}))
    await shows(live, OTHER)
    with trio.fail_after(10):
        while not (await edid_of(live))["applied"]:
            await trio.sleep(0.01)


WRONG = {
    "length": (MINE[:200], "blocks of 128 bytes, got 200 bytes"),
    "header": (b"\x00\xfe" + MINE[2:], "starts with 00 ff ff ff ff ff ff 00, got 00 fe"),
    "checksum": (MINE[:-1] + bytes((MINE[-1] ^ 1,)), "of EDID block 1, got "),
    "blocks": (MINE[:128], "an EDID of 2 blocks as byte 126 says, got 1"),
    "too many": (
        with_checksums(MINE[:126] + b"\x00" + MINE[127:128] + MINE),
        "1 blocks as byte 126 says, got 3",
    ),
}


@pytest.mark.parametrize(("edid", "problem"), WRONG.values(), ids=WRONG)
async def test_a_wrong_one_is_refused_by_what_is_wrong(live: Any, edid: bytes, problem: str) -> None:
    for sent in ({"params": {"data": edid.hex()}}, {"content": edid.hex().encode()}):
        refused = await live.result_of(await live.http.post(PATH, **sent), 400)
        assert refused["error"] == "ValidatorError"
        assert problem in refused["error_msg"]
    assert (await edid_of(live))["source"] == "config"
    assert live.pc.edid.edid == OWN


async def test_what_is_no_edid_at_all_is_refused(live: Any) -> None:
    for sent in (
        {"params": {"data": "00FFFFFFxx"}},
        {"params": {"data": "ünd"}},
        {"content": b"<html>"},
        {"content": b"\x00\xfe" + MINE[2:]},
        {"content": b"0"},
    ):
        refused = await live.result_of(await live.http.post(PATH, **sent), 400)
        assert refused["error"] == "ValidatorError"
        assert "expected an EDID as hex digits or binary" in refused["error_msg"]
    assert (await live.http.post(PATH, content=bytes(300_000))).status_code == 413


async def test_strangers_neither_see_nor_change_it(live: Any) -> None:
    async with live.anonymous() as stranger:
        await live.refused(await stranger.get(PATH), 401, "UnauthorizedError")
        await live.refused(await stranger.post(PATH, content=MINE), 401, "UnauthorizedError")
    assert live.pc.edid.edid == OWN
