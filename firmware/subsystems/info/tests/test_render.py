"""`GET /api/info`: the contract's example and its legacy rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from drivers.system.fan import FanHall, FanService, FanState, FanTemp, FanWheel
from firmware.core.validators import INFO_CATEGORIES, valid_info_fields
from firmware.state.info import (
    AuthInfo,
    CpuInfo,
    FanInfo,
    HealthInfo,
    InfoState,
    KernelInfo,
    MemInfo,
    NodeInfo,
    PlatformInfo,
    StreamerInfo,
    SystemInfo,
    TempInfo,
    ThrottlingFlag,
    ThrottlingFlags,
    ThrottlingInfo,
    UptimeInfo,
    UptimeParts,
    VersionInfo,
)
from firmware.subsystems.info.render import render

# The example of contract http.md 4.1, as JSON; `farhand` is our one addition.
_EXAMPLE = msgspec.json.decode(b"""
{"auth":   {"enabled": true},
 "extras": {
   "vnc":  {"name": "VNC", "description": "Show VNC information", "icon": "share/svg/vnc.svg", "path": "vnc",
            "daemon": "kvmd-vnc", "port": 5900, "place": 20, "enabled": true, "started": true}},
 "fan":    {"monitored": true,
            "state": {"service": {"now_ts": 4821.33}, "temp": {"real": 41.20, "fixed": 41.20},
                      "fan": {"speed": 25.00, "pwm": 256, "ok": true, "last_fail_ts": -1.00},
                      "hall": {"available": false, "rpm": 0}}},
 "hw":     {"health": {"temp": {"cpu": 45.277}, "cpu": {"percent": 2},
                       "mem": {"percent": 14.6, "total": 1836331008, "available": 1568993280},
                       "throttling": {"raw_flags": 0,
                         "parsed_flags": {"undervoltage": {"now": false, "past": false},
                                          "freq_capped":  {"now": false, "past": false},
                                          "throttled":    {"now": false, "past": false}},
                         "ignore_past": false}},
            "platform": {"type": "rpi", "base": "Raspberry Pi 4 Model B Rev 1.5",
                         "serial": "10000000C8DA432D", "model": "v3", "video": "hdmi", "board": "rpi4"}},
 "meta":   {"server": {"host": "pikvm"}},
 "node":   {"host": "pikvm"},
 "system": {"kvmd": {"version": "4.197"},
            "streamer": {"app": "ustreamer", "version": "6.62",
                         "features": {"WITH_GPIO": false, "HAS_PDEATHSIG": true}},
            "kernel": {"system": "Linux", "release": "6.6.45-1-rpi", "version": "#1 SMP",
                       "machine": "aarch64"},
            "farhand": {"version": "1.2.3"}},
 "uptime": {"total": 65425, "parts": {"days": 0, "hours": 18, "minutes": 10, "seconds": 25}}}
