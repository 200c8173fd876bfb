"""One unit of the emulated KVM switch and the four computers at its ports; sans-I/O, times are arguments.

Keeps bytes as it was sent them, and judges a request by what the contract says of it (subsystems.md 9.1).
Must not know the chain: who is above and below is told to it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Final

from drivers.wire.crc import crc16
from drivers.wire.edid import header_valid
from drivers.wire.switch_protocol import (
    DOWNLINK,
    EDID_BYTES,
    LEDS_PER_UNIT,
    PORTS_PER_UNIT,
    UPLINK,
    AtxLeds,
    Colours,
    NakReason,
    Op,
    UnitState,
    colours_crc,
)

CHANGE_S: Final = 0.2
"""How long the picture takes to be another one."""

FLASH_S: Final = 0.16
"""How long an EDID takes to be written: the EEPROMs that carry one take 5 ms for each 8 bytes."""

POWER_DOWN_S: Final = 1.0
"""How long a computer's system takes to shut down when its button is pressed."""

FORCE_OFF_MS: Final = 4000
"""A button that is held for so long cuts the power (ACPI specification)."""

DISK_S: Final = 2.0
"""How long the disk's LED is lit after a start."""

_COLOURS_BYTES: Final = 30

type Later = Callable[[float, Callable[[], None]], None]
"""Takes seconds, and what is to be done then."""


@dataclass
class EmulatedComputer:
    """A computer at a port. *attached* tells whether its cables are plugged in."""

    attached: bool = True
    powered: bool = False
    disk_busy: bool = False
    being_pressed: bool = False
    presses: list[tuple[str, int]] = field(default_factory=list)
    """Buttons and milliseconds, in order."""

    def press(self, reset: bool, milliseconds: int, later: Later) -> None:
        """Press a button for so long."""
        self.presses.append(("reset" if reset else "power", milliseconds))
        self.being_pressed = True
        later(milliseconds / 1000, self._release)
        if reset:
            if self.powered:
                self._start(later)
        elif not self.powered:
            self.powered = True
            self._start(later)
        elif milliseconds >= FORCE_OFF_MS:
            later(FORCE_OFF_MS / 1000, self._off)
        else:
            later(milliseconds / 1000 + POWER_DOWN_S, self._off)

    def _release(self) -> None:
        self.being_pressed = False

    def _start(self, later: Later) -> None:
        self.disk_busy = True
        later(DISK_S, self._disk_done)

    def _disk_done(self) -> None:
        self.disk_busy = False

    def _off(self) -> None:
        self.powered = self.disk_busy = False


