"""The KVM switch through the API, with a chain of emulated units behind a real pty."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from drivers.emulated.switch_chain import EmulatedSwitchChain
from drivers.wire.edid import build_edid

DEADLINE_S = 60
"""Ample for a chain to settle on a busy machine; no test waits for it."""

TWO_UNITS = "farhand: {emulated: {switch_units: 2}}"
OTHER_EDID = build_edid(name="Other", serial=7)
ATX_RESTING = {"busy": [False] * 8, "leds": {"power": [False] * 8, "hdd": [False] * 8}}


@pytest.fixture
async def switched(live_with: Any) -> AsyncIterator[Any]:
    """An appliance with a switch of two units that has come to rest."""
    async with live_with(TWO_UNITS) as live:
        await state_when(live, whole)
        yield live


def chain_of(live: Any) -> EmulatedSwitchChain:
    switch = live.appliance.board.emulated_switch
    assert switch is not None
    chain = switch.chain
    assert isinstance(chain, EmulatedSwitchChain)
    return chain


async def state_when(live: Any, condition: Callable[[Any], bool]) -> Any:
    """Wait until the state that the API shows is as wanted."""
    cell = live.appliance.switch.state
    seen = 0
    with trio.move_on_after(DEADLINE_S):
        while True:
            seen = await cell.wait_newer(seen)
            shown = json.loads(msgspec.json.encode(cell.value))
            if condition(shown):
                return shown
    raise AssertionError(f"expected another state than {cell.value}")


async def post(live: Any, path: str, **query: object) -> dict[str, Any]:
    answer = await live.http.post(f"/api/switch/{path}", params=query)
    result = await live.result_of(answer)
    assert isinstance(result, dict)
    return result


async def refused(live: Any, path: str, error: str = "ValidatorError", **query: object) -> None:
    await live.refused(await live.http.post(f"/api/switch/{path}", params=query), 400, error)


async def get(live: Any) -> Any:
    return await live.result_of(await live.http.get("/api/switch"))


async def test_without_a_switch_there_is_a_state_and_commands_are_dropped(live: Any) -> None:
    state = await get(live)
    default = state["edids"]["all"].pop("default")
    assert default["name"] == "Default"
    assert default["parsed"]["monitor_name"] == "Farhand"
    button = {"default": 0.5, "min": 0, "max": 10}
    assert state == {
        "model": {
            "firmware": {"version": 9},
            "units": [],
            "ports": [],
            "limits": {
                "atx": {
                    "click_delays": {
                        "power": button,
                        "power_long": {**button, "default": 5.5},
                        "reset": button,
                    }
                }
            },
        },
        "summary": {"active_port": -1, "active_id": "", "synced": True},
        "edids": {"all": {}, "used": []},
        "colors": {
            "inactive": {"red": 255, "green": 0, "blue": 0, "brightness": 64, "blink_ms": 0},
            "active": {"red": 0, "green": 255, "blue": 0, "brightness": 128, "blink_ms": 0},
            "flashing": {"red": 0, "green": 170, "blue": 255, "brightness": 128, "blink_ms": 0},
            "beacon": {"red": 228, "green": 44, "blue": 156, "brightness": 255, "blink_ms": 250},
            "bootloader": {"red": 255, "green": 170, "blue": 0, "brightness": 128, "blink_ms": 0},
        },
        "video": {"links": []},
        "usb": {"links": []},
        "beacons": {"uplinks": [], "downlinks": [], "ports": []},
        "atx": {"busy": [], "leds": {"power": [], "hdd": []}},
    }
    for path, query in (
        ("set_active", {"port": 2}),
        ("set_active_next", {}),
        ("set_active_prev", {}),
        ("set_beacon", {"state": 1, "port": "1.1"}),
        ("reset", {"unit": 0}),
        ("atx/power", {"port": 0, "action": "on"}),
        ("atx/click", {"port": 99, "button": "reset"}),
    ):
        assert await post(live, path, **query) == {}
    assert (await get(live))["summary"] == {"active_port": -1, "active_id": "", "synced": True}


async def test_a_port_is_switched_over_http_seen_on_the_socket_and_by_the_units(switched: Any) -> None:
    chain = chain_of(switched)
    state = await get(switched)
    assert state["summary"] == {"active_port": 0, "active_id": "1.1", "synced": True}
    assert [port["id"] for port in state["model"]["ports"]] == [
        f"{unit}.{channel}" for unit in (1, 2) for channel in (1, 2, 3, 4)
    ]
    assert state["model"]["units"] == [{"firmware": {"version": 9, "devbuild": False}}] * 2
    assert state["edids"]["used"] == ["default"] * 8
    assert state["atx"] == ATX_RESTING
    async with switched.websocket() as socket:
        full = await event(socket)
        assert full == state
        await post(switched, "set_active", port="2.3")
        merged = await merged_until(
            socket, full, lambda now: now["summary"]["active_port"] == 6 and now["summary"]["synced"]
        )
        assert merged["summary"]["active_id"] == "2.3"
        assert [unit.channel for unit in chain.units] == [4, 2]
    await post(switched, "set_active_next")
    await state_when(
        switched, lambda now: now["summary"] == {"active_port": 7, "active_id": "2.4", "synced": True}
    )
    for _ in range(3):
        await post(switched, "set_active_next")
    assert (await get(switched))["summary"]["active_port"] == 7
    await post(switched, "set_active", port=8)
    await post(switched, "set_active", port=20)
    assert (await get(switched))["summary"]["active_port"] == 7
    for _ in range(9):
        await post(switched, "set_active_prev")
    await state_when(
        switched, lambda now: now["summary"] == {"active_port": 0, "active_id": "1.1", "synced": True}
    )
    assert [unit.channel for unit in chain.units] == [0, 4]


async def event(socket: Any, event_type: str = "switch") -> Any:
    with trio.fail_after(DEADLINE_S):
        while True:
            message = await socket.get_message()
            if isinstance(message, str) and (document := json.loads(message))["event_type"] == event_type:
                return document["event"]


async def merged_until(socket: Any, state: Any, condition: Callable[[Any], bool]) -> Any:
    """Merge events as clients do until the state is as wanted."""
    state = dict(state)
    while not condition(state):
        news = await event(socket)
        if "model" in news:
            assert set(news) == set(state)
        state |= news
    return state


async def test_a_change_of_the_model_makes_the_event_complete(switched: Any) -> None:
    async with switched.websocket() as socket:
        full = await event(socket)
        await post(switched, "set_port_params", port=1, name="  the   server ")
        named = await event(socket)
        assert set(named) == set(full)
        assert named["model"]["ports"][1]["name"] == "the server"
        await post(switched, "set_beacon", state="true", uplink=1)
        assert await event(socket) == {
            "beacons": {"uplinks": [False, True], "downlinks": [False] * 2, "ports": [False] * 8}
        }
    async with switched.websocket("?legacy=1") as socket:
        assert (await event(socket, "switch_state"))["model"] == named["model"]


async def test_beacons(switched: Any) -> None:
    for where in ({"port": 5}, {"port": "1.1", "uplink": 0}, {"uplink": 0}, {"downlink": 1}, {"uplink": 9}):
        await post(switched, "set_beacon", state=1, **where)
    await state_when(
        switched,
        lambda now: (
            now["beacons"]
            == {
                "uplinks": [True, False],
                "downlinks": [False, True],
                "ports": [True, False, False, False, False, True, False, False],
            }
        ),
    )
    await post(switched, "set_beacon", state=0, port=5)
    await state_when(switched, lambda now: now["beacons"]["ports"] == [True] + [False] * 7)
    await refused(switched, "set_beacon", state=1)
    await refused(switched, "set_beacon", port=1)
    await refused(switched, "set_beacon", state=1, uplink=-1)


async def test_edids_are_made_used_changed_and_removed(switched: Any) -> None:
    chain = chain_of(switched)
    made = await post(switched, "edids/create", name="Mine", data=OTHER_EDID.hex())
    edid_id = made["id"]
    state = await get(switched)
    assert state["edids"]["all"][edid_id]["name"] == "Mine"
    assert state["edids"]["all"][edid_id]["data"] == OTHER_EDID.hex().upper()
    assert state["edids"]["all"][edid_id]["parsed"] == {
        "mfc_id": "FRH",
        "product_id": 1,
        "serial": 7,
        "monitor_name": "Other",
        "monitor_serial": None,
        "audio": False,
    }
    await post(switched, "set_port_params", port="2.1", edid_id=edid_id.upper())
    await state_when(switched, lambda now: now["edids"]["used"][4] == edid_id and now["summary"]["synced"])
    assert chain.units[1].edids[0] == OTHER_EDID
    assert chain.units[0].edids[0] != OTHER_EDID
    await post(switched, "edids/change", id=edid_id, name="", data="00" * 128)
    state = await state_when(switched, lambda now: now["summary"]["synced"])
    assert state["edids"]["all"][edid_id] == {
        "name": "Mine",
        "data": "00" * 128,
        "parsed": {
            "mfc_id": "@@@",
            "product_id": 0,
            "serial": 0,
            "monitor_name": None,
            "monitor_serial": None,
            "audio": False,
        },
    }
    assert chain.units[1].edids[0] is None
    await post(switched, "edids/remove", id=edid_id)
    await state_when(
        switched, lambda now: set(now["edids"]["used"]) == {"default"} and now["summary"]["synced"]
    )
    assert chain.units[1].edids[0] == chain.units[0].edids[0]
    unknown = "SwitchUnknownEdidError"
    await refused(switched, "edids/remove", unknown, id=edid_id)
    await refused(switched, "edids/change", unknown, id=edid_id, name="x")
    await refused(switched, "set_port_params", unknown, port=0, edid_id=edid_id)
    assert await post(switched, "edids/change", id=edid_id) == {}
    await refused(switched, "edids/remove", id="default")
    await refused(switched, "edids/change", id="default", name="x")
    await refused(switched, "edids/create", name=" ", data=OTHER_EDID.hex())
    await refused(switched, "edids/create", name="x", data="00")
    await post(switched, "set_port_params", port=0, edid_id="default")


async def test_colours_dummies_and_delays(switched: Any) -> None:
    chain = chain_of(switched)
    await post(switched, "set_colors", beacon="ffa500:bf:0028", active="0000FF:10:0000")
    state = await state_when(switched, lambda now: now["summary"]["synced"])
    assert state["colors"]["beacon"] == {
        "red": 255,
        "green": 165,
        "blue": 0,
        "brightness": 191,
        "blink_ms": 40,
    }
    assert {colours[18:24].hex() for unit in chain.units for colours in unit.colours} == {"ffa500bf2800"}
    await post(switched, "set_colors", beacon="default")
    state = await get(switched)
    assert (state["colors"]["beacon"]["blink_ms"], state["colors"]["active"]["blue"]) == (250, 255)
    await refused(switched, "set_colors", beacon="FFA500:BF")
    await post(
        switched, "set_port_params", port=7, dummy=0, atx_click_power_delay=1.5, atx_click_reset_delay=10
    )
    state = await get(switched)
    assert state["model"]["ports"][7]["video"] == {"dummy": False}
    assert state["model"]["ports"][7]["atx"]["click_delays"] == {
        "power": 1.5,
        "power_long": 5.5,
        "reset": 10.0,
    }
    await post(switched, "set_port_params", port=7, atx_click_power_delay=0)
    assert (await get(switched))["model"]["ports"][7]["atx"]["click_delays"]["power"] == 0.5
    with trio.fail_after(DEADLINE_S):
        while (chain.units[0].dummy_bits, chain.units[1].dummy_bits) != (0b1111, 0b0111):
            await trio.sleep(0.01)
    await refused(switched, "set_port_params", port=7, atx_click_reset_delay=10.1)
    await post(switched, "set_port_params", port=77, name="nowhere")


async def test_power_of_a_port(switched: Any) -> None:
    computer = chain_of(switched).units[1].computers[2]

    async def press(number: int, path: str, **query: object) -> None:
        """Ask until it is done: while a button is down, as often as we like, that is ignored."""
        with trio.fail_after(DEADLINE_S):
            while len(computer.presses) < number:
                await post(switched, path, **query)
                await trio.sleep(0.05)

    await post(switched, "set_port_params", port=6, atx_click_power_delay=1, atx_click_power_long_delay=0.6)
    await post(switched, "atx/power", port=6, action="off")
    await press(1, "atx/power", port="2.3", action="on")
    await post(switched, "atx/click", port=6, button="power")
    await state_when(switched, lambda now: now["atx"]["leds"]["power"][6])
    await post(switched, "atx/power", port=6, action="on")
    await press(2, "atx/power", port=6, action="reset_hard")
    await press(3, "atx/click", port=6, button="power_long")
    await state_when(switched, lambda now: not now["atx"]["leds"]["power"][6])
    assert computer.presses == [("power", 1000), ("reset", 500), ("power", 600)]
    await refused(switched, "atx/power", port=6)
    await refused(switched, "atx/power", port=6, action="explode")
    await refused(switched, "atx/click", port=6, button="self_destruct")


async def test_ports_that_are_no_numbers_are_refused(switched: Any) -> None:
    for port in ("nan", "inf", "1e-7", "1,2", "-1", "", "x"):
        for path, query in (
            ("set_active", {}),
            ("set_beacon", {"state": 1}),
            ("set_port_params", {}),
            ("atx/power", {"action": "on"}),
            ("atx/click", {"button": "reset"}),
        ):
            await refused(switched, path, port=port, **query)


async def test_a_unit_that_starts_anew_leaves_the_chain_and_comes_back(switched: Any) -> None:
    await post(switched, "set_active", port=6)
    await state_when(switched, lambda now: now["summary"]["synced"] and now["summary"]["active_port"] == 6)
    chain = chain_of(switched)
    await post(switched, "reset", unit=9)
    await post(switched, "reset", unit=1, bootloader=1)
    gone = await state_when(switched, lambda now: len(now["model"]["units"]) == 1)
    assert gone["summary"]["active_port"] == -1
    assert [port["id"] for port in gone["model"]["ports"]] == ["1", "2", "3", "4"]
    chain.plug(2)
    back = await state_when(switched, whole)
    assert back["summary"]["active_port"] == 6
    await post(switched, "reset", unit=0, bootloader="yes")
    await state_when(switched, lambda now: now["model"]["units"] == [] and now["usb"]["links"] == [])
    assert chain.length == 0
    chain.plug(2)
    await state_when(switched, whole)
    boots = chain.units[1]._boot
    await post(switched, "reset", unit=1)
    with trio.fail_after(DEADLINE_S):
        while chain.units[1]._boot == boots or chain.length < 2:
            await trio.sleep(0.05)
    await state_when(switched, whole)


def whole(state: Any) -> bool:
    return len(state["model"]["units"]) == 2 and bool(state["summary"]["synced"])


async def test_settings_outlive_the_appliance(live_with: Any, tmp_path: Path) -> None:
    async with live_with("") as live:
        await post(live, "set_port_params", port=3, name="rack")
        await post(live, "set_colors", active="010203:04:0005")
        made = await post(live, "edids/create", name="Mine", data=OTHER_EDID.hex())
        await post(live, "set_port_params", port=3, edid_id=made["id"])
    stored = {path.name for path in (tmp_path / "state/switch").iterdir()}
    assert stored == {"port_names.json", "colors.json", "edids_all.json", "edids_port.json"}
    async with live_with(TWO_UNITS) as live:
        state = await state_when(live, lambda now: len(now["model"]["units"]) == 2)
        assert state["model"]["ports"][3]["name"] == "rack"
        assert state["colors"]["active"]["blink_ms"] == 5
        assert state["edids"]["used"][3] == made["id"]
