"""The emulated switch does what the contract says of a real one."""

from __future__ import annotations

import math

import pytest

from drivers.emulated.switch_chain import OUT_BOUND_BYTES, REBOOT_S, EmulatedSwitchChain
from drivers.emulated.switch_unit import CHANGE_S, DISK_S, FLASH_S, POWER_DOWN_S
from drivers.wire import switch_protocol as wire
from drivers.wire.crc import crc16
from drivers.wire.edid import build_edid
from drivers.wire.switch_frame import FrameDecoder, encode_frame
from drivers.wire.switch_protocol import (
    AtxLeds,
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


class Desk:
    """Somebody who asks the units, and a clock."""

    def __init__(self, count: int = 1) -> None:
        self.chain = EmulatedSwitchChain(count)
        self.now = 0.0
        self._id = 0

    def heard(self) -> list[Reply]:
        return [Reply.parse(message) for message in FrameDecoder().feed(self.chain.take_output())]

    def ask(self, request: Request) -> list[Reply]:
        self._id += 1
        self.chain.feed(request.with_id(self._id).encode(), self.now)
        return self.heard()

    def answer(self, request: Request) -> UnitState | NakReason | int:
        (reply,) = self.ask(request)
        assert reply.request_id == self._id
        if isinstance(reply.body, Nak):
            return reply.body.reason
        assert isinstance(reply.body, UnitState)
        return reply.body

    def later(self, seconds: float) -> list[Reply]:
        self.now += seconds
        self.chain.advance(self.now)
        return self.heard()


def state_of(replies: list[Reply], unit: int = 0) -> UnitState:
    """The last state of a unit that was told unasked."""
    states = [
        r.body for r in replies if r.unit == unit and r.request_id == 0 and isinstance(r.body, UnitState)
    ]
    return states[-1]


def test_a_port_is_shown_after_a_while() -> None:
    desk = Desk()
    state = desk.answer(wire.switch(0, 2))
    assert isinstance(state, UnitState)
    assert (state.changing, state.channel) == (True, 0)
    assert desk.answer(wire.switch(0, 1)) is NakReason.BUSY
    assert desk.chain.next_time() == CHANGE_S
    state = state_of(desk.later(CHANGE_S))
    assert (state.changing, state.channel) == (False, 2)
    assert desk.chain.next_time() == math.inf


def test_an_edid_is_written_after_a_while_and_cleared() -> None:
    desk = Desk()
    edid = build_edid()
    state = desk.answer(wire.set_edid(0, 3, edid))
    assert isinstance(state, UnitState)
    assert (state.flashing, state.edid_valid_bits) == (True, 0)
    assert desk.answer(wire.set_edid(0, 2, edid)) is NakReason.BUSY
    state = state_of(desk.later(FLASH_S))
    assert (state.flashing, state.edid_valid_bits, state.edid_crcs[3]) == (False, 0b1000, crc16(edid))
    desk.ask(wire.clear_edid(0, 3))
    assert state_of(desk.later(FLASH_S)).edid_valid_bits == 0


def test_what_is_done_at_once() -> None:
    desk = Desk()
    colours = Colours(active=Colours().beacon)
    for request, name, value in (
        (wire.set_colours(0, 5, colours), "colour_crcs", (Colours().crc(),) * 5 + (colours.crc(),)),
        (wire.set_dummy(0, 1, True), "dummy_bits", 0b0010),
        (wire.set_dummy(0, 1, False), "dummy_bits", 0),
        (wire.set_quirks(0, ignore_hpd=True), "ignore_hpd", True),
        (wire.set_beacon(0, wire.UPLINK, True), "beacon_bits", 0b100000),
        (wire.set_beacon(0, wire.UPLINK, False), "beacon_bits", 0),
    ):
        assert getattr(desk.answer(request), name) == value


@pytest.mark.parametrize(
    "request_",
    [
        Request(Op.SWITCH, 0, b"\x05"),
        Request(Op.SWITCH, 0, b""),
        Request(Op.BEACON, 0, b"\x06\x01"),
        Request(Op.SET_EDID, 0, bytes(129)),
        Request(Op.SET_COLORS, 0, b"\x06" + bytes(30)),
        Request(Op.SET_DUMMY, 0, b"\x04\x01"),
        Request(Op.ATX_CLICK, 0, bytes.fromhex("00020100")),
        Request(Op.ATX_CLICK, 0, bytes.fromhex("00000000")),
        Request(Op.NAK, 0, b"\0"),
    ],
)
def test_nonsense_is_refused(request_: Request) -> None:
    assert Desk().answer(request_) is NakReason.INVALID_COMMAND


def test_who_has_nobody_behind_it_says_so() -> None:
    desk = Desk(2)
    assert desk.ask(wire.switch(3, 0)) == [Reply(1, 1, Nak(NakReason.NO_DOWNLINK))]


def test_everybody_answers_a_question_to_all() -> None:
    desk = Desk(3)
    states = [reply.body for reply in desk.ask(wire.GET_STATE)]
    assert [isinstance(state, UnitState) and state.has_downlink for state in states] == [True, True, False]
    assert desk.ask(wire.GET_ATX_LEDS) == [Reply(2, unit, AtxLeds()) for unit in range(3)]


def test_power_buttons() -> None:
    desk = Desk()
    desk.ask(wire.GET_STATE)
    desk.ask(wire.GET_ATX_LEDS)
    state, leds = (reply.body for reply in desk.ask(wire.click(0, 1, Press.POWER, 500)))
    assert isinstance(state, UnitState)
    assert (state.atx_busy_bits, state.usb_bits, state.video_bits) == (0b0010, 0b0010, 0b0010)
    assert leds == AtxLeds(power=0b0010, hdd=0b0010)
    assert desk.answer(wire.click(0, 1, Press.POWER, 500)) is NakReason.BUSY
    assert state_of(desk.later(0.5)).atx_busy_bits == 0
    assert Reply(0, 0, AtxLeds(power=0b0010)) in desk.later(DISK_S)
    # Reset starts it anew, a short press shuts it down, a long one cuts its power.
    assert Reply(0, 0, AtxLeds(power=0b0010, hdd=0b0010)) in desk.ask(wire.click(0, 1, Press.RESET, 100))
    desk.later(DISK_S)
    desk.ask(wire.click(0, 1, Press.POWER, 100))
    assert Reply(0, 0, AtxLeds()) in desk.later(0.1 + POWER_DOWN_S)
    desk.ask(wire.click(0, 1, Press.RESET, 100))
    desk.later(1.0)
    desk.ask(wire.click(0, 1, Press.POWER, 100))
    desk.later(5.0)
    desk.ask(wire.click(0, 1, Press.POWER, 5500))
    assert desk.later(3.9) == []
    assert Reply(0, 0, AtxLeds()) in desk.later(0.2)
    assert [name for name, _ in desk.chain.units[0].computers[1].presses] == [
        "power", "reset", "power", "reset", "power", "power",
    ]  # fmt: skip


def test_a_unit_that_starts_anew_takes_those_behind_it_along_for_a_while() -> None:
    desk = Desk(3)
    desk.ask(wire.GET_STATE)
    desk.ask(wire.set_beacon(1, 0, True))
    desk.ask(wire.switch(1, 3))
    replies = desk.ask(wire.reboot(1))
    assert state_of(replies).has_downlink is False
    assert desk.chain.length == 1
    # What it was in the middle of is not finished.
    assert desk.later(CHANGE_S) == []
    replies = desk.later(REBOOT_S)
    assert {reply.unit for reply in replies} == {0, 1, 2}
    assert state_of(replies).has_downlink is True
    assert (state_of(replies, 1).channel, state_of(replies, 1).beacon_bits) == (0, 0)


def test_a_unit_in_its_boot_loader_stays_away_until_somebody_comes() -> None:
    desk = Desk(2)
    desk.ask(wire.GET_STATE)
    desk.ask(wire.reboot(0, bootloader=True))
    assert not desk.chain.present
    assert desk.later(60.0) == []
    assert desk.ask(wire.GET_STATE) == []
    desk.chain.plug(9)
    assert desk.chain.length == 2
    # Somebody else plugging in what is there, or pulling what is not, changes nothing.
    desk.chain.plug(1)
    desk.chain.unplug(4)
    assert desk.chain.length == 2


def test_a_reboot_does_not_bring_back_what_somebody_pulled() -> None:
    desk = Desk(3)
    desk.ask(wire.reboot(2))
    desk.chain.unplug(1)
    desk.later(REBOOT_S)
    assert desk.chain.length == 1


def test_faults_on_demand() -> None:
    desk = Desk()
    desk.chain.refuse_next = NakReason.DOWNLINK_OVERFLOW
    assert desk.answer(wire.switch(0, 1)) is NakReason.DOWNLINK_OVERFLOW
    assert isinstance(desk.answer(wire.switch(0, 1)), UnitState)
    desk.chain.deaf = True
    assert desk.ask(wire.GET_STATE) == []


def test_garbage_and_other_protocols_are_not_answered() -> None:
    desk = Desk()
    desk.chain.feed(b"\xf2\xf0garbage" + encode_frame(b"\x02\x01\x00\x04\xff") + encode_frame(b""), 0.0)
    assert desk.heard() == []


def test_what_nobody_reads_is_bounded() -> None:
    desk = Desk(5)
    for number in range(1, 100):
        desk.chain.feed(Message(number, Op.STATE, 0xFF).encode(), 0.0)
    assert len(desk.chain.take_output()) == OUT_BOUND_BYTES


@pytest.mark.parametrize("count", [0, 6])
def test_how_many_units_there_may_be(count: int) -> None:
    with pytest.raises(ValueError, match=f"1..5 units, got {count}"):
        EmulatedSwitchChain(count)