""")


@pytest.fixture
def state() -> InfoState:
    never = ThrottlingFlag(now=False, past=False)
    return InfoState(
        auth=AuthInfo(True),
        extras=_EXAMPLE["extras"],
        fan=FanInfo(
            True,
            FanState(
                FanService(4821.33),
                FanTemp(41.2, 41.2),
                FanWheel(25.0, 256, True, -1.0),
                FanHall(False, 0),
            ),
        ),
        health=HealthInfo(
            TempInfo(45.277),
            CpuInfo(2),
            MemInfo(14.6, 1836331008, 1568993280),
            ThrottlingInfo(0, ThrottlingFlags(never, never, never), False),
        ),
        meta={"server": {"host": "pikvm"}},
        node=NodeInfo("pikvm"),
        system=SystemInfo(
            kvmd=VersionInfo("4.197"),
            streamer=StreamerInfo("ustreamer", "6.62", {"WITH_GPIO": False, "HAS_PDEATHSIG": True}),
            kernel=KernelInfo("Linux", "6.6.45-1-rpi", "#1 SMP", "aarch64"),
            platform=PlatformInfo(
                base="Raspberry Pi 4 Model B Rev 1.5",
                serial="10000000C8DA432D",
                model="v3",
                video="hdmi",
                board="rpi4",
            ),
            farhand=VersionInfo("1.2.3"),
        ),
        uptime=UptimeInfo(65425, UptimeParts(0, 18, 10, 25)),
    )


def _types(value: Any) -> Any:
    """The shape of a JSON value: its keys, and the type of every leaf."""
    return {key: _types(item) for key, item in value.items()} if isinstance(value, dict) else type(value)


def test_the_default_answer_is_the_contracts_example(state: InfoState) -> None:
    result = render(state, legacy=True, fields=[])
    assert result == _EXAMPLE
    # Numbers keep their type: percent is an integer, speed a float although it is 25.0 (gotchas 71).
    assert _types(result) == _types(_EXAMPLE)
    assert msgspec.json.decode(msgspec.json.encode(result)) == _EXAMPLE


def test_the_modern_answer_has_health_and_platform_in_their_places(state: InfoState) -> None:
    result = render(state, legacy=False, fields=[])
    assert set(result) == set(INFO_CATEGORIES)
    assert result["health"] == _EXAMPLE["hw"]["health"]
    assert result["system"] == {**_EXAMPLE["system"], "platform": _EXAMPLE["hw"]["platform"]}


@pytest.mark.parametrize(
    ("fields", "legacy", "categories", "has_platform"),
    [
        ("hw", True, {"hw"}, None),
        ("hw,health", True, {"hw"}, None),
        ("health", True, {"health"}, None),
        ("health,auth", True, {"health", "auth"}, None),
        ("system", True, {"system"}, True),
        ("system,hw", True, {"system", "hw"}, False),
        ("HW SYSTEM HEALTH", True, {"system", "hw"}, False),
        ("", True, {"auth", "extras", "fan", "hw", "meta", "node", "system", "uptime"}, False),
        (" , ", True, {"auth", "extras", "fan", "hw", "meta", "node", "system", "uptime"}, False),
        ("", False, set(INFO_CATEGORIES), True),
        ("health", False, {"health"}, None),
        ("system,health", False, {"system", "health"}, True),
    ],
)
def test_grouping(
    state: InfoState, fields: str, legacy: bool, categories: set[str], has_platform: bool | None
) -> None:
    result = render(state, legacy=legacy, fields=valid_info_fields(fields, legacy=legacy))
    assert set(result) == categories
    if has_platform is not None:
        assert ("platform" in result["system"]) is has_platform
    if "hw" in result:
        assert set(result["hw"]) == {"health", "platform"}


def test_rendering_leaves_the_state_as_it_is(state: InfoState) -> None:
    first = render(state, legacy=False, fields=[])
    render(state, legacy=True, fields=[])["meta"]["server"]["host"] = "changed by a caller"
    assert render(state, legacy=False, fields=[]) == first


def test_null_categories_are_shown_as_null(state: InfoState) -> None:
    broken = msgspec.structs.replace(state, meta=None, extras=None, health=HealthInfo(), fan=FanInfo())
    result = render(broken, legacy=True, fields=[])
    assert result["meta"] is None
    assert result["extras"] is None
    assert result["fan"] == {"monitored": False, "state": None}
    assert result["hw"]["health"] == {
        "temp": {"cpu": None},
        "cpu": {"percent": None},
        "mem": {"percent": None, "total": None, "available": None},
        "throttling": None,
    }


@pytest.mark.parametrize(("legacy", "field"), [(False, "hw"), (True, "bogus"), (False, "Auth")])
def test_an_unknown_category_is_a_bug_of_the_caller(state: InfoState, legacy: bool, field: str) -> None:
    with pytest.raises(ValueError, match=f"got \\['{field}'\\] - at fields"):
        render(state, legacy=legacy, fields=[field])
