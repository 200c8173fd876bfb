"""The routes of this slice against the contract, over a real socket on the emulated board."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio


async def result_of(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    document = answer.json()
    assert document["ok"] is (status == 200)
    result = document["result"]
    assert isinstance(result, dict)
    if status != 200:
        assert set(result) == {"error", "error_msg"}
        assert "Traceback" not in answer.text
    return result


async def refused(answer: httpx.Response, status: int, error: str) -> None:
    assert (await result_of(answer, status))["error"] == error


# -- authentication (http.md 3) -----------------------------------------------------------------------------


async def test_login_cookie_check_logout(live: Any) -> None:
    async with live.anonymous() as client:
        await refused(await client.get("/api/auth/check"), 401, "UnauthorizedError")
        answer = await client.post("/api/auth/login", data={"user": "admin", "passwd": "admin"})
        assert await result_of(answer) == {}
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"auth_token=[0-9a-f]{64}; HttpOnly; Path=/; SameSite=Strict", cookie)
        assert await result_of(await client.get("/api/auth/check")) == {}
        assert await result_of(await client.post("/api/auth/logout")) == {}
        await refused(await client.get("/api/auth/check"), 403, "ForbiddenError")


async def test_login_with_redirect_carries_the_flags_too(live: Any) -> None:
    async with live.anonymous() as client:
        form = {"user": "admin", "passwd": "admin", "redirect": "/KVM/"}
        answer = await client.post("/api/auth/login", data=form)
        assert (answer.status_code, answer.headers["location"]) == (302, "/kvm/")
        assert "HttpOnly" in answer.headers["set-cookie"]
        form["redirect"] = "https://elsewhere.example/"
        await refused(await client.post("/api/auth/login", data=form), 400, "ValidatorError")


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"user": "admin", "passwd": "wrong"}, 403),
        ({"user": "nobody", "passwd": "admin"}, 403),
        ({"user": "Admin", "passwd": "admin"}, 400),
        ({"passwd": "admin"}, 400),
        ({"user": "admin", "passwd": "пароль"}, 400),
        ({"user": "admin", "passwd": "admin", "expire": "-1"}, 400),
    ],
)
async def test_logins_that_are_refused(live: Any, form: dict[str, str], status: int) -> None:
    async with live.anonymous() as client:
        answer = await client.post("/api/auth/login", data=form)
        await refused(answer, status, {400: "ValidatorError", 403: "ForbiddenError"}[status])
        assert "set-cookie" not in answer.headers


async def test_the_query_and_json_bodies_of_a_login_are_not_looked_at(live: Any) -> None:
    async with live.anonymous() as client:
        answer = await client.post("/api/auth/login?user=admin&passwd=admin")
        await refused(answer, 400, "ValidatorError")
        answer = await client.post("/api/auth/login", json={"user": "admin", "passwd": "admin"})
        await refused(answer, 400, "ValidatorError")


async def test_a_multipart_login(live: Any) -> None:
    async with live.anonymous() as client:
        files = {"user": (None, "admin"), "passwd": (None, "admin")}
        assert await result_of(await client.post("/api/auth/login", files=files)) == {}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "bAsIc " + b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-KVMD-User": "admin", "X-KVMD-Passwd": "admin"}, 200),
        ({"X-KVMD-User": "admin"}, 403),
        ({"X-KVMD-User": "ADMIN", "X-KVMD-Passwd": "admin"}, 400),
        (basic("admin:admin"), 200),
        (basic("admin:with:colons"), 403),
        (basic("admin"), 401),
        ({"Authorization": "Basic ???"}, 401),
        ({"Authorization": "Bearer x"}, 401),
        ({"Cookie": "auth_token=" + "0" * 64}, 403),
        ({"Cookie": "auth_token=xyz"}, 400),
        # The first mechanism that is present decides.
        ({"Cookie": "auth_token=" + "0" * 64, **basic("admin:admin")}, 403),
        ({"X-KVMD-User": "admin", "X-KVMD-Passwd": "no", **basic("admin:admin")}, 403),
    ],
)
async def test_who_gets_in(live: Any, headers: dict[str, str], status: int) -> None:
    async with live.anonymous() as client:
        answer = await client.get("/api/auth/check", headers=headers)
        assert answer.status_code == status
        assert "www-authenticate" not in answer.headers


async def test_logout_without_a_cookie_is_a_bad_request(live: Any) -> None:
    await refused(await live.http.post("/api/auth/logout"), 400, "ValidatorError")


async def test_every_route_asks_for_credentials_unless_it_says_public(live: Any) -> None:
    public = {"/api/auth/login", "/healthz", "/login"}
    async with live.anonymous() as client:
        for rule in live.appliance.routes:
            if rule.path in public or rule.path.startswith("/share/") or rule.method == "HEAD":
                continue
            answer = await client.request(rule.method, rule.path)
            if rule.path in ("/", "/kvm", "/kvm/"):
                target = answer.url.join(answer.headers["location"])
                assert (answer.status_code, target.path) == (302, "/login"), rule.path
            elif rule.path not in ("/favicon.ico", "/favicon.svg", "/robots.txt"):
                assert answer.status_code == 401, (rule.method, rule.path)


# -- framework answers ------------------------------------------------------------------------------------


async def test_unknown_routes_and_methods_are_answered_before_credentials(live: Any) -> None:
    async with live.anonymous() as client:
        await refused(await client.get("/api/nothing"), 404, "NotFoundError")
        answer = await client.post("/api/atx")
        await refused(answer, 405, "MethodNotAllowedError")
        assert answer.headers["allow"] == "GET"
        assert (await client.head("/api/atx")).status_code == 405
        assert (await client.options("/api/atx")).status_code == 405


async def test_trailing_and_doubled_slashes_are_accepted(live: Any) -> None:
    assert await result_of(await live.http.get("/api//atx/"))
    assert await result_of(await live.http.post("/api/hid/reset/")) == {}


async def test_a_body_over_the_limit_is_refused(live: Any) -> None:
    answer = await live.http.post("/api/auth/login", content=b"user=admin&passwd=" + b"x" * 100_000)
    assert answer.status_code == 413


async def test_answers_carry_the_security_headers(live: Any) -> None:
    answer = await live.http.get("/api/atx")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers or "hypercorn" not in answer.headers["server"]


# -- HID ---------------------------------------------------------------------------------------------------


async def test_hid_state(live: Any) -> None:
    assert await result_of(await live.http.get("/api/hid")) == {
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
        assert await result_of(await live.http.post(f"/api/hid/set_params?{query}")) == {}
    state = await result_of(await live.http.get("/api/hid"))
    assert state["jiggler"]["active"] is True
    assert state["mouse"] == {
        "online": True,
        "absolute": False,
        "outputs": {"available": ["usb", "usb_rel"], "active": "usb_rel"},
    }
    for query in ("jiggler=on", "mouse_output=", "keyboard_output=usb_rel"):
        await refused(await live.http.post(f"/api/hid/set_params?{query}"), 400, "ValidatorError")


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
        assert await result_of(await live.http.post(f"/api/hid/events/{route}?{query}")) == {}
    for query in bad:
        await refused(await live.http.post(f"/api/hid/events/{route}?{query}"), 400, "ValidatorError")
    await refused(await live.http.get(f"/api/hid/events/{route}"), 405, "MethodNotAllowedError")


async def test_hid_inactivity_and_connection(live: Any) -> None:
    inactivity = (await result_of(await live.http.get("/api/hid/inactivity")))["inactivity"]
    assert type(inactivity) is int
    assert await result_of(await live.http.post("/api/hid/set_connected?connected=0")) == {}
    await refused(await live.http.post("/api/hid/set_connected"), 400, "ValidatorError")
    assert await result_of(await live.http.post("/api/hid/reset")) == {}


async def test_parameters_in_a_form_body_are_not_looked_at(live: Any) -> None:
    answer = await live.http.post("/api/hid/events/send_key", data={"key": "KeyA"})
    await refused(answer, 400, "ValidatorError")


# -- ATX ---------------------------------------------------------------------------------------------------


async def test_atx_state_and_power(live: Any) -> None:
    with trio.fail_after(10):
        while not (state := await result_of(await live.http.get("/api/atx")))["leds"]["power"]:
            await trio.sleep(0.05)
    assert state["enabled"] is True
    assert state["acts"] == {"power": False, "reset": False}
    assert set(state["leds"]) == {"power", "hdd"}
    assert await result_of(await live.http.post("/api/atx/power?action=on")) == {}
    assert await result_of(await live.http.post("/api/atx/click?button=reset")) == {}
    await refused(await live.http.post("/api/atx/click?button=reset"), 409, "AtxIsBusyError")
    await refused(await live.http.post("/api/atx/power"), 400, "ValidatorError")
    await refused(await live.http.post("/api/atx/click?button=power_short"), 400, "ValidatorError")


async def test_atx_disabled(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {atx: {type: disabled}}") as live:
        assert (await result_of(await live.http.get("/api/atx")))["enabled"] is False
        await refused(await live.http.post("/api/atx/click?button=power"), 400, "AtxDisabledError")


# -- streamer ----------------------------------------------------------------------------------------------


async def test_streamer_stopped(live: Any) -> None:
    assert await result_of(await live.http.get("/api/streamer")) == {
        "features": {"quality": True, "resolution": False, "h264": False},
        "limits": {"desired_fps": {"min": 0, "max": 90}},
        "params": {"desired_fps": 30, "quality": 80},
        "applied": {"desired_fps": 30, "quality": 80},
        "snapshot": {"saved": None},
        "streamer": None,
    }
    await refused(await live.http.get("/api/streamer/snapshot"), 503, "UnavailableError")
    await refused(await live.http.get("/api/streamer/snapshot?load=1"), 503, "UnavailableError")
    for path in ("state", "snapshot", "stream"):
        answer = await live.http.get(f"/streamer/{path}")
        assert answer.status_code == 502
        assert answer.headers["content-type"].startswith("text/html")


async def started(live: Any) -> None:
    with trio.fail_after(20):
        while True:
            state = await result_of(await live.http.get("/api/streamer"))
            if state["streamer"] and state["streamer"]["source"]["online"]:
                return
            await trio.sleep(0.05)


async def test_streamer_running_and_snapshots(live: Any) -> None:
    async with live.websocket():
        await started(live)
        running = await result_of(await live.http.get("/streamer/state"))
        assert running["instance_id"] == ""
        assert running["encoder"] == {"type": "CPU", "quality": 80}
        assert set(running) == {"instance_id", "encoder", "source", "stream"}
        assert set(running["stream"]) == {"queued_fps", "clients", "clients_stat"}
        answer = await live.http.get("/api/streamer/snapshot?save=1")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.content.startswith(b"\xff\xd8")
        assert answer.headers["x-ustreamer-online"] == "true"
        for name in ("Grab-Begin", "Grab-End", "Encode-Begin", "Encode-End", "Send"):
            assert float(answer.headers[f"X-UStreamer-{name}-Timestamp"]) >= 0
        width, height = (int(answer.headers[f"x-ustreamer-{side}"]) for side in ("width", "height"))
        saved = (await result_of(await live.http.get("/api/streamer")))["snapshot"]["saved"]
        assert saved == {"online": True, "width": width, "height": height}
        kept = await live.http.get("/api/streamer/snapshot?load=1")
        assert kept.content == answer.content
        preview = await live.http.get("/api/streamer/snapshot?load=1&preview=1&preview_max_width=100")
        assert len(preview.content) < len(answer.content)
        assert preview.headers["x-ustreamer-width"] == str(width)
        await refused(await live.http.get("/api/streamer/snapshot?ocr=1"), 400, "OcrError")
        bad = await live.http.get("/api/streamer/snapshot?preview=1&preview_quality=0")
        await refused(bad, 400, "ValidatorError")
        assert await result_of(await live.http.delete("/api/streamer/snapshot")) == {}
        await refused(await live.http.get("/api/streamer/snapshot?load=1"), 503, "UnavailableError")


async def test_set_params_restarts_the_streamer_with_them(live: Any) -> None:
    async with live.websocket():
        await started(live)
        assert (
            await result_of(await live.http.post("/api/streamer/set_params?quality=50&desired_fps=10")) == {}
        )
        with trio.fail_after(20):
            while True:
                state = await result_of(await live.http.get("/api/streamer"))
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
    await refused(await live.http.post(f"/api/streamer/set_params?{query}"), 400, error)
    assert await result_of(await live.http.post("/api/streamer/set_params?quality=&resolution=")) == {}


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


async def test_without_authentication_everything_passes(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {auth: {enabled: false}}") as live, live.anonymous() as client:
        for method, path in (("POST", "login"), ("POST", "logout"), ("GET", "check")):
            answer = await client.request(method, f"/api/auth/{path}")
            assert await result_of(answer) == {}
            assert "set-cookie" not in answer.headers


async def test_pages_with_malformed_credentials_are_500_as_behind_the_proxy(live: Any) -> None:
    async with live.anonymous() as client:
        answer = await client.get("/", headers={"Cookie": "auth_token=zz"})
        assert answer.status_code == 500
        assert answer.headers["content-type"].startswith("text/html")


async def test_mjpeg(live: Any) -> None:
    async with live.websocket():
        await started(live)
        async with await live.raw_get("/streamer/stream?key=abc&extra_headers=1") as stream:
            received = b""
            with trio.fail_after(20):
                while received.count(b"\r\n--boundarydonotcross") < 3:
                    received += await stream.receive_some(65536)
            state = await result_of(await live.http.get("/streamer/state"))
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
            while (await result_of(await live.http.get("/streamer/state")))["stream"]["clients"]:
                await trio.sleep(0.05)


async def test_streamer_routes_refuse_in_html(live: Any) -> None:
    async with live.anonymous() as client:
        for headers, status in (({}, 401), (basic("admin:no"), 403), ({"Cookie": "auth_token=x"}, 500)):
            answer = await client.get("/streamer/state", headers=headers)
            assert answer.status_code == status
            assert answer.headers["content-type"].startswith("text/html")
    assert (await live.http.head("/streamer/stream")).status_code == 200
    assert (await live.http.options("/streamer/snapshot")).status_code == 200


# -- info and supervision -----------------------------------------------------------------------------------


async def test_info(live: Any) -> None:
    legacy = await result_of(await live.http.get("/api/info"))
    assert set(legacy) == {"auth", "extras", "fan", "hw", "meta", "node", "system", "uptime"}
    assert re.fullmatch(r"\d+\.\d+", legacy["system"]["kvmd"]["version"])
    new = await result_of(await live.http.get("/api/info?legacy=0&fields=auth,node"))
    assert new["auth"] == {"enabled": True}
    assert set(new) == {"auth", "node"}
    await refused(await live.http.get("/api/info?legacy=0&fields=hw"), 400, "ValidatorError")
    await refused(await live.http.get("/api/info?fields=bogus"), 400, "ValidatorError")


async def test_supervised_tasks_can_be_seen_and_restarted(live: Any) -> None:
    tasks = (await result_of(await live.http.get("/api/supervisor")))["tasks"]
    assert tasks["hid.keyboard"]["phase"] == "online"
    assert {"atx.power_led", "board.pc", "streamer", "info", "events"} <= set(tasks)
    assert await result_of(await live.http.post("/api/supervisor/restart?task=hid.keyboard")) == {}
    await refused(await live.http.post("/api/supervisor/restart?task=nobody"), 400, "UnknownTaskError")
    with trio.fail_after(10):
        while True:
            task = (await result_of(await live.http.get("/api/supervisor")))["tasks"]["hid.keyboard"]
            if task["phase"] == "online" and task["starts"] == 2:
                break
            await trio.sleep(0.02)
    assert task["faults"] == task["bugs"] == 0
