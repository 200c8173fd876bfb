"""State of the KVM switch; the shape of `GET /api/switch` (contract http.md 4.7).

Lists are indexed by virtual port, those named `uplinks`, `downlinks` and `units` by unit. All of them are
empty while there is no switch, and while a unit of the chain has not told everything yet.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from drivers.wire.edid import EdidIdentity
from drivers.wire.switch_protocol import LATEST_FIRMWARE, Colours


class KnownFirmware(msgspec.Struct, frozen=True):
    """The latest firmware of units that this appliance knows."""

    version: int = LATEST_FIRMWARE


class UnitFirmware(msgspec.Struct, frozen=True):
    """The firmware of a unit."""

    version: int
    devbuild: bool


class UnitModel(msgspec.Struct, frozen=True):
    """A unit of the chain."""

    firmware: UnitFirmware


class ClickDelays(msgspec.Struct, frozen=True):
    """How long a port's buttons are pressed, in seconds."""

    power: float = 0.5
    power_long: float = 5.5
    reset: float = 0.5


class PortAtx(msgspec.Struct, frozen=True):
    """A port's front panel."""

    click_delays: ClickDelays


class PortVideo(msgspec.Struct, frozen=True):
    """`dummy`: whether a display is simulated while the port is not shown."""

    dummy: bool


class PortModel(msgspec.Struct, frozen=True):
    """A port; `unit` and `channel` count from 0, `id` from 1: "3", or "1.3" in a chain of several units."""

    unit: int
    channel: int
    name: str
    id: str
    atx: PortAtx
    video: PortVideo


class DelayLimits(msgspec.Struct, frozen=True):
    """What a delay may be, in seconds."""

    default: float
    min: int = 0
    max: int = 10


class ClickDelaysLimits(msgspec.Struct, frozen=True):
    """The limits of each button's delay."""

    power: DelayLimits = DelayLimits(ClickDelays().power)
    power_long: DelayLimits = DelayLimits(ClickDelays().power_long)
    reset: DelayLimits = DelayLimits(ClickDelays().reset)


class AtxLimits(msgspec.Struct, frozen=True):
    """Limits of the front panels."""

    click_delays: ClickDelaysLimits = ClickDelaysLimits()


class SwitchLimits(msgspec.Struct, frozen=True):
    """Limits of what may be set."""

    atx: AtxLimits = AtxLimits()


class SwitchModel(msgspec.Struct, frozen=True):
    """What the chain is made of, and what its ports are called."""

    firmware: KnownFirmware = KnownFirmware()
    units: tuple[UnitModel, ...] = ()
    ports: tuple[PortModel, ...] = ()
    limits: SwitchLimits = SwitchLimits()


class SwitchSummary(msgspec.Struct, frozen=True):
    """Which port is shown (-1 and "" if unknown), and whether every unit is as it is wanted to be."""

    active_port: int = -1
    active_id: str = ""
    synced: bool = True


class SwitchEdid(msgspec.Struct, frozen=True):
    """An EDID as upper-case hexadecimal digits; `parsed` is null if its structure is not one."""

    name: str
    data: str
    parsed: EdidIdentity | None


class SwitchEdids(msgspec.Struct, frozen=True):
    """All EDIDs by identifier, and the identifier of the one that each port has."""

    all: Mapping[str, SwitchEdid] = {}
    used: tuple[str, ...] = ()


class SwitchLinks(msgspec.Struct, frozen=True):
    """Whether a computer is there, by its +5 V."""

    links: tuple[bool, ...] = ()


class SwitchBeacons(msgspec.Struct, frozen=True):
    """Which LEDs blink so that somebody finds them."""

    uplinks: tuple[bool, ...] = ()
    downlinks: tuple[bool, ...] = ()
    ports: tuple[bool, ...] = ()


class SwitchAtxLeds(msgspec.Struct, frozen=True):
    """The front panels' LEDs."""

    power: tuple[bool, ...] = ()
    hdd: tuple[bool, ...] = ()


class SwitchAtx(msgspec.Struct, frozen=True):
    """The front panels: whether a button is being pressed, and the LEDs."""

    busy: tuple[bool, ...] = ()
    leds: SwitchAtxLeds = SwitchAtxLeds()


class SwitchState(msgspec.Struct, frozen=True):
    """The whole."""

    model: SwitchModel = SwitchModel()
    summary: SwitchSummary = SwitchSummary()
    edids: SwitchEdids = SwitchEdids()
    colors: Colours = Colours()
    video: SwitchLinks = SwitchLinks()
    usb: SwitchLinks = SwitchLinks()
    beacons: SwitchBeacons = SwitchBeacons()
    atx: SwitchAtx = SwitchAtx()
