"""From the chain and the settings to the state that the API shows (contract http.md 4.7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from drivers.wire.edid import parse_edid
from drivers.wire.switch_protocol import DOWNLINK, PORTS_PER_UNIT, UPLINK, AtxLeds, UnitState
from firmware.state.switch import (
    PortAtx,
    PortModel,
    PortVideo,
    SwitchAtx,
    SwitchAtxLeds,
    SwitchBeacons,
    SwitchEdid,
    SwitchEdids,
    SwitchLinks,
    SwitchModel,
    SwitchState,
    SwitchSummary,
    UnitFirmware,
    UnitModel,
)
from firmware.subsystems.switch.chain import Chain
from firmware.subsystems.switch.settings import DEFAULT_EDID, DEFAULT_EDID_NAME, SwitchSettings

_PORT_BITS: Final = range(PORTS_PER_UNIT)


def shown_edids(settings: SwitchSettings, default_edid: bytes) -> dict[str, SwitchEdid]:
    """Return all EDIDs by identifier, the default one first; parses each one."""
    default = SwitchEdid(DEFAULT_EDID_NAME, default_edid.hex().upper(), parse_edid(default_edid))
    others = {
        edid_id: SwitchEdid(edid.name, edid.data, parse_edid(bytes.fromhex(edid.data)))
        for edid_id, edid in settings.edids.items()
    }
    return {DEFAULT_EDID: default, **others}


def port_id(port: int, units: int) -> str:
    """Return what people call a port: "3", or "1.3" in a chain of several units; "" if it is unknown."""
    if port < 0:
        return ""
    unit, channel = divmod(port, PORTS_PER_UNIT)
    return f"{unit + 1}.{channel + 1}" if units > 1 else str(channel + 1)


def show(chain: Chain, settings: SwitchSettings, edids: Mapping[str, SwitchEdid]) -> SwitchState:
    """Return the state; *edids* are those of `shown_edids`. Lists are empty until the chain is complete."""
    told = [(unit.state, unit.leds) for unit in chain.units]
    states = [state for state, leds in told if state is not None and leds is not None]
    leds = [led for state, led in told if state is not None and led is not None]
    if len(states) < len(told):
        states, leds = [], []
    ports = range(len(states) * PORTS_PER_UNIT)
    active = chain.active_port
    return SwitchState(
        model=SwitchModel(
            units=tuple(UnitModel(UnitFirmware(state.version, state.devbuild)) for state in states),
            ports=tuple(_port_model(port, len(states), settings) for port in ports),
        ),
        summary=SwitchSummary(active, port_id(active, len(chain.units)), chain.synced),
        edids=SwitchEdids(edids, tuple(settings.edid_id(port) for port in ports)),
        colors=settings.colours,
        video=SwitchLinks(_of_ports(state.video_bits for state in states)),
        usb=SwitchLinks(_of_ports(state.usb_bits for state in states)),
        beacons=_beacons(states),
        atx=_atx(states, leds),
    )


def is_lone_atx_change(old: SwitchState, new: SwitchState) -> bool:
    """Return whether only LEDs or busy buttons differ, which may wait for others of their kind."""
    return old != new and msgspec.structs.replace(old, atx=new.atx) == new


def _port_model(port: int, units: int, settings: SwitchSettings) -> PortModel:
    unit, channel = divmod(port, PORTS_PER_UNIT)
    return PortModel(
        unit=unit,
        channel=channel,
        name=settings.name(port),
        id=port_id(port, units),
        atx=PortAtx(settings.click_delays_of(port)),
        video=PortVideo(settings.dummy(port)),
    )


def _of_ports(bits_of_units: Iterable[int]) -> tuple[bool, ...]:
    return tuple(bool(bits >> port & 1) for bits in bits_of_units for port in _PORT_BITS)


def _beacons(states: list[UnitState]) -> SwitchBeacons:
    return SwitchBeacons(
        uplinks=tuple(bool(state.beacon_bits >> UPLINK & 1) for state in states),
        downlinks=tuple(bool(state.beacon_bits >> DOWNLINK & 1) for state in states),
        ports=_of_ports(state.beacon_bits for state in states),
    )


def _atx(states: list[UnitState], leds: list[AtxLeds]) -> SwitchAtx:
    return SwitchAtx(
        busy=_of_ports(state.atx_busy_bits for state in states),
        leds=SwitchAtxLeds(
            power=_of_ports(led.power for led in leds), hdd=_of_ports(led.hdd for led in leds)
        ),
    )
