"""User-defined channels over a real socket, on the emulated board's chip, whose lines are wired in pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

DOCS = Path(__file__).parents[2] / "docs"
CHANNELS = """
kvmd:
    gpio:
        drivers:
            nothing: {type: noop}
            beacon: {type: locator}
        scheme:
            lamp: {pin: 3, mode: input, debounce: 0}
            lamp_low: {pin: 5, mode: input, debounce: 0, inverted: true}
            relay: {pin: 2, mode: output, pulse: {delay: 0.2, min_delay: 0.1, max_delay: 1}}
            constant: {pin: 4, mode: output, initial: true, switch: false, pulse: false}
            button: {driver: nothing, pin: x, mode: output, switch: false}
            stuck: {pin: 4, mode: input}
            here: {driver: beacon, pin: 8, mode: output, pulse: false}
            beyond: {pin: 999, mode: output}
        view:
            header: {title: ["#Desk", lamp|red]}
            table:
                - ["#Relay:", relay|confirm|Push, lamp, constant]
                - []
"""
OFF, ON = {"online": True, "state": False}, {"online": True, "state": True}


async def levels(live: Any) -> dict[str, dict[str, Any]]:
    state = (await live.result_of(await live.http.get("/api/gpio")))["state"]
    return {**state["inputs"], **state["outputs"]}


async def until(live: Any, **expected: dict[str, Any]) -> None:
    with trio.fail_after(30):
        while (now := await levels(live)) != {**now, **expected}:
            await trio.sleep(0.02)


async def test_no_channels(live: Any) -> None:
    assert await live.result_of(await live.http.get("/api/gpio")) == {
        "model": {
            "scheme": {"inputs": {}, "outputs": {}},
            "view": {"header": {"title": [{"type": "label", "text": "GPIO"}]}, "table": []},
        },
        "state": {"inputs": {}, "outputs": {}},
    }


async def test_the_model(live_with: Callable[[str], Any]) -> None:
    async with live_with(CHANNELS) as live:
        model = (await live.result_of(await live.http.get("/api/gpio")))["model"]
    assert model["scheme"]["inputs"]["lamp"] == {"hw": {"driver": "__gpio__", "pin": "3"}}
    assert model["scheme"]["outputs"]["relay"] == {
        "hw": {"driver": "__gpio__", "pin": "2"},
        "switch": True,
        "pulse": {"delay": 0.2, "min_delay": 0.1, "max_delay": 1.0},
    }
    assert model["view"]["header"]["title"] == [
        {"type": "label", "text": "Desk"},
        {"type": "input", "channel": "lamp", "color": "red"},
    ]
    assert model["view"]["table"][0][1] == {
        "type": "output",
        "channel": "relay",
        "confirm": True,
        "hide": False,
        "text": "Push",
    }
    assert len(model["view"]["table"][0]) == 3
    assert model["view"]["table"][1] is None


async def test_a_switched_line_is_seen_by_its_partner(live_with: Callable[[str], Any]) -> None:
    async with live_with(CHANNELS) as live:
        # The constant drives 5, inverted; what is wired wrong is offline, and the rest works.
        await until(live, lamp=OFF, lamp_low=OFF, stuck=ON, beyond={**OFF, "online": False, "busy": False})
        assert await live.result_of(await live.http.post("/api/gpio/switch?channel=relay&state=1")) == {}
        assert (await levels(live))["relay"] == {**OFF, "busy": True}
        answer = await live.http.post("/api/gpio/pulse?channel=relay")
        await live.refused(answer, 409, "GpioChannelIsBusyError")
        await until(live, lamp=ON, relay={**ON, "busy": False})
        answer = await live.http.post("/api/gpio/switch?channel=relay&state=0&wait=1")
        assert await live.result_of(answer) == {}
        assert (await levels(live))["relay"] == {**OFF, "busy": False}
        await until(live, lamp=OFF)
        answer = await live.http.post("/api/gpio/pulse?channel=button&delay=0.1&wait=1")
        assert await live.result_of(answer) == {}
        answer = await live.http.post("/api/gpio/switch?channel=here&state=1&wait=1")
        assert await live.result_of(answer) == {}
        assert (await levels(live))["here"] == {**ON, "busy": False}


async def test_refusals(live_with: Callable[[str], Any]) -> None:
    async with live_with(CHANNELS) as live:
        for request, status, error in (
            ("switch?channel=lamp&state=1", 400, "GpioChannelNotFoundError"),
            ("pulse?channel=nothing", 400, "GpioChannelNotFoundError"),
            ("switch?channel=button&state=1", 400, "GpioSwitchNotSupported"),
            ("switch?channel=constant&state=0", 400, "GpioSwitchNotSupported"),
            ("pulse?channel=here", 400, "GpioPulseNotSupported"),
            ("switch?channel=beyond&state=1&wait=1", 400, "GpioDriverOfflineError"),
            ("switch?channel=relay", 400, "ValidatorError"),
            ("switch?channel=relay&state=maybe", 400, "ValidatorError"),
            ("switch?channel=2&state=1", 400, "ValidatorError"),
            ("pulse?channel=relay&delay=-1", 400, "ValidatorError"),
            ("pulse?channel=relay&delay=nan", 400, "ValidatorError"),
            ("pulse?channel=relay&wait=perhaps", 400, "ValidatorError"),
        ):
            await live.refused(await live.http.post(f"/api/gpio/{request}"), status, error)


async def test_events_hold_changed_channels_only(live_with: Callable[[str], Any]) -> None:
    # Busy for longer than a slow machine may take to tell: of what was in between, only the newest is told.
    async with live_with(CHANNELS.replace("pulse: {delay: 0.2", "busy_delay: 2, pulse: {delay: 0.2")) as live:
        await until(live, lamp=OFF)
        events: list[dict[str, Any]] = []
        async with live.websocket("?stream=0") as socket:

            async def collect() -> None:
                while True:
                    message = json.loads(await socket.get_message())
                    if message["event_type"] == "gpio":
                        events.append(message["event"])

            async with trio.open_nursery() as nursery:
                nursery.start_soon(collect)
                with trio.fail_after(30):
                    while not events:
                        await trio.sleep(0.02)
                    assert events[0].keys() == {"model", "state"}
                    await live.http.post("/api/gpio/switch?channel=relay&state=1&wait=1")
                    await until(live, lamp=ON)
                    while not any("lamp" in event["state"].get("inputs", {}) for event in events[1:]):
                        await trio.sleep(0.02)
                nursery.cancel_scope.cancel()
    told = {channel for event in events[1:] for group in event["state"].values() for channel in group}
    assert told == {"lamp", "relay"}
    assert all(event.keys() == {"state"} for event in events[1:])
    relay = [event["state"]["outputs"]["relay"] for event in events[1:] if "outputs" in event["state"]]
    assert {**OFF, "busy": True} in relay


async def test_old_clients_get_their_old_names(live_with: Callable[[str], Any]) -> None:
    async with live_with(CHANNELS) as live, live.websocket("?legacy=1") as socket:
        said: dict[str, Any] = {}
        with trio.fail_after(30):
            while not {"gpio_model_state", "gpio_state"} <= said.keys():
                message = json.loads(await socket.get_message())
                said[message["event_type"]] = message["event"]
        assert said["gpio_model_state"].keys() == {"scheme", "view"}
        assert said["gpio_state"].keys() == {"inputs", "outputs"}
        assert await live.result_of(await live.http.get("/api/gpio"))


async def test_the_demo_of_the_documentation(live_with: Callable[[str], Any]) -> None:
    async with live_with((DOCS / "examples/demo.yaml").read_text()) as live:
        await until(live, demo_relay={**OFF, "busy": False}, demo_lamp=OFF, demo_light=OFF)
        await live.http.post("/api/gpio/switch?channel=demo_relay&state=1")
        await live.http.post("/api/gpio/switch?channel=demo_beacon&state=1")
        await until(live, demo_lamp=ON)
        await until(live, demo_light=ON)
        await until(live, demo_light=OFF)


async def test_the_old_wake_on_lan_section_is_a_channel(live_with: Callable[[str], Any]) -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sleeper:
        await sleeper.bind(("127.0.0.1", 0))
        port = sleeper.getsockname()[1]
        section = f"kvmd: {{wol: {{ip: 127.0.0.1, port: {port}, mac: '02:00:00:00:00:0A'}}}}"
        async with live_with(section) as live:
            scheme = (await live.result_of(await live.http.get("/api/gpio")))["model"]["scheme"]
            assert scheme["outputs"]["__wol__"]["hw"] == {"driver": "__wol__", "pin": "0"}
            refusal = await live.http.post("/api/gpio/switch?channel=__wol__&state=1")
            await live.refused(refusal, 400, "GpioSwitchNotSupported")
            answer = await live.http.post("/api/gpio/pulse?channel=__wol__&wait=1")
            assert await live.result_of(answer) == {}
            with trio.fail_after(30):
                packet = await sleeper.recv(1500)
    assert packet == b"\xff" * 6 + bytes.fromhex("02000000000a") * 16
