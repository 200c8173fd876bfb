"""The control socket over a real connection: what it says, what it takes, what it never does."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from drivers.wire.hid_report import KeyboardReports
from drivers.wire.hid_usages import KEYS
from firmware.core.validators import INFO_CATEGORIES

RANDOM_EVENTS = 100_000


async def next_event(socket: WebSocketConnection, wanted: str | None = None) -> tuple[str, Any]:
    """The next JSON event, or the next of one type."""
    with trio.fail_after(20):
        while True:
            message = await socket.get_message()
            if isinstance(message, str):
                event = json.loads(message)
                if wanted is None or event["event_type"] == wanted:
                    return event["event_type"], event["event"]


async def first_batch(socket: WebSocketConnection, wanted: set[str]) -> dict[str, Any]:
    """Collect events until each of *wanted* has been seen; info categories are `info.<category>`."""
    seen: dict[str, Any] = {}
    while wanted - seen.keys():
        name, event = await next_event(socket)
        if name == "info":
            (category,) = event
            name = f"info.{category}"
        seen.setdefault(name, event)
    return seen


async def test_loop_comes_first_and_then_every_full_state(live: Any) -> None:
    async with live.websocket() as socket:
        assert await next_event(socket) == ("loop", {"version": {"major": 4, "minor": 197}})
        categories = {f"info.{name}" for name in INFO_CATEGORIES}
        batch = await first_batch(socket, {"hid", "atx", "streamer", "ocr", "clients"} | categories)
    assert batch["hid"] == (await live.http.get("/api/hid")).json()["result"]
    assert set(batch["atx"]) == {"enabled", "busy", "acts", "leds", "online"}
    assert {"features", "limits", "params", "applied", "snapshot", "streamer"} == set(batch["streamer"])
    # Bare here, wrapped in `ocr` in the answer of the route.
    wrapped = await live.result_of(await live.http.get("/api/streamer/ocr"))
    assert batch["ocr"] == wrapped["ocr"]
    assert batch["clients"] == {"count": 1}
    assert batch["info.auth"] == {"auth": {"enabled": True}}
    assert "hw" not in batch


async def test_a_second_client_makes_the_first_hear_everything_again(live: Any) -> None:
    async with live.websocket("?stream=0") as first:
        await first_batch(first, {"hid", "atx", "streamer", "info.system"})
        await trio.sleep(0.2)
        async with live.websocket("?stream=1") as second:
            await first_batch(second, {"hid"})
            await first_batch(first, {"hid", "atx"})
            while await next_event(first, "clients") != ("clients", {"count": 1}):
                pass
        while await next_event(first, "clients") != ("clients", {"count": 0}):
            pass


async def test_states_change_by_events(live: Any) -> None:
    async with live.websocket("?stream=0") as socket:
        await first_batch(socket, {"hid", "atx"})
        await live.http.post("/api/hid/set_params?jiggler=1")
        assert (await next_event(socket, "hid"))[1]["jiggler"]["active"] is True
        await live.http.post("/api/atx/click?button=reset")
        event = (await next_event(socket, "atx"))[1]
        assert (event["busy"], event["acts"]) == (True, {"power": False, "reset": True})


async def test_streamer_diffs_hold_only_what_changed(live: Any) -> None:
    async with live.websocket() as socket:
        await first_batch(socket, {"streamer"})
        event = (await next_event(socket, "streamer"))[1]
        assert set(event) == {"streamer"}
        await live.http.post("/api/streamer/set_params?quality=55")
        with trio.fail_after(20):
            while "params" not in event:
                event = (await next_event(socket, "streamer"))[1]
        assert event["limits"] == {"desired_fps": {"min": 0, "max": 90}}
        assert event["params"]["quality"] == 55
        # The number of clients is told again at each change of the parameters.
        assert await next_event(socket, "clients") == ("clients", {"count": 1})


async def test_pings_are_answered_in_the_dialect_they_came_in(live: Any) -> None:
    async with live.websocket("?stream=0") as socket:
        await socket.send_message(b"\x00")
        with trio.fail_after(20):
            while (message := await socket.get_message()) != b"\xff":
                assert isinstance(message, str)
        await socket.send_message('{"event_type": "ping", "event": {}}')
        assert (await next_event(socket, "pong"))[1] == {}


@pytest.mark.parametrize(
    "message",
    [
        "garbage",
        "[1]",
        '{"event_type": "ping"}',
        '{"event_type": "nosuch", "event": {}}',
        '{"event_type": "key", "event": {"key": "keya", "state": true}}',
        "[" * 50_000,
        b"",
        b"\x63",
        b"\x01",
        b"\x01\x81\xff\xff",
        b"\x03\x00",
        b"\x04\x00\x01",
        b"\xff" * 70_000,
    ],
)
async def test_bad_messages_are_ignored_and_never_answered(live: Any, message: str | bytes) -> None:
    async with live.websocket("?stream=0") as socket:
        await first_batch(socket, {"hid", "atx", "streamer"})
        # What subsystems tell of themselves is no answer.
        states = {source.event_type for source, _ in live.appliance.hub.present_states().values()}
        await socket.send_message(message)
        await socket.send_message(b"\x01\x03KeyQ")
        await socket.send_message(b"\x00")
        with trio.fail_after(20):
            while (answer := await socket.get_message()) != b"\xff":
                assert isinstance(answer, str)
                assert json.loads(answer)["event_type"] in states
        await keyboard_settled(live)
        assert bytes.fromhex("0000140000000000") in live.pc.observer.keyboard_reports


async def keyboard_settled(live: Any) -> None:
    """Wait until every queued report has reached the PC."""
    with trio.fail_after(60):
        while live.appliance.hid.statistics()["hid.keyboard"]["waiting"]:
            await trio.sleep(0.02)
        await trio.sleep(0.05)


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 401),
        ("", {"X-KVMD-User": "admin", "X-KVMD-Passwd": "no"}, 403),
        ("", {"Cookie": "auth_token=x"}, 400),
        ("?stream=maybe", None, 400),
    ],
)
async def test_refusals_come_before_the_upgrade(
    live: Any, query: str, headers: dict[str, str] | None, status: int
) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    client = live.http if headers is None else live.anonymous()
    answer = await client.get("/api/ws" + query, headers={**upgrade, **(headers or {})})
    assert answer.status_code == status
    assert answer.json()["ok"] is False
    await client.aclose()


async def test_a_plain_get_is_a_bad_request(live: Any) -> None:
    answer = await live.http.get("/api/ws")
    assert answer.status_code == 400
    assert "expected a WebSocket upgrade" in answer.json()["result"]["error_msg"]


async def test_legacy_names_and_a_closing_loop(live: Any) -> None:
    async with live.websocket("?stream=0&legacy=1") as socket:
        seen: dict[str, Any] = {}
        while "loop" not in seen:
            name, event = await next_event(socket)
            assert name not in seen
            seen[name] = event
        assert seen["loop"] == {}
        assert {"hid_state", "atx_state", "streamer_state", "info_hw_state", "info_meta_state"} <= set(seen)
        assert {"info_system_state", "info_extras_state", "streamer_ocr_state"} <= set(seen)
        assert set(seen["info_hw_state"]) == {"platform", "health"}
        assert "kvmd" in seen["info_system_state"]
        assert "platform" not in seen["info_system_state"]
        assert seen["streamer_ocr_state"] == await live.result_of(await live.http.get("/api/streamer/ocr"))
        await live.http.post("/api/hid/set_params?jiggler=1")
        assert (await next_event(socket, "hid_state"))[1]["jiggler"]["active"] is True


@pytest.mark.timeout(600)
async def test_random_key_events_arrive_as_exact_reports_in_order(live: Any) -> None:
    """100,000 events over a real socket: none lost, none reordered, none invented."""
    rng, model, names = random.Random(20), KeyboardReports(), sorted(KEYS)
    expected: list[bytes] = []
    async with live.websocket("?stream=0") as socket, trio.open_nursery() as nursery:

        async def read() -> None:
            while True:
                await socket.get_message()

        nursery.start_soon(read)
        await trio.sleep(0.5)
        await keyboard_settled(live)
        live.pc.observer.keyboard_reports.clear()
        for _ in range(RANDOM_EVENTS):
            key, pressed = KEYS[rng.choice(names)], rng.random() < 0.5
            expected += model.press(key) if pressed else model.release(key)
            if rng.random() < 0.5:
                message = b"\x01" + bytes([pressed]) + key.name.encode()
            else:
                message = b"\x01" + bytes([0x80 | pressed]) + key.linux_code.to_bytes(2, "big")
            await socket.send_message(message)
        with trio.fail_after(300):
            while len(live.pc.observer.keyboard_reports) < len(expected):
                await trio.sleep(0.05)
        assert list(live.pc.observer.keyboard_reports) == expected
        nursery.cancel_scope.cancel()
    await keyboard_settled(live)
    assert live.pc.observer.keyboard_reports[-1] == bytes(8)


async def hold_keys(send: Callable[[bytes], Awaitable[None]], live: Any) -> None:
    for key in ("ControlLeft", "AltLeft", "KeyA"):
        await send(b"\x01\x01" + key.encode())
    await send(b"\x02\x01left")
    with trio.fail_after(10):
        while live.pc.observer.held_keys != {"ControlLeft", "AltLeft", "KeyA"}:
            await trio.sleep(0.01)
        while live.pc.observer.held_buttons != {"left"}:
            await trio.sleep(0.01)


async def nothing_held(live: Any) -> None:
    with trio.fail_after(10):
        while live.pc.observer.held_keys or live.pc.observer.held_buttons:
            await trio.sleep(0.01)


async def test_a_client_that_closes_leaves_nothing_held(live: Any) -> None:
    async with live.websocket("?stream=0") as socket:
        await hold_keys(socket.send_message, live)
    await nothing_held(live)


async def test_a_client_that_is_cut_off_leaves_nothing_held(live: Any) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    stream = await live.raw_get(
        "/api/ws?stream=0", upgrade + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )

    async def send(message: bytes) -> None:
        # A binary frame with a mask of zeros (RFC 6455, section 5.2).
        await stream.send_all(bytes((0x82, 0x80 | len(message), 0, 0, 0, 0)) + message)

    assert b" 101 " in await stream.receive_some(65536)
    await hold_keys(send, live)
    await stream.aclose()
    await nothing_held(live)


async def test_only_sessions_with_video_keep_the_streamer(live_with: Callable[[str], Any]) -> None:
    override = "kvmd: {streamer: {shutdown_delay: 0.1}}"
    async with live_with(override) as live, live.websocket("?stream=0") as socket:
        await first_batch(socket, {"streamer"})
        await trio.sleep(0.5)
        assert (await live.http.get("/api/streamer")).json()["result"]["streamer"] is None
        async with live.websocket("?stream=1"):
            event: Any = {}
            with trio.fail_after(20):
                while not event.get("streamer"):
                    event = (await next_event(socket, "streamer"))[1]
        with trio.fail_after(20):
            while event.get("streamer", 0) is not None:
                event = (await next_event(socket, "streamer"))[1]


async def until_closed(socket: WebSocketConnection) -> None:
    with trio.fail_after(30), suppress(ConnectionClosed):
        while True:
            await socket.get_message()


@pytest.mark.parametrize("path", ["/api/ws", "/api/media/ws"])
async def test_a_socket_ends_with_the_session_that_opened_it(live: Any, path: str) -> None:
    async with live.anonymous() as browser:
        answer = await browser.post("/api/auth/login", data={"user": "admin", "passwd": "admin"})
        assert answer.status_code == 200
        cookie = {"Cookie": f"auth_token={browser.cookies['auth_token']}"}
        async with (
            live.websocket(headers=cookie, path=path) as ended,
            live.websocket(path=path) as by_password,
        ):
            assert (await browser.post("/api/auth/logout")).status_code == 200
            await until_closed(ended)
            # trio-websocket's client leaves it open when the server was the one that closed.
            await ended._stream.aclose()
            await by_password.get_message()
            assert by_password.closed is None
