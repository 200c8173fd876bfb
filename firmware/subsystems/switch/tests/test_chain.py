"""The chain's rules one by one, with units that say what the test wants."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from drivers.wire import switch_protocol as wire
from drivers.wire.crc import crc16
from drivers.wire.edid import build_edid
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
from firmware.subsystems.switch.chain import (
    ANSWER_DEADLINE_S,
    BUSY_S,
    COMMANDS_BOUND,
    REPEAT_S,
    RESYNC_S,
    SILENCE_S,
    Chain,
)
from firmware.subsystems.switch.settings import SwitchSettings
from firmware.subsystems.switch.wanted import Wanted

EDID = build_edid()
POLLS = {Op.STATE, Op.ATX_LEDS}
SETTLED = UnitState(
    colour_crcs=(Colours().crc(),) * 6,
    edid_valid_bits=0b1111,
    edid_crcs=(crc16(EDID),) * 4,
    dummy_bits=0b1111,
)
"""A unit without a downlink that is as it is wanted to be, and shows its first port."""


def wanted(**changes: Any) -> Wanted:
    return Wanted.of(SwitchSettings(**changes), EDID, ignore_hpd=False)


def told(chain: Chain, number: int, state: UnitState, *, now: float = 0.0, request_id: int = 0) -> None:
    chain.take(Reply(request_id, number, state), now)


def with_units(*states: UnitState) -> Chain:
    """A chain that is connected and has heard everything; its first questions are asked."""
    chain = Chain(wanted())
    chain.connected(0.0)
    last = len(states) - 1
    for number, state in enumerate(states):
        told(chain, number, replace(state, has_downlink=number < last))
        chain.take(Reply(0, number, AtxLeds()), 0.0)
    return chain


def requests(messages: list[Message]) -> list[Request]:
    """What is asked beyond the questions for state and LEDs."""
    return [Request(Op(m.op), m.unit, m.body) for m in messages if m.op not in POLLS or m.unit != 0xFF]


def test_on_discovery_state_and_leds_are_asked_for() -> None:
    chain = Chain(wanted(), first_request_id=65535)
    assert chain.due(0.0) == []
    chain.connected(10.0)
    assert chain.due(10.0) == [wire.GET_STATE.with_id(65535), wire.GET_ATX_LEDS.with_id(1)]
    assert chain.due(10.0) == []
    assert (chain.active_port, chain.complete, chain.synced, chain.units) == (-1, True, True, [])


def test_units_appear_as_they_speak_and_are_complete_with_both() -> None:
    chain = Chain(wanted())
    chain.connected(0.0)
    told(chain, 1, SETTLED)
    assert len(chain.units) == 2
    assert not chain.complete
    assert not chain.synced
    told(chain, 0, replace(SETTLED, has_downlink=True))
    chain.take(Reply(0, 0, AtxLeds()), 0.0)
    assert not chain.complete
    chain.take(Reply(0, 1, AtxLeds()), 0.0)
    assert chain.complete


@pytest.mark.parametrize(("channels", "active"), [((4, 2), 6), ((1, 2), 1), ((4, 4), -1), ((3,), 3)])
def test_at_first_contact_the_first_unit_that_shows_a_port_defines_it(
    channels: tuple[int, ...], active: int
) -> None:
    chain = with_units(*(replace(SETTLED, channel=channel) for channel in channels))
    assert chain.active_port == active


def test_a_port_that_was_chosen_is_not_changed_by_what_units_show() -> None:
    chain = with_units(SETTLED)
    chain.set_active(2)
    told(chain, 0, replace(SETTLED, channel=1))
    assert chain.active_port == 2
    assert requests(chain.due(0.0)) == [wire.switch(0, 2)]


def test_the_owner_shows_its_channel_and_all_others_their_downlink() -> None:
    chain = with_units(SETTLED, SETTLED, replace(SETTLED, channel=4))
    chain.set_active(6)
    assert not chain.synced
    assert requests(chain.due(0.0)) == [wire.switch(0, 4), wire.switch(1, 2)]
    told(chain, 0, replace(SETTLED, channel=4, has_downlink=True))
    told(chain, 1, replace(SETTLED, channel=2, has_downlink=True))
    assert chain.synced


def test_corrections_come_in_order_and_one_at_a_time() -> None:
    """Channel, EDIDs, dummies, colours, quirk: each is answered before the next one."""
    chain = with_units(UnitState(ignore_hpd=True))
    chain.set_active(1)
    state = UnitState(ignore_hpd=True)
    asked = []
    now = 0.0
    while True:
        chain.due(now)
        pending = chain.units[0].pending
        if pending is None:
            break
        asked.append((pending.request.op, pending.request.body[0]))
        assert requests(chain.due(now)) == []
        state = carried_out(state, pending.request)
        told(chain, 0, state, now=now, request_id=pending.request_id)
    ports, leds = range(4), range(6)
    assert asked == [
        (Op.SWITCH, 1),
        *((Op.SET_EDID, port) for port in ports),
        *((Op.SET_DUMMY, port) for port in ports),
        *((Op.SET_COLORS, led) for led in leds),
        (Op.SET_QUIRKS, 0),
    ]
    assert chain.synced


def carried_out(state: UnitState, request: Request) -> UnitState:
    """The state of a unit that has done what it was told."""
    at = request.body[0]
    match request.op:
        case Op.SWITCH:
            return replace(state, channel=at)
        case Op.SET_EDID:
            crcs = [*state.edid_crcs]
            crcs[at] = crc16(request.body[1:])
            return replace(state, edid_crcs=tuple(crcs), edid_valid_bits=state.edid_valid_bits | 1 << at)
        case Op.SET_DUMMY:
            return replace(state, dummy_bits=state.dummy_bits | request.body[1] << at)
        case Op.SET_COLORS:
            crcs = [*state.colour_crcs]
            crcs[at] = wire.colours_crc(request.body[1:])
            return replace(state, colour_crcs=tuple(crcs))
        case Op.SET_QUIRKS:
            return replace(state, ignore_hpd=bool(at))
    raise AssertionError(request)


def test_old_units_are_not_told_what_they_do_not_know() -> None:
    old = replace(SETTLED, dummy_bits=0, ignore_hpd=True)
    assert requests(with_units(replace(old, version=6)).due(0.0)) == []
    assert [request.op for request in requests(with_units(replace(old, version=7)).due(0.0))] == [
        Op.SET_QUIRKS
    ]
    assert [request.op for request in requests(with_units(replace(old, version=8)).due(0.0))] == [
        Op.SET_DUMMY
    ]


def test_only_the_top_unit_has_the_quirk() -> None:
    chain = with_units(SETTLED, replace(SETTLED, channel=4, ignore_hpd=True))
    assert requests(chain.due(0.0)) == []
    chain.wanted = Wanted.of(SwitchSettings(), EDID, ignore_hpd=True)
    assert requests(chain.due(0.0)) == [wire.set_quirks(0, ignore_hpd=True)]


def test_an_edid_that_no_computer_would_take_is_cleared() -> None:
    chain = with_units(SETTLED)
    chain.wanted = Wanted.of(SwitchSettings(), bytes(128), ignore_hpd=False)
    assert not chain.synced
    assert requests(chain.due(0.0)) == [wire.clear_edid(0, 0)]
    told(chain, 0, replace(SETTLED, edid_valid_bits=0))
    assert chain.synced


@pytest.mark.parametrize("state", [replace(SETTLED, changing=True), replace(SETTLED, flashing=True)])
def test_a_unit_in_the_middle_of_something_is_told_nothing(state: UnitState) -> None:
    chain = with_units(state)
    chain.set_active(2)
    assert requests(chain.due(0.0)) == []
    assert chain.synced is False
    told(chain, 0, SETTLED)
    assert requests(chain.due(0.0)) == [wire.switch(0, 2)]


def test_an_unanswered_change_blocks_until_its_deadline_and_is_asked_again() -> None:
    chain = with_units(SETTLED)
    chain.set_active(2)
    assert requests(chain.due(0.0)) == [wire.switch(0, 2)]
    chain.set_active(3)
    chain.due(RESYNC_S - 1)
    told(chain, 0, SETTLED, now=RESYNC_S - 1)
    assert requests(chain.due(ANSWER_DEADLINE_S - 0.1)) == []
    assert chain.deadline() == ANSWER_DEADLINE_S
    assert requests(chain.due(ANSWER_DEADLINE_S)) == [wire.switch(0, 3)]


@pytest.mark.parametrize(
    ("state", "port", "pauses"),
    [
        pytest.param(SETTLED, 2, [1, 2, 4, 5, 5], id="a channel that somebody waits for"),
        pytest.param(replace(SETTLED, edid_valid_bits=0b0111), 0, [1, 2, 4, 8, 16, 32, 60, 60], id="an EDID"),
    ],
)
def test_what_is_answered_and_not_done_is_asked_again_ever_later(
    state: UnitState, port: int, pauses: list[int]
) -> None:
    chain = with_units(state)
    chain.set_active(port)
    now = 0.0
    times: list[float] = []
    while len(times) <= len(pauses):
        if requests(chain.due(now)):
            times.append(now)
            pending = chain.units[0].pending
            assert pending is not None
            told(chain, 0, state, now=now, request_id=pending.request_id)
        told(chain, 0, state, now=now)
        now = chain.deadline()
    assert [round(after - before) for before, after in pairwise(times)] == pauses


def test_a_busy_unit_is_asked_again_soon_however_often_it_refuses() -> None:
    chain = with_units(SETTLED)
    chain.set_active(2)
    now = 0.0
    for _ in range(20):
        assert requests(chain.due(now)) == [wire.switch(0, 2)]
        pending = chain.units[0].pending
        assert pending is not None
        chain.take(Reply(pending.request_id, 0, Nak(NakReason.BUSY)), now)
        assert requests(chain.due(now)) == []
        assert chain.deadline() <= now + BUSY_S
        now += BUSY_S


def test_another_wish_need_not_wait_for_one_that_is_held_back() -> None:
    chain = with_units(SETTLED)
    chain.set_active(2)
    chain.due(0.0)
    pending = chain.units[0].pending
    assert pending is not None
    chain.take(Reply(pending.request_id, 0, Nak(NakReason.INVALID_COMMAND)), 0.0)
    assert requests(chain.due(0.0)) == []
    assert chain.deadline() == REPEAT_S
    chain.set_active(3)
    assert requests(chain.due(0.0)) == [wire.switch(0, 3)]


def test_a_unit_without_a_downlink_ends_the_chain() -> None:
    chain = with_units(SETTLED, SETTLED, replace(SETTLED, channel=4))
    chain.set_active(9)
    told(chain, 0, replace(SETTLED, has_downlink=False, channel=4))
    assert len(chain.units) == 1
    # What was chosen comes back with its unit, and is nowhere until then.
    assert chain.active_port == -1
    assert chain.synced
    told(chain, 0, replace(SETTLED, has_downlink=True, channel=4))
    assert len(chain.units) == 1
    told(chain, 2, replace(SETTLED, channel=1))
    assert chain.active_port == 9


def test_a_refusal_for_want_of_a_downlink_ends_the_chain_too() -> None:
    chain = with_units(SETTLED, replace(SETTLED, channel=4))
    chain.take(Reply(999, 0, Nak(NakReason.NO_DOWNLINK)), 0.0)
    assert len(chain.units) == 1


def test_a_device_that_is_lost_takes_everything_with_it() -> None:
    chain = with_units(SETTLED, replace(SETTLED, channel=4))
    chain.set_active(5)
    chain.set_beacon(0, 0, True)
    chain.lost()
    assert (chain.units, chain.active_port, chain.due(1.0), chain.deadline()) == ([], -1, [], math.inf)
    chain.connected(2.0)
    assert requests(chain.due(2.0)) == []


def test_a_unit_behind_a_new_downlink_is_asked_who_it_is() -> None:
    chain = with_units(SETTLED)
    chain.due(0.0)
    told(chain, 0, replace(SETTLED, has_downlink=True), now=1.0)
    assert chain.deadline() < 2.0
    assert wire.GET_STATE.op in {message.op for message in chain.due(chain.deadline())}


def test_a_unit_that_falls_silent_is_gone_and_a_device_that_does_is_lost() -> None:
    chain = with_units(SETTLED, replace(SETTLED, channel=4))
    now = 0.0
    while now < SILENCE_S:
        told(chain, 0, replace(SETTLED, has_downlink=True), now=now)
        chain.due(now)
        now += 1.0
    chain.due(SILENCE_S)
    assert len(chain.units) == 1
    assert not chain.is_silent(now)
    assert chain.is_silent(now + SILENCE_S)


def test_everything_is_asked_for_again_every_now_and_then() -> None:
    chain = with_units(SETTLED)
    chain.due(0.0)
    assert chain.deadline() == RESYNC_S
    assert [message.op for message in chain.due(RESYNC_S)] == [Op.STATE, Op.ATX_LEDS]


# -- commands ---------------------------------------------------------------------------------------------


def test_beacons_and_reboots_of_units_that_are_there() -> None:
    chain = with_units(SETTLED)
    chain.set_beacon(0, wire.UPLINK, True)
    chain.reboot(0, bootloader=False)
    chain.reboot(0, bootloader=True)
    chain.set_beacon(1, 0, True)
    chain.set_beacon(-1, 0, True)
    chain.reboot(1, bootloader=False)
    assert requests(chain.due(0.0)) == [
        wire.set_beacon(0, wire.UPLINK, True),
        wire.reboot(0),
        wire.reboot(0, bootloader=True),
    ]


@pytest.mark.parametrize(
    ("power_led", "lit", "clicked"),
    [
        ("any", False, True),
        ("any", True, True),
        ("on", False, False),
        ("on", True, True),
        ("off", True, False),
    ],
)
def test_a_click_depends_on_the_power_led(power_led: Any, lit: bool, clicked: bool) -> None:
    chain = with_units(SETTLED)
    chain.take(Reply(0, 0, AtxLeds(power=0b0100 if lit else 0b1011)), 0.0)
    chain.click(2, Press.RESET, 700, 0.0, power_led=power_led)
    assert requests(chain.due(0.0)) == ([wire.click(0, 2, Press.RESET, 700)] if clicked else [])


def test_a_busy_port_is_left_alone() -> None:
    chain = with_units(replace(SETTLED, atx_busy_bits=0b0001))
    chain.click(0, Press.POWER, 500, 0.0)
    assert requests(chain.due(0.0)) == []
    chain.click(1, Press.POWER, 500, 0.0)
    # Not answered yet: a second click would be one too many.
    chain.click(1, Press.POWER, 500, 0.0)
    (click,) = [message for message in chain.due(0.0) if message.op == Op.ATX_CLICK]
    chain.click(1, Press.POWER, 500, 0.0)
    assert requests(chain.due(0.0)) == []
    told(chain, 0, SETTLED, request_id=click.request_id)
    chain.click(1, Press.POWER, 500, 1.0)
    assert requests(chain.due(1.0)) == [wire.click(0, 1, Press.POWER, 500)]
    chain.due(1.0 + ANSWER_DEADLINE_S)
    chain.click(1, Press.POWER, 500, 7.0)
    assert requests(chain.due(7.0)) == [wire.click(0, 1, Press.POWER, 500)]


def test_clicks_at_ports_that_are_not_there_or_not_known_are_dropped() -> None:
    chain = Chain(wanted())
    chain.connected(0.0)
    told(chain, 0, SETTLED)
    for port in (0, 4, 20, -1):
        chain.click(port, Press.POWER, 500, 0.0)
    assert requests(chain.due(0.0)) == []


def test_commands_that_the_line_does_not_take_are_dropped_and_counted() -> None:
    chain = with_units(SETTLED)
    for _ in range(COMMANDS_BOUND + 3):
        chain.set_beacon(0, 0, True)
    chain.click(0, Press.POWER, 500, 0.0)
    assert len(requests(chain.due(0.0))) == COMMANDS_BOUND
    assert chain.statistics()["commands_dropped"] == 4
    chain.click(0, Press.POWER, 500, 0.0)
    assert requests(chain.due(0.0)) == [wire.click(0, 0, Press.POWER, 500)]
