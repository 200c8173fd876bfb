"""The contract's metrics out of states (subsystems.md 11): pure, names and values as the reference has them.

All are gauges. Booleans are 0 and 1, what is None or text is left out. Unlike the reference, `online` of a
channel says whether its driver is online, not what its state is (gotcha 64).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from prometheus_client.core import GaugeMetricFamily

from firmware.state.atx import AtxState
from firmware.state.gpio import GpioLevels
from firmware.state.info import FanInfo, HealthInfo

# A level of the document that the names leave out.
_SKIPPED_LEVEL: Final = "parsed_flags"
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]")
_CONSTANT_PREFIX: Final = "__"


def contract_metrics(
    atx: AtxState, gpio: GpioLevels, health: HealthInfo, fan: FanInfo
) -> Iterator[GaugeMetricFamily]:
    """Yield the contract's gauges."""
    yield _gauge("pikvm_atx_enabled", "whether the front panel is wired", atx.enabled)
    yield _gauge("pikvm_atx_power", "the power LED", atx.leds.power)
    yield from _channels(gpio)
    yield from _flat("pikvm_hw", "hw/health", msgspec.to_builtins(health))
    yield _gauge("pikvm_fan_monitored", "whether there is a fan daemon", fan.monitored)
    if fan.monitored and fan.state is not None:
        yield from _flat("pikvm_fan_state", "fan/state", msgspec.to_builtins(fan.state))


def _channels(levels: GpioLevels) -> Iterator[GaugeMetricFamily]:
    seen: set[str] = set()
    for kind, channels in (("input", levels.inputs), ("output", levels.outputs)):
        for channel, level in channels.items():
            name = _NOT_IN_A_NAME.sub("_", channel)
            # Of two channels that differ in other characters only, one can have the name.
            if channel.startswith(_CONSTANT_PREFIX) or f"{kind}_{name}" in seen:
                continue
            seen.add(f"{kind}_{name}")
            what = f"the {kind} {channel}"
            yield _gauge(f"pikvm_gpio_{kind}_online_{name}", f"whether {what} is online", level.online)
            yield _gauge(f"pikvm_gpio_{kind}_state_{name}", f"the state of {what}", level.state)


def _flat(name: str, where: str, document: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    for key, value in sorted(document.items()):
        below = name if key == _SKIPPED_LEVEL else f"{name}_{key}"
        match value:
            case Mapping():
                yield from _flat(below, f"{where}/{key}", value)
            case bool() | int() | float():
                yield _gauge(below, f"{where}/{key} of /api/info", value)
            case _:
                pass


def _gauge(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, float(value))
