"""Messages of the switch: the contract's vectors row by row, round trips, and what is refused."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire import switch_protocol as wire
from drivers.wire.crc import crc16
from drivers.wire.switch_frame import FrameDecoder
from drivers.wire.switch_protocol import (
    AtxLeds,
    Colour,
    Colours,
    Message,
    Nak,
    NakReason,
    Op,
    Press,
    Reply,
    Request,
    UnitState,
)

ROOT = Path(__file__).parents[3]
VECTORS: dict[str, Any] = json.loads((ROOT / "firmware/core/tests/data/vectors.json").read_text())
COLOURS = VECTORS["switch_colours"]

REQUESTS: dict[str, Request] = {
    "STATE unit=255": wire.GET_STATE,
    "ATX_LEDS unit=255": wire.GET_ATX_LEDS,
    "SWITCH unit=1 channel=2": wire.switch(1, 2),
    "BEACON unit=0 channel=5 on": wire.set_beacon(0, wire.UPLINK, True),
    "ATX_CLICK unit=0 channel=3 power 500ms": wire.click(0, 3, Press.POWER, 500),
    "ATX_CLICK unit=2 channel=1 reset 241ms": wire.click(2, 1, Press.RESET, 241),
    "SET_DUMMY unit=0 channel=0 off": wire.set_dummy(0, 0, False),
    "SET_QUIRKS unit=0 ignore_hpd": wire.set_quirks(0, ignore_hpd=True),
    "SET_COLORS unit=0 led=0 defaults": wire.set_colours(0, 0, Colours()),
    "REBOOT unit=0": wire.reboot(0),
    "BOOTLOADER unit=0": wire.reboot(0, bootloader=True),
}

crcs = st.integers(0, 0xFFFF)
UNIT_STATES = st.builds(
    UnitState,
    version=st.integers(0, 0x7FFF),
    devbuild=st.booleans(),
    hardware=st.integers(0, 0xFFFF),
    changing=st.booleans(),
    flashing=st.booleans(),
    has_hpd=st.booleans(),
    has_downlink=st.booleans(),
    channel=st.integers(0, 255),
    beacon_bits=st.integers(0, 63),
    colour_crcs=st.tuples(*[crcs] * 6),
    video_bits=st.integers(0, 31),
    hpd_bits=st.integers(0, 31),
    edid_valid_bits=st.integers(0, 15),
    edid_crcs=st.tuples(*[crcs] * 4),
    usb_bits=st.integers(0, 15),
    atx_busy_bits=st.integers(0, 15),
    ignore_hpd=st.booleans(),
    dummy_bits=st.integers(0, 15),
)


@pytest.mark.parametrize("case", VECTORS["switch_frames"], ids=lambda case: case["request"])
def test_frames_of_the_contract(case: dict[str, Any]) -> None:
    message = REQUESTS[case["request"]].with_id(case["rid"])
    assert message.encode().hex() == case["hex"]
    (inside,) = FrameDecoder().feed(bytes.fromhex(case["hex"]))
    assert Message.parse(inside) == message


def test_every_frame_of_the_contract_is_tried() -> None:
    assert {case["request"] for case in VECTORS["switch_frames"]} == set(REQUESTS)


@pytest.mark.parametrize("case", COLOURS["cases"], ids=lambda case: case["text"])
def test_colours_of_the_contract(case: dict[str, Any]) -> None:
    colour = Colour.parse(case["text"])
    names = ("red", "green", "blue", "brightness", "blink_ms")
    assert colour == Colour(**{name: case[name] for name in names})
    assert colour.pack().hex() == case["packed"]
    assert crc16(colour.pack()) == case["crc16"]


def test_the_default_colours_of_the_contract() -> None:
    assert Colours().pack().hex() == COLOURS["default_set"]["packed"]
    assert Colours().crc() == COLOURS["default_set"]["crc16"]


@pytest.mark.parametrize("case", VECTORS["crc16"], ids=lambda case: case["data"] or "empty")
def test_checksums_of_the_contract(case: dict[str, Any]) -> None:
    assert crc16(bytes.fromhex(case["data"])) == case["crc"]


@pytest.mark.parametrize("case", VECTORS["edid"], ids=lambda case: case["title"])
def test_edid_checksums_of_the_contract(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["data"])
    assert crc16(wire.padded_edid(data)) == case["crc16_of_256"]
    assert wire.set_edid(3, 1, data).body == b"\x01" + data.ljust(256, b"\0")
    assert wire.clear_edid(3, 1) == Request(Op.CLEAR_EDID, 3, b"\x01")


@given(UNIT_STATES, st.integers(0, 0xFFFF), st.integers(0, 4))
def test_a_unit_state_comes_back_as_it_was_sent(state: UnitState, request_id: int, unit: int) -> None:
    frame = Message(request_id, Op.STATE, unit, state.pack()).encode()
    (inside,) = FrameDecoder().feed(frame)
    assert Reply.parse(inside) == Reply(request_id, unit, state)


def test_a_unit_state_byte_by_byte() -> None:
    """Offsets and bits of the contract, written out independently of the codec."""
    body = bytearray(64)
    struct.pack_into("<HHH", body, 0, 0x8000 | 9, 3, 0x80 | 0x40 | 0x04 | 0x02)
    body[6], body[7] = 2, 0b100001
    struct.pack_into("<6H", body, 8, 1, 2, 3, 4, 5, 6)
    body[20], body[21], body[22] = 0b10001, 0b00100, 0b1001
    struct.pack_into("<4H", body, 23, 11, 12, 13, 14)
    body[31], body[33], body[34], body[35] = 0b0110, 0b1000, 1, 0b1111
    assert UnitState.parse(bytes(body)) == UnitState(
        version=9,
        devbuild=True,
        hardware=3,
        changing=True,
        flashing=True,
        has_hpd=True,
        has_downlink=True,
        channel=2,
        beacon_bits=0b100001,
        colour_crcs=(1, 2, 3, 4, 5, 6),
        video_bits=0b10001,
        hpd_bits=0b00100,
        edid_valid_bits=0b1001,
        edid_crcs=(11, 12, 13, 14),
        usb_bits=0b0110,
        atx_busy_bits=0b1000,
        ignore_hpd=True,
        dummy_bits=0b1111,
    )
    # What a later firmware may add behind it is left alone.
    assert UnitState.parse(bytes(body) + b"more") == UnitState.parse(bytes(body))


@given(st.integers(0, 15), st.integers(0, 15))
def test_leds_come_back(power: int, hdd: int) -> None:
    leds = AtxLeds(power, hdd)
    assert AtxLeds.parse(leds.pack()) == leds
    assert leds.pack() == bytes((power | hdd * 16,))


def test_refusals() -> None:
    assert Reply.parse(b"\x01\x07\x00\x00\x02\x01") == Reply(7, 2, Nak(NakReason.BUSY))
    assert Reply.parse(b"\x01\x07\x00\x00\x02\x63") == Reply(7, 2, Nak(0x63))


@given(st.binary(max_size=80))
def test_any_message_is_read_or_refused(message: bytes) -> None:
    try:
        Reply.parse(message)
    except ValueError as exc:
        assert str(exc).startswith("expected ")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: Message.parse(b"\x01\x00"), "header of 5 bytes, got 01 00"),
        (lambda: Message.parse(b""), "got nothing"),
        (lambda: Message.parse(bytes(5)), "version 1 of the protocol, got 0"),
        (lambda: Reply.parse(b"\x01\0\0\x05\0"), "kinds .*, got 5"),
        (lambda: Reply.parse(b"\x01\0\0\x04\x05"), "unit of 0..4, got 5"),
        (lambda: Reply.parse(b"\x01\0\0\x00\0"), "reason of a refusal"),
        (lambda: Reply.parse(b"\x01\0\0\x07\0"), "LEDs of a unit"),
        (lambda: Reply.parse(b"\x01\0\0\x04\0" + bytes(35)), "36 bytes, got 35"),
        (lambda: wire.set_edid(0, 0, bytes(257)), "at most 256 bytes, got 257"),
        (lambda: wire.GET_STATE.with_id(0), "1..65535, got 0"),
        (lambda: wire.GET_STATE.with_id(65536), "1..65535, got 65536"),
        (lambda: Colour(256, 0, 0, 0, 0), "0..255, got 256 - at red"),
        (lambda: Colour(0, 0, 0, 0, 65536), "0..65535, got 65536 - at blink_ms"),
    ],
)
def test_what_is_wrong_is_said(action: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        action()


def test_a_press_is_never_shorter_than_the_protocol_knows() -> None:
    assert wire.click(0, 0, Press.POWER, 0).body == wire.click(0, 0, Press.POWER, 1).body
