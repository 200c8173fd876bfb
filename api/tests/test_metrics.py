"""Metrics over a real socket, and the contract's names out of states (subsystems.md 11)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from api.metrics.contract import contract_metrics
from api.metrics.exposition import KEPT_S, Exposition
from drivers.system.fan import FanHall, FanService, FanState, FanTemp, FanWheel
from firmware.core.histogram import Histogram
from firmware.state.atx import AtxLeds, AtxState
from firmware.state.gpio import GpioInputState, GpioLevels, GpioOutputState
from firmware.state.info import (
    CpuInfo,
    FanInfo,
    HealthInfo,
    MemInfo,
    TempInfo,
    ThrottlingFlag,
    ThrottlingFlags,
    ThrottlingInfo,
)

URL = "/api/export/prometheus/metrics"
FLAG = ThrottlingFlag(now=False, past=True)
HEALTH = HealthInfo(
    TempInfo(45.5),
    CpuInfo(2),
    MemInfo(14.6, 1000, 854),
    ThrottlingInfo(0x50000, ThrottlingFlags(FLAG, FLAG, FLAG), ignore_past=True),
)
FAN = FanInfo(
    True, FanState(FanService(1.5), FanTemp(41.2, 41.3), FanWheel(25.0, 256, True, -1.0), FanHall(False, 0))
)
NOT_MONITORED = FanInfo(monitored=False, state=FAN.state)


def samples_of(text: str) -> dict[str, float]:
    """Every sample by its name with its labels; what is no exposition is an error."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in found
            found[name] = sample.value
    return found


def gauges_of(atx: AtxState, gpio: GpioLevels, health: HealthInfo, fan: FanInfo) -> dict[str, float]:
    text = Exposition(lambda: contract_metrics(atx, gpio, health, fan)).text().decode()
    ours = samples_of(text)
    for name in ours:
        if name.startswith("pikvm_"):
            assert f"# TYPE {name} gauge\n" in text
    return {name: value for name, value in ours.items() if name.startswith("pikvm_")}


async def test_the_contracts_names_and_values() -> None:
    gpio = GpioLevels(
        {"led1": GpioInputState(online=True, state=False), "__v3_usb_breaker__": GpioInputState()},
        {"relay-1.a": GpioOutputState(online=False, state=True), "relay_1_a": GpioOutputState()},
    )
    atx = AtxState(leds=AtxLeds(power=True))
    assert gauges_of(atx, gpio, HEALTH, FAN) == {
        "pikvm_atx_enabled": 1,
        "pikvm_atx_power": 1,
        # Unlike the reference, which has the state in both [fix, gotcha 64].
        "pikvm_gpio_input_online_led1": 1,
        "pikvm_gpio_input_state_led1": 0,
        "pikvm_gpio_output_online_relay_1_a": 0,
        "pikvm_gpio_output_state_relay_1_a": 1,
        "pikvm_hw_temp_cpu": 45.5,
        "pikvm_hw_cpu_percent": 2,
        "pikvm_hw_mem_percent": 14.6,
        "pikvm_hw_mem_total": 1000,
        "pikvm_hw_mem_available": 854,
        "pikvm_hw_throttling_raw_flags": 0x50000,
        "pikvm_hw_throttling_ignore_past": 1,
        "pikvm_hw_throttling_freq_capped_now": 0,
        "pikvm_hw_throttling_freq_capped_past": 1,
        "pikvm_hw_throttling_throttled_now": 0,
        "pikvm_hw_throttling_throttled_past": 1,
        "pikvm_hw_throttling_undervoltage_now": 0,
        "pikvm_hw_throttling_undervoltage_past": 1,
        "pikvm_fan_monitored": 1,
        "pikvm_fan_state_fan_last_fail_ts": -1,
        "pikvm_fan_state_fan_ok": 1,
        "pikvm_fan_state_fan_pwm": 256,
        "pikvm_fan_state_fan_speed": 25,
        "pikvm_fan_state_hall_available": 0,
        "pikvm_fan_state_hall_rpm": 0,
        "pikvm_fan_state_service_now_ts": 1.5,
        "pikvm_fan_state_temp_fixed": 41.3,
        "pikvm_fan_state_temp_real": 41.2,
    }


