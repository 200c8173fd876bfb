"""What the units of a chain shall be like, in the terms in which they report what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.wire.crc import crc16
from drivers.wire.edid import header_valid
from drivers.wire.switch_protocol import (
    DUMMIES_SINCE,
    LEDS_PER_UNIT,
    PORTS_PER_UNIT,
    QUIRKS_SINCE,
    Colours,
    Request,
    UnitState,
    clear_edid,
    padded_edid,
    set_colours,
    set_dummy,
    set_edid,
    set_quirks,
)
from firmware.subsystems.switch.settings import DEFAULT_EDID, PORTS, SwitchSettings

TOP_UNIT: Final = 0
"""The unit that the appliance is plugged into."""


@dataclass(frozen=True, slots=True)
class WantedEdid:
    """An EDID as units store it; *crc* is None for one that no computer would take, so that none is shown."""

    data: bytes
    crc: int | None

    @classmethod
    def of(cls, data: bytes) -> WantedEdid:
        """Make it of an EDID of up to 256 bytes."""
        return cls(data, crc16(padded_edid(data)) if header_valid(data) else None)

    def request(self, unit: int, port: int) -> Request:
        """Return what makes *unit* show it."""
        return clear_edid(unit, port) if self.crc is None else set_edid(unit, port, self.data)

    def is_shown(self, state: UnitState, port: int) -> bool:
        """Return whether a unit says that it shows it."""
        valid = bool(state.edid_valid_bits >> port & 1)
        return not valid if self.crc is None else valid and state.edid_crcs[port] == self.crc


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all units of the longest chain shall be like, but for the channels that they show."""

    edids: tuple[WantedEdid, ...]
    dummies: tuple[bool, ...]
    colours: Colours
    colours_crc: int
    ignore_hpd: bool

    @classmethod
    def of(cls, settings: SwitchSettings, default_edid: bytes, *, ignore_hpd: bool) -> Wanted:
        """Make it of the settings."""
        ids = [settings.edid_id(port) for port in range(PORTS)]
        edids = {
            edid_id: WantedEdid.of(
                default_edid if edid_id == DEFAULT_EDID else bytes.fromhex(settings.edids[edid_id].data)
            )
            for edid_id in set(ids)
        }
        return cls(
            edids=tuple(edids[edid_id] for edid_id in ids),
            dummies=tuple(settings.dummy(port) for port in range(PORTS)),
            colours=settings.colours,
            colours_crc=settings.colours.crc(),
            ignore_hpd=ignore_hpd,
        )

    def edids_shown(self, unit: int, state: UnitState) -> bool:
        """Return whether all ports of a unit show what they shall."""
        return not any(True for _ in self._edids(unit, state))

    def colours_shown(self, state: UnitState) -> bool:
        """Return whether all LEDs of a unit have the colours that they shall have."""
        return all(crc == self.colours_crc for crc in state.colour_crcs)

    def corrections(self, unit: int, state: UnitState) -> Iterator[Request]:
        """Yield what a unit has to be told, in the order of contract 9.2; its channel is not among it."""
        yield from self._edids(unit, state)
        if state.version >= DUMMIES_SINCE:
            for port in range(PORTS_PER_UNIT):
                dummy = self.dummies[unit * PORTS_PER_UNIT + port]
                if bool(state.dummy_bits >> port & 1) != dummy:
                    yield set_dummy(unit, port, dummy)
        for led in range(LEDS_PER_UNIT):
            if state.colour_crcs[led] != self.colours_crc:
                yield set_colours(unit, led, self.colours)
        if unit == TOP_UNIT and state.version >= QUIRKS_SINCE and state.ignore_hpd != self.ignore_hpd:
            yield set_quirks(unit, ignore_hpd=self.ignore_hpd)

    def _edids(self, unit: int, state: UnitState) -> Iterator[Request]:
        for port in range(PORTS_PER_UNIT):
            edid = self.edids[unit * PORTS_PER_UNIT + port]
            if not edid.is_shown(state, port):
                yield edid.request(unit, port)
