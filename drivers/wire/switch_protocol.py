"""Messages of the PiKVM Switch's serial line (contract subsystems.md 9.1): requests, replies, colours.

Bytes and values only; it never waits, and never decides what a unit should do. All numbers are little endian.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import astuple, dataclass, fields
from typing import Final, Literal, Self

from drivers.wire.crc import crc16
from drivers.wire.switch_frame import encode_frame

PROTOCOL: Final = 1
ALL_UNITS: Final = 0xFF
MAX_REQUEST_ID: Final = 0xFFFF
UNSOLICITED: Final = 0
"""No request has this id: what comes with it was not asked for."""

PORTS_PER_UNIT: Final = 4
MAX_UNITS: Final = 5
DOWNLINK: Final = 4
UPLINK: Final = 5
LEDS_PER_UNIT: Final = 6
"""One for each port, the downlink and the uplink."""

EDID_BYTES: Final = 256
LATEST_FIRMWARE: Final = 9
QUIRKS_SINCE: Final = 7
DUMMIES_SINCE: Final = 8
"""The firmware versions that know these requests."""

_HEADER: Final = struct.Struct("<BHBB")


class Op(enum.IntEnum):
    """What a message is about."""

    NAK = 0
    BOOTLOADER = 2
    REBOOT = 3
    STATE = 4
    SWITCH = 5
    BEACON = 6
    ATX_LEDS = 7
    ATX_CLICK = 8
    SET_EDID = 9
    CLEAR_EDID = 10
    SET_COLORS = 12
    SET_QUIRKS = 13
    SET_DUMMY = 14


class NakReason(enum.IntEnum):
    """Why a unit refuses."""

    INVALID_COMMAND = 0
    BUSY = 1
    NO_DOWNLINK = 2
    DOWNLINK_OVERFLOW = 3


@dataclass(frozen=True, slots=True)
class Message:
    """A message of either side, its body not looked at."""

    request_id: int
    op: int
    unit: int
    body: bytes = b""

    def encode(self) -> bytes:
        """Return its frame."""
        return encode_frame(_HEADER.pack(PROTOCOL, self.request_id, self.op, self.unit) + self.body)

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Read what a frame had in it. Raises ValueError."""
        if len(message) < _HEADER.size:
            raise ValueError(
                f"expected a header of {_HEADER.size} bytes, got {message.hex(' ') or 'nothing'}"
            )
        protocol, request_id, op, unit = _HEADER.unpack_from(message)
        if protocol != PROTOCOL:
            raise ValueError(f"expected version {PROTOCOL} of the protocol, got {protocol}")
        return cls(request_id, op, unit, message[_HEADER.size :])