class EmulatedUnit:
    """A unit as it comes from the factory: port 0 is shown, no EDIDs, the default colours."""

    def __init__(self, *, version: int = 9, devbuild: bool = False) -> None:
        self.version = version
        self.devbuild = devbuild
        self.computers = [EmulatedComputer() for _ in range(PORTS_PER_UNIT)]
        self.edids: list[bytes | None] = [None] * PORTS_PER_UNIT
        self.colours: list[bytes] = [Colours().pack()] * LEDS_PER_UNIT
        self.dummy_bits = 0
        self.ignore_hpd = False
        self.channel = 0
        self.beacon_bits = 0
        self.changing = False
        self.flashing = False
        self.edid_writes = 0
        self._boot = 0

    def boot(self) -> None:
        """Start anew: what is in flash memory stays; what was under way is not finished."""
        self._boot += 1
        self.channel = self.beacon_bits = 0
        self.changing = self.flashing = False

    def state(self, *, has_downlink: bool) -> UnitState:
        """Return what it says of itself."""
        live = sum(
            1 << port
            for port, computer in enumerate(self.computers)
            if computer.attached and computer.powered
        )
        edids = [edid or bytes(EDID_BYTES) for edid in self.edids]
        return UnitState(
            version=self.version,
            devbuild=self.devbuild,
            changing=self.changing,
            flashing=self.flashing,
            has_downlink=has_downlink,
            channel=self.channel,
            beacon_bits=self.beacon_bits,
            colour_crcs=tuple(map(_colours_crc, self.colours)),
            video_bits=live,
            hpd_bits=1 << self.channel,
            edid_valid_bits=sum(1 << port for port, edid in enumerate(edids) if header_valid(edid)),
            edid_crcs=tuple(map(_crc16, edids)),
            usb_bits=live,
            atx_busy_bits=sum(
                1 << port for port, computer in enumerate(self.computers) if computer.being_pressed
            ),
            ignore_hpd=self.ignore_hpd,
            dummy_bits=self.dummy_bits,
        )

    def leds(self) -> AtxLeds:
        """Return the front panels' LEDs."""
        lit = [computer.attached and computer.powered for computer in self.computers]
        return AtxLeds(
            power=sum(1 << port for port, on in enumerate(lit) if on),
            hdd=sum(1 << port for port, computer in enumerate(self.computers) if computer.disk_busy),
        )

    def carry_out(self, op: int, body: bytes, later: Later) -> NakReason | None:
        """Do what a request asks for, or return why not; *later* calls do nothing after another `boot`."""
        wanted_bytes = _BODY_BYTES.get(op)
        if (
            wanted_bytes is None
            or len(body) != wanted_bytes
            or (body and body[0] > _LAST_CHANNEL.get(op, 255))
        ):
            return NakReason.INVALID_COMMAND
        since_boot = partial(self._later, later)
        match op:
            case Op.SWITCH:
                return self._switch(body[0], since_boot)
            case Op.BEACON:
                self.beacon_bits = _with_bit(self.beacon_bits, body[0], bool(body[1]))
            case Op.ATX_CLICK:
                # What a computer does next does not depend on the unit.
                return self._click(body, later)
            case Op.SET_EDID:
                return self._write_edid(body[0], body[1:], since_boot)
            case Op.CLEAR_EDID:
                return self._write_edid(body[0], None, since_boot)
            case Op.SET_COLORS:
                self.colours[body[0]] = body[1:]
            case Op.SET_QUIRKS:
                self.ignore_hpd = bool(body[0])
            case Op.SET_DUMMY:
                self.dummy_bits = _with_bit(self.dummy_bits, body[0], bool(body[1]))
        return None

    def _later(self, later: Later, seconds: float, action: Callable[[], None]) -> None:
        boot = self._boot

        def act() -> None:
            if boot == self._boot:
                action()

        later(seconds, act)

    def _switch(self, channel: int, later: Later) -> NakReason | None:
        if self.changing:
            return NakReason.BUSY

        def shown() -> None:
            self.changing, self.channel = False, channel

        self.changing = True
        later(CHANGE_S, shown)
        return None

    def _click(self, body: bytes, later: Later) -> NakReason | None:
        port, button, milliseconds = struct.unpack("<BBH", body)
        if button > 1 or not milliseconds:
            return NakReason.INVALID_COMMAND
        if self.computers[port].being_pressed:
            return NakReason.BUSY
        self.computers[port].press(button == 1, milliseconds, later)
        return None

    def _write_edid(self, port: int, edid: bytes | None, later: Later) -> NakReason | None:
        if self.flashing or self.changing:
            return NakReason.BUSY

        def written() -> None:
            self.flashing = False
            self.edids[port] = edid
            self.edid_writes += 1

        self.flashing = True
        later(FLASH_S, written)
        return None


_BODY_BYTES: Final[dict[int, int]] = {
    Op.SWITCH: 1,
    Op.BEACON: 2,
    Op.ATX_CLICK: 4,
    Op.SET_EDID: 1 + EDID_BYTES,
    Op.CLEAR_EDID: 1,
    Op.SET_COLORS: 1 + _COLOURS_BYTES,
    Op.SET_QUIRKS: 1,
    Op.SET_DUMMY: 2,
}
_LAST_PORT: Final = PORTS_PER_UNIT - 1
_LAST_CHANNEL: Final[dict[int, int]] = {
    Op.SWITCH: DOWNLINK,
    Op.BEACON: UPLINK,
    Op.ATX_CLICK: _LAST_PORT,
    Op.SET_EDID: _LAST_PORT,
    Op.CLEAR_EDID: _LAST_PORT,
    Op.SET_COLORS: LEDS_PER_UNIT - 1,
    Op.SET_DUMMY: _LAST_PORT,
}


# A unit says them each time; what it has stored seldom changes.
_crc16: Final = lru_cache(maxsize=64)(crc16)
_colours_crc: Final = lru_cache(maxsize=64)(colours_crc)


def _with_bit(bits: int, number: int, on: bool) -> int:
    return bits | 1 << number if on else bits & ~(1 << number)