@pytest.mark.parametrize("fan", [FanInfo(), FanInfo(monitored=True), NOT_MONITORED])
async def test_what_nobody_knows_is_left_out(fan: FanInfo) -> None:
    assert gauges_of(AtxState(enabled=False), GpioLevels(), HealthInfo(), fan) == {
        "pikvm_atx_enabled": 0,
        "pikvm_atx_power": 0,
        "pikvm_fan_monitored": float(fan.monitored),
    }


async def test_the_text_is_kept_for_some_seconds(autojump_clock: trio.testing.MockClock) -> None:
    reads = 0

    def read() -> list[Any]:
        nonlocal reads
        reads += 1
        return []

    exposition = Exposition(read)
    made = reads
    first = exposition.text()
    await trio.sleep(KEPT_S - 0.1)
    assert exposition.text() == first
    assert reads == made + 1
    await trio.sleep(0.2)
    exposition.text()
    assert reads == made + 2


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.cumulative() == [(1.0, 2), (2.0, 3), (float("inf"), 4)]
    assert histogram.total == 12


# -- the whole appliance -------------------------------------------------------------------------------------


async def metrics_when(live: Any, wanted: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """Read the metrics until they are as *wanted*: they may be some seconds old."""
    with trio.fail_after(60):
        while True:
            answer = await live.http.get(URL)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            samples = samples_of(answer.text)
            if wanted(samples):
                return samples
            await trio.sleep(0.5)


async def test_an_appliance_at_work_shows_what_it_does(live: Any) -> None:
    await live.result_of(await live.http.post("/api/hid/print", content="Hi"))
    async with live.websocket("?stream=1"):
        samples = await metrics_when(live, lambda found: found["farhand_encoded_frames_total"] > 0)
    assert samples["pikvm_atx_enabled"] == 1
    assert samples["pikvm_hw_mem_total"] > 2**20
    assert samples["farhand_typed_texts_total"] == 1
    assert samples["farhand_typed_key_events_total"] == 6
    assert samples["farhand_hid_reports_total{device=hid.keyboard,outcome=written}"] >= 6
    assert samples["farhand_task_online{task=hid.keyboard}"] == 1
    assert samples["farhand_task_starts_total{task=hid.keyboard}"] == 1
    assert samples["farhand_sessions{video=yes}"] == 1
    assert samples["farhand_http_requests_total"] >= 2
    encoded = samples["farhand_frame_seconds_count{format=jpeg,stage=encode}"]
    assert samples["farhand_captured_frames_total"] >= encoded >= 1
    assert samples["farhand_frame_seconds_bucket{format=jpeg,le=+Inf,stage=encode}"] == encoded
    assert samples["process_resident_memory_bytes"] > 2**20
    assert samples["process_open_fds"] > 5
    assert any(re.fullmatch(r"farhand_build_info\{version=.+\}", name) for name in samples)


async def test_metrics_need_a_login_unless_they_are_open(live_with: Callable[[str], Any]) -> None:
    async with live_with("") as live, live.anonymous() as client:
        await live.refused(await client.get(URL), 401, "UnauthorizedError")
    async with live_with("kvmd: {prometheus: {auth: {enabled: false}}}") as live, live.anonymous() as client:
        answer = await client.get(URL)
        assert answer.status_code == 200
        assert "pikvm_atx_power 0" in answer.text or "pikvm_atx_power 1" in answer.text


async def test_channels_are_among_the_metrics(live_with: Callable[[str], Any]) -> None:
    scheme = "lamp: {pin: 5, mode: output}"
    async with live_with(f"kvmd: {{gpio: {{scheme: {{{scheme}}}}}}}") as live:
        samples = await metrics_when(live, lambda found: found.get("pikvm_gpio_output_online_lamp") == 1)
    assert samples["pikvm_gpio_output_state_lamp"] == 0