# -- colours -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Colour:
    """What a LED shows in one of its roles; *blink_ms* 0 = steadily."""

    red: int
    green: int
    blue: int
    brightness: int
    blink_ms: int

    def __post_init__(self) -> None:
        for name, value in zip((field.name for field in fields(self)), astuple(self), strict=True):
            limit = 0xFFFF if name == "blink_ms" else 0xFF
            if not 0 <= value <= limit:
                raise ValueError(f"expected 0..{limit}, got {value} - at {name}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "RRGGBB:BB:TTTT": hexadecimal colour, brightness and blink time. Raises ValueError."""
        colour, brightness, blink = text.split(":")
        red, green, blue = bytes.fromhex(colour)
        return cls(red, green, blue, int(brightness, 16), int(blink, 16))

    def pack(self) -> bytes:
        """Return its 6 bytes."""
        return struct.pack("<BBBBH", *astuple(self))


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of a LED's roles, in the order in which they are sent."""

    inactive: Colour = Colour(255, 0, 0, 64, 0)
    active: Colour = Colour(0, 255, 0, 128, 0)
    flashing: Colour = Colour(0, 170, 255, 128, 0)
    beacon: Colour = Colour(228, 44, 156, 255, 250)
    bootloader: Colour = Colour(255, 170, 0, 128, 0)

    def pack(self) -> bytes:
        """Return their 30 bytes."""
        return b"".join(getattr(self, role).pack() for role in COLOUR_ROLES)

    def crc(self) -> int:
        """Return what a unit reports of a LED that has them: the CRC of the colours' CRCs."""
        return colours_crc(self.pack())


type ColourRole = Literal["inactive", "active", "flashing", "beacon", "bootloader"]
COLOUR_ROLES: Final[tuple[ColourRole, ...]] = ("inactive", "active", "flashing", "beacon", "bootloader")


def colours_crc(packed: bytes) -> int:
    """Return the CRC of a LED's packed colours."""
    crcs = [crc16(packed[at : at + 6]) for at in range(0, 6 * len(COLOUR_ROLES), 6)]
    return crc16(struct.pack("<5H", *crcs))


# -- requests ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """What a unit is told; equal requests ask for the same."""

    op: Op
    unit: int
    body: bytes = b""

    def with_id(self, request_id: int) -> Message:
        """Return the message that asks for it as *request_id* (1..65535)."""
        if not 1 <= request_id <= MAX_REQUEST_ID:
            raise ValueError(f"expected a request id of 1..{MAX_REQUEST_ID}, got {request_id}")
        return Message(request_id, self.op, self.unit, self.body)


class Press(enum.IntEnum):
    """The button that is pressed."""

    POWER = 0
    RESET = 1


GET_STATE: Final = Request(Op.STATE, ALL_UNITS)
GET_ATX_LEDS: Final = Request(Op.ATX_LEDS, ALL_UNITS)


def reboot(unit: int, *, bootloader: bool = False) -> Request:
    """Return the request to start anew, or to wait for new firmware."""
    return Request(Op.BOOTLOADER if bootloader else Op.REBOOT, unit)


def switch(unit: int, channel: int) -> Request:
    """Return the request to show *channel*: a port, or the downlink."""
    return Request(Op.SWITCH, unit, bytes((channel,)))


def set_beacon(unit: int, channel: int, on: bool) -> Request:
    """Return the request to let the LED of a port, the downlink or the uplink blink."""
    return Request(Op.BEACON, unit, bytes((channel, on)))


def click(unit: int, port: int, press: Press, milliseconds: int) -> Request:
    """Return the request to press a button for so long; at least 1 ms."""
    return Request(Op.ATX_CLICK, unit, struct.pack("<BBH", port, press, max(1, milliseconds)))


def set_edid(unit: int, port: int, edid: bytes) -> Request:
    """Return the request to show *edid* (up to 256 bytes) to a port's computer."""
    return Request(Op.SET_EDID, unit, bytes((port,)) + padded_edid(edid))


def clear_edid(unit: int, port: int) -> Request:
    """Return the request to show a port's computer no EDID."""
    return Request(Op.CLEAR_EDID, unit, bytes((port,)))


def set_colours(unit: int, led: int, colours: Colours) -> Request:
    """Return the request to give a LED its colours."""
    return Request(Op.SET_COLORS, unit, bytes((led,)) + colours.pack())


def set_quirks(unit: int, *, ignore_hpd: bool) -> Request:
    """Return the request to look at the display's hot-plug line, or not."""
    return Request(Op.SET_QUIRKS, unit, bytes((ignore_hpd,)))


def set_dummy(unit: int, port: int, on: bool) -> Request:
    """Return the request to simulate a display at a port while it is not shown."""
    return Request(Op.SET_DUMMY, unit, bytes((port, on)))


def padded_edid(edid: bytes) -> bytes:
    """Return *edid* as it is sent and as its CRC is made. Raises ValueError if it is too long."""
    if len(edid) > EDID_BYTES:
        raise ValueError(f"expected an EDID of at most {EDID_BYTES} bytes, got {len(edid)}")
    return edid.ljust(EDID_BYTES, b"\0")


# -- replies -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Nak:
    """A refusal; *reason* is a plain number if it is none of the known ones."""

    reason: NakReason | int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a body. Raises ValueError."""
        if not body:
            raise ValueError("expected the reason of a refusal, got nothing")
        return cls(NakReason(body[0]) if body[0] in NakReason else body[0])


@dataclass(frozen=True, slots=True)
class AtxLeds:
    """The front panels' LEDs; each number has a bit per port."""

    power: int = 0
    hdd: int = 0

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a body. Raises ValueError."""
        if not body:
            raise ValueError("expected the LEDs of a unit, got nothing")
        return cls(body[0] & 0x0F, body[0] >> 4)

    def pack(self) -> bytes:
        """Return the body."""
        return bytes((self.power | self.hdd << 4,))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """What a unit says of itself. Numbers named `..._bits` have a bit per port, then one for the downlink.

    *colour_crcs* has one CRC per LED, *edid_crcs* one per port.
    """

    version: int = LATEST_FIRMWARE
    devbuild: bool = False
    hardware: int = 1
    changing: bool = False
    flashing: bool = False
    has_hpd: bool = True
    has_downlink: bool = False
    channel: int = 0
    beacon_bits: int = 0
    colour_crcs: tuple[int, ...] = (0,) * LEDS_PER_UNIT
    video_bits: int = 0
    hpd_bits: int = 0
    edid_valid_bits: int = 0
    edid_crcs: tuple[int, ...] = (0,) * PORTS_PER_UNIT
    usb_bits: int = 0
    atx_busy_bits: int = 0
    ignore_hpd: bool = False
    dummy_bits: int = 0

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a body; what it has beyond the known fields is left alone. Raises ValueError."""
        if len(body) < _STATE.size:
            raise ValueError(f"expected a unit state of {_STATE.size} bytes, got {len(body)}")
        version, hardware, flags, channel, beacons, *rest = _STATE.unpack_from(body)
        colour_crcs, (video, hpd, edid_valid) = rest[:LEDS_PER_UNIT], rest[LEDS_PER_UNIT:9]
        edid_crcs, (usb, atx_busy, quirks, dummies) = rest[9:13], rest[13:]
        return cls(
            version=version & ~_DEVBUILD,
            devbuild=bool(version & _DEVBUILD),
            hardware=hardware,
            changing=bool(flags & _CHANGING),
            flashing=bool(flags & _FLASHING),
            has_hpd=bool(flags & _HAS_HPD),
            has_downlink=bool(flags & _HAS_DOWNLINK),
            channel=channel,
            beacon_bits=beacons & 0x3F,
            colour_crcs=tuple(colour_crcs),
            video_bits=video & 0x1F,
            hpd_bits=hpd & 0x1F,
            edid_valid_bits=edid_valid & 0x0F,
            edid_crcs=tuple(edid_crcs),
            usb_bits=usb & 0x0F,
            atx_busy_bits=atx_busy & 0x0F,
            ignore_hpd=bool(quirks & _IGNORE_HPD),
            dummy_bits=dummies & 0x0F,
        )

    def pack(self) -> bytes:
        """Return the body, as a unit sends it."""
        flags = (
            _CHANGING * self.changing
            | _FLASHING * self.flashing
            | _HAS_HPD * self.has_hpd
            | _HAS_DOWNLINK * self.has_downlink
        )
        return _STATE.pack(
            self.version | _DEVBUILD * self.devbuild,
            self.hardware,
            flags,
            self.channel,
            self.beacon_bits,
            *self.colour_crcs,
            self.video_bits,
            self.hpd_bits,
            self.edid_valid_bits,
            *self.edid_crcs,
            self.usb_bits,
            self.atx_busy_bits,
            self.ignore_hpd,
            self.dummy_bits,
        ) + bytes(_RESERVED_BYTES)


_STATE: Final = struct.Struct("<HHHBB6HBBB4HBxBBB")
_RESERVED_BYTES: Final = 28
_DEVBUILD: Final = 0x8000
_CHANGING, _FLASHING, _HAS_HPD, _HAS_DOWNLINK = 0x80, 0x40, 0x04, 0x02
_IGNORE_HPD: Final = 0x01

type ReplyBody = Nak | UnitState | AtxLeds
_REPLIES: Final[dict[int, type[ReplyBody]]] = {Op.NAK: Nak, Op.STATE: UnitState, Op.ATX_LEDS: AtxLeds}


@dataclass(frozen=True, slots=True)
class Reply:
    """What *unit* said: in answer to a request, or with the id UNSOLICITED or an unknown one by itself."""

    request_id: int
    unit: int
    body: ReplyBody

    @classmethod
    def parse(cls, message: bytes) -> Self:
        """Read what a frame of a unit had in it. Raises ValueError saying what is wrong."""
        raw = Message.parse(message)
        kind = _REPLIES.get(raw.op)
        if kind is None:
            raise ValueError(f"expected a reply of the kinds {sorted(_REPLIES)}, got {raw.op}")
        if raw.unit >= MAX_UNITS:
            raise ValueError(f"expected a unit of 0..{MAX_UNITS - 1}, got {raw.unit}")
        return cls(raw.request_id, raw.unit, kind.parse(raw.body))
