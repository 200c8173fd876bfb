"""The routes of this slice against the contract, over a real socket on the emulated board."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio

# -- HID ---------------------------------------------------------------------------------------------------


async def test_hid_state(live: Any) -> None:
    assert await live.result_of(await live.http.get("/api/hid")) == {
        "enabled": True,
        "online": True,
        "busy": False,
        "connected": None,
        "keyboard": {
            "online": True,
            "leds": {"caps": False, "scroll": False, "num": False},
            "outputs": {"available": [], "active": ""},
        },
        "mouse": {
            "online": True,
            "absolute": True,
            "outputs": {"available": ["usb", "usb_rel"], "active": "usb"},
        },
        "jiggler": {"enabled": True, "active": False, "interval": 60},
    }


async def test_hid_set_params(live: Any) -> None:
    for query in ("jiggler=1&mouse_output=usb_rel", "keyboard_output=ps2", "mouse_output=ps2", ""):
        assert await live.result_of(await live.http.post(f"/api/hid/set_params?{query}")) == {}
    state = await live.result_of(await live.http.get("/api/hid"))
    assert state["jiggler"]["active"] is True
    assert state["mouse"] == {
        "online": True,
        "absolute": False,
        "outputs": {"available": ["usb", "usb_rel"], "active": "usb_rel"},
    }
    for query in ("jiggler=on", "mouse_output=", "keyboard_output=usb_rel"):
        await live.refused(await live.http.post(f"/api/hid/set_params?{query}"), 400, "ValidatorError")


@pytest.mark.parametrize(
    ("route", "good", "bad"),
    [
        ("send_key", ["key=KeyA", "key=KeyA&state=1&finish=yes"], ["", "key=keya", "key=KeyA&state=x"]),
        ("send_shortcut", ["keys=ControlLeft,KeyL", "keys="], ["", "keys=Nope"]),
        ("send_mouse_button", ["button=LEFT", "button=up&state=0"], ["", "button=x1"]),
        ("send_mouse_move", ["to_x=0&to_y=99999"], ["to_x=1", "to_x=1.5&to_y=0"]),
        ("send_mouse_relative", ["delta_x=1&delta_y=-500"], ["delta_x=1"]),
        ("send_mouse_wheel", ["delta_x=0&delta_y=-5"], ["delta_y="]),
    ],
)
async def test_hid_events(live: Any, route: str, good: list[str], bad: list[str]) -> None:
    for query in good:
        assert await live.result_of(await live.http.post(f"/api/hid/events/{route}?{query}")) == {}
    for query in bad:
        await live.refused(await live.http.post(f"/api/hid/events/{route}?{query}"), 400, "ValidatorError")
    await live.refused(await live.http.get(f"/api/hid/events/{route}"), 405, "MethodNotAllowedError")


async def test_hid_inactivity_and_connection(live: Any) -> None:
    inactivity = (await live.result_of(await live.http.get("/api/hid/inactivity")))["inactivity"]
    assert type(inactivity) is int
    assert await live.result_of(await live.http.post("/api/hid/set_connected?connected=0")) == {}
    await live.refused(await live.http.post("/api/hid/set_connected"), 400, "ValidatorError")
    assert await live.result_of(await live.http.post("/api/hid/reset")) == {}


async def test_parameters_in_a_form_body_are_not_looked_at(live: Any) -> None:
    answer = await live.http.post("/api/hid/events/send_key", data={"key": "KeyA"})
    await live.refused(answer, 400, "ValidatorError")


# -- ATX ---------------------------------------------------------------------------------------------------


async def test_atx_state_and_power(live: Any) -> None:
    with trio.fail_after(10):
        while not (state := await live.result_of(await live.http.get("/api/atx")))["leds"]["power"]:
            await trio.sleep(0.05)
    assert state["enabled"] is True
    assert state["acts"] == {"power": False, "reset": False}
    assert set(state["leds"]) == {"power", "hdd"}
    assert await live.result_of(await live.http.post("/api/atx/power?action=on")) == {}
    assert await live.result_of(await live.http.post("/api/atx/click?button=reset")) == {}
    await live.refused(await live.http.post("/api/atx/click?button=reset"), 409, "AtxIsBusyError")
    await live.refused(await live.http.post("/api/atx/power"), 400, "ValidatorError")
    await live.refused(await live.http.post("/api/atx/click?button=power_short"), 400, "ValidatorError")


async def test_atx_disabled(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {atx: {type: disabled}}") as live:
        assert (await live.result_of(await live.http.get("/api/atx")))["enabled"] is False
        await live.refused(await live.http.post("/api/atx/click?button=power"), 400, "AtxDisabledError")


# -- streamer ----------------------------------------------------------------------------------------------


async def test_streamer_stopped(live: Any) -> None:
    assert await live.result_of(await live.http.get("/api/streamer")) == {
        "features": {"quality": True, "resolution": False, "h264": False},
        "limits": {"desired_fps": {"min": 0, "max": 90}},
        "params": {"desired_fps": 30, "quality": 80},
        "applied": {"desired_fps": 30, "quality": 80},
        "snapshot": {"saved": None},
        "streamer": None,
    }
    await live.refused(await live.http.get("/api/streamer/snapshot"), 503, "UnavailableError")
    await live.refused(await live.http.get("/api/streamer/snapshot?load=1"), 503, "UnavailableError")
    for path in ("state", "snapshot", "stream"):
        answer = await live.http.get(f"/streamer/{path}")
        assert answer.status_code == 502
        assert answer.headers["content-type"].startswith("text/html")


async def started(live: Any) -> None:
    with trio.fail_after(20):
        while True:
            state = await live.result_of(await live.http.get("/api/streamer"))
            if state["streamer"] and state["streamer"]["source"]["online"]:
                return
            await trio.sleep(0.05)


async def test_streamer_running_and_snapshots(live: Any) -> None:
    async with live.websocket():
        await started(live)
        running = await live.result_of(await live.http.get("/streamer/state"))
        assert running["instance_id"] == ""
        assert running["encoder"] == {"type": "CPU", "quality": 80}
        assert set(running) == {"instance_id", "encoder", "sinks", "source", "stream", "latency"}
        assert running["sinks"] == {"jpeg": {"has_clients": False}}
        assert set(running["stream"]) == {"queued_fps", "clients", "clients_stat"}
        answer = await live.http.get("/api/streamer/snapshot?save=1")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.content.startswith(b"\xff\xd8")
        assert answer.headers["x-ustreamer-online"] == "true"
        for name in ("Grab-Begin", "Grab-End", "Encode-Begin", "Encode-End", "Send"):
            assert float(answer.headers[f"X-UStreamer-{name}-Timestamp"]) >= 0
        width, height = (int(answer.headers[f"x-ustreamer-{side}"]) for side in ("width", "height"))
        saved = (await live.result_of(await live.http.get("/api/streamer")))["snapshot"]["saved"]
        assert saved == {"online": True, "width": width, "height": height}
        kept = await live.http.get("/api/streamer/snapshot?load=1")
        assert kept.content == answer.content
        preview = await live.http.get("/api/streamer/snapshot?load=1&preview=1&preview_max_width=100")
        assert len(preview.content) < len(answer.content)
        assert preview.headers["x-ustreamer-width"] == str(width)
        bad = await live.http.get("/api/streamer/snapshot?preview=1&preview_quality=0")
        await live.refused(bad, 400, "ValidatorError")
        assert await live.result_of(await live.http.delete("/api/streamer/snapshot")) == {}
        await live.refused(await live.http.get("/api/streamer/snapshot?load=1"), 503, "UnavailableError")


async def test_set_params_restarts_the_streamer_with_them(live: Any) -> None:
    async with live.websocket():
        await started(live)
        assert (
            await live.result_of(await live.http.post("/api/streamer/set_params?quality=50&desired_fps=10"))
            == {}
        )
        with trio.fail_after(20):
            while True:
                state = await live.result_of(await live.http.get("/api/streamer"))
                if state["streamer"] and state["streamer"]["encoder"]["quality"] == 50:
                    break
                await trio.sleep(0.05)
        assert state["params"] == state["applied"] == {"desired_fps": 10, "quality": 50}
        assert state["streamer"]["source"]["desired_fps"] == 10


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("quality=101", "ValidatorError"),
        ("resolution=640x480", "StreamerResolutionNotSupported"),
        ("h264_bitrate=5000", "StreamerH264NotSupported"),
        ("h264_gop=61", "ValidatorError"),
    ],
)
async def test_set_params_refuses(live: Any, query: str, error: str) -> None:
    await live.refused(await live.http.post(f"/api/streamer/set_params?{query}"), 400, error)
    assert await live.result_of(await live.http.post("/api/streamer/set_params?quality=&resolution=")) == {}


async def test_a_still_screen_is_still_fresh(live: Any) -> None:
    async with live.websocket():
        await started(live)
        await trio.sleep(1)
        ages = []
        for _ in range(2):
            answer = await live.http.get("/api/streamer/snapshot")
            headers = {
                name: float(answer.headers[f"X-UStreamer-{name}-Timestamp"]) for name in ("Grab-End", "Send")
            }
            ages.append(headers["Send"] - headers["Grab-End"])
            await trio.sleep(1)
        assert all(age < 1 for age in ages), ages


async def test_slashes_are_forgiven_below_the_streamer_too(live: Any) -> None:
    for path in ("/streamer//state", "/streamer/state/", "/streamer/snapshot/"):
        assert (await live.http.get(path)).status_code == 502, path
    assert (await live.http.get("/streamer/")).status_code == 200
    assert (await live.http.get("/kvm/")).headers["location"] == "../"


async def test_mjpeg(live: Any) -> None:
    async with live.websocket():
        await started(live)
        async with await live.raw_get("/streamer/stream?key=abc&extra_headers=1") as stream:
            received = b""
            with trio.fail_after(20):
                while received.count(b"\r\n--boundarydonotcross") < 3:
                    received += await stream.receive_some(65536)
            state = await live.result_of(await live.http.get("/streamer/state"))
        head, _, body = received.partition(b"\r\n\r\n")
        status, *fields = head.decode().split("\r\n")
        headers = httpx.Headers(dict(field.split(": ", 1) for field in fields))
        assert status.split(" ")[1] == "200"
        assert headers["content-type"] == "multipart/x-mixed-replace;boundary=boundarydonotcross"
        match = re.fullmatch(r"stream_client=abc/([0-9a-f]+); path=/; max-age=30", headers["set-cookie"])
        assert match
        assert state["stream"]["clients"] == 1
        assert state["stream"]["clients_stat"][match[1]]["key"] == "abc"
        # No chunked transfer encoding: simple readers take the connection's bytes as they come.
        assert "transfer-encoding" not in headers
        head, rest = body.removeprefix(b"--boundarydonotcross\r\n").split(b"\r\n\r\n", 1)
        part = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        length = int(part["Content-Length"])
        assert rest[:2] == b"\xff\xd8"
        assert rest[length - 2 : length] == b"\xff\xd9"
        assert rest[length:].startswith(b"\r\n--boundarydonotcross")
        assert part["X-UStreamer-Online"] == "true"
        with trio.fail_after(20):
            while (await live.result_of(await live.http.get("/streamer/state")))["stream"]["clients"]:
                await trio.sleep(0.05)


async def test_streamer_routes_refuse_in_html(live: Any) -> None:
    async with live.anonymous() as client:
        for headers, status in (
            ({}, 401),
            ({"X-KVMD-User": "admin", "X-KVMD-Passwd": "no"}, 403),
            ({"Cookie": "auth_token=x"}, 500),
        ):
            answer = await client.get("/streamer/state", headers=headers)
            assert answer.status_code == status
            assert answer.headers["content-type"].startswith("text/html")
    assert (await live.http.head("/streamer/stream")).status_code == 200
    assert (await live.http.options("/streamer/snapshot")).status_code == 200


# -- info and supervision -----------------------------------------------------------------------------------


async def test_info(live: Any) -> None:
    legacy = await live.result_of(await live.http.get("/api/info"))
    assert set(legacy) == {"auth", "extras", "fan", "hw", "meta", "node", "system", "uptime"}
    assert re.fullmatch(r"\d+\.\d+", legacy["system"]["kvmd"]["version"])
    new = await live.result_of(await live.http.get("/api/info?legacy=0&fields=auth,node"))
    assert new["auth"] == {"enabled": True}
    assert set(new) == {"auth", "node"}
    await live.refused(await live.http.get("/api/info?legacy=0&fields=hw"), 400, "ValidatorError")
    await live.refused(await live.http.get("/api/info?fields=bogus"), 400, "ValidatorError")


async def test_supervised_tasks_can_be_seen_and_restarted(live: Any) -> None:
    tasks = (await live.result_of(await live.http.get("/api/supervisor")))["tasks"]
    assert tasks["hid.keyboard"]["phase"] == "online"
    assert {"atx.power_led", "board.pc", "streamer", "info", "events"} <= set(tasks)
    assert await live.result_of(await live.http.post("/api/supervisor/restart?task=hid.keyboard")) == {}
    await live.refused(await live.http.post("/api/supervisor/restart?task=nobody"), 400, "UnknownTaskError")
    with trio.fail_after(10):
        while True:
            task = (await live.result_of(await live.http.get("/api/supervisor")))["tasks"]["hid.keyboard"]
            if task["phase"] == "online" and task["starts"] == 2:
                break
            await trio.sleep(0.02)
    assert task["faults"] == task["bugs"] == 0
