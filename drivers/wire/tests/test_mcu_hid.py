"""The microcontroller's codec against the simulated firmware of the rig, and answers in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers.mcu_hid_chip import McuChip, modbus_crc, usage_of

from drivers.wire import mcu_hid as wire
from drivers.wire.crc import crc16
from drivers.wire.hid_report import report_coord
from drivers.wire.hid_usages import KEYS
from drivers.wire.mcu_keys import MCU_KEYS

KEYBOARD_REPORTS = st.builds(
    lambda modifiers, usages: bytes((modifiers, 0, *usages, *([0] * (6 - len(usages))))),
    st.integers(0, 255),
    st.lists(st.sampled_from([key.usage for key in KEYS.values() if not key.modifier_bit]), max_size=6),
)
ABSOLUTE_REPORTS = st.builds(
    lambda buttons, x, y, wheel, pan: (
        bytes((buttons,))
        + x.to_bytes(2, "little")
        + y.to_bytes(2, "little")
        + bytes((wheel & 0xFF, pan & 0xFF))
    ),
    st.integers(0, 31),
    st.integers(0, 32767),
    st.integers(0, 32767),
    st.integers(-127, 127),
    st.integers(-127, 127),
)
PONG = bytes.fromhex("34 81 89 c3 00 00")


def answer(body: bytes) -> bytes:
    return body + modbus_crc(body)


@given(st.binary(max_size=40))
def test_the_checksum_is_the_one_of_the_simulated_firmware(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "big") == modbus_crc(data)


def test_every_key_has_a_number_of_its_own_and_the_firmware_knows_it() -> None:
    assert MCU_KEYS.keys() == {key.usage for key in KEYS.values()}
    assert {usage_of(number): number for number in MCU_KEYS.values()} == dict(MCU_KEYS)


@given(st.lists(KEYBOARD_REPORTS, max_size=8), st.booleans())
def test_the_firmware_holds_what_the_reports_hold(reports: list[bytes], afresh: bool) -> None:
    chip = McuChip()
    keys = wire.KeySteps()
    for report in reports:
        for step in keys.to(report, afresh=afresh):
            assert step.repeatable
            chip.feed(step.request, 0)
        wanted = {0xE0 + bit for bit in range(8) if report[0] >> bit & 1} | set(report[2:]) - {0}
        assert chip.held == wanted == keys.held


def test_a_modifier_is_down_before_the_key_that_comes_with_it() -> None:
    chip = McuChip()
    keys = wire.KeySteps()
    for step in keys.to(bytes((0x02, 0, 0x04, 0, 0, 0, 0, 0))):
        chip.feed(step.request, 0)
    assert chip.keyboards == [frozenset({0xE1}), frozenset({0xE1, 0x04})]


def test_a_step_that_was_not_done_is_planned_again() -> None:
    keys = wire.KeySteps()
    steps = keys.to(bytes((0, 0, 0x04, 0x05, 0, 0, 0, 0)))
    next(steps)
    next(steps)  # Asking for it says that the first one is done.
    assert keys.held == {0x04}
    assert len(list(keys.to(bytes((0, 0, 0x04, 0x05, 0, 0, 0, 0))))) == 1


def test_unknown_usages_are_left_out() -> None:
    assert list(wire.KeySteps().to(bytes((0, 0, 0x01, 0x67, 0, 0, 0, 0)))) == []


@given(st.lists(ABSOLUTE_REPORTS, max_size=8))
def test_the_firmware_gets_positions_buttons_and_wheel(reports: list[bytes]) -> None:
    chip = McuChip()
    pointer = wire.PointerSteps(absolute=True)
    for report in reports:
        chip.mouse.clear()
        for step in pointer.to(report):
            chip.feed(step.request, 0)
        x, y = int.from_bytes(report[1:3], "little"), int.from_bytes(report[3:5], "little")
        moves = [event[1:] for event in chip.mouse if event[0] == "move"]
        if moves:
            assert [tuple(report_coord(int(str(axis))) for axis in move) for move in moves] == [(x, y)]
        assert pointer.position == (wire.coordinate(x), wire.coordinate(y))
        wheels = [event for event in chip.mouse if event[0] == "wheel"]
        signed = [value - 256 if value > 127 else value for value in report[5:7]]
        assert wheels == ([("wheel", signed[1], signed[0])] if any(signed) else [])
        assert pointer.buttons == report[0]


@given(st.integers(0, 32767))
def test_a_coordinate_comes_back_the_same_from_either_rounding(value: int) -> None:
    position = wire.coordinate(value)
    assert report_coord(position) == value
    assert (position + 32768) // 2 == value


def test_the_corners_stay_the_corners_and_doubled_coordinates_are_refused() -> None:
    assert (wire.coordinate(0), wire.coordinate(32767)) == (-32768, 32767)
    with pytest.raises(ValueError, match="expected a coordinate"):
        wire.check_pointer(bytes((0, 0xFE, 0xFF, 0, 0, 0, 0)), absolute=True)


@given(st.lists(st.integers(0, 31), max_size=8), st.booleans())
def test_buttons_follow_the_reports(states: list[int], afresh: bool) -> None:
    chip = McuChip(mouse_output=0x10)
    pointer = wire.PointerSteps(absolute=False)
    held: set[object] = set()
    names = ("left", "right", "middle", "up", "down")
    for state in states:
        chip.mouse.clear()
        for step in pointer.to(bytes((state, 0, 0, 0)), afresh=afresh):
            chip.feed(step.request, 0)
        for _, name, down in chip.mouse:
            (held.add if down else held.discard)(name)
        assert held == {name for bit, name in enumerate(names) if state >> bit & 1}


def test_deltas_and_wheel_steps_are_not_repeatable() -> None:
    steps = list(wire.PointerSteps(absolute=False).to(bytes((1, 0x81, 0x7F, 1, 0xFF))))
    assert [step.request[1:6] for step in steps] == [
        bytes((0x15, 0x81, 0x7F, 0, 0)),
        bytes((0x13, 0x88, 0, 0, 0)),
        bytes((0x14, 0xFF, 0x01, 0, 0)),
    ]
    assert [step.repeatable for step in steps] == [False, True, False]


def test_the_state_is_read() -> None:
    (pong,) = wire.Decoder().feed(answer(bytes.fromhex("34 cd 91 c7 00 00")))
    assert pong == wire.Pong(
        leds=0x03,
        keyboard_online=False,
        mouse_online=True,
        reset_required=True,
        mouse_absolute=False,
        keyboard=wire.Outputs(("usb", "ps2", "disabled"), "usb"),
        mouse=wire.Outputs(("usb", "usb_rel", "usb_win98", "ps2", "disabled"), "usb_rel"),
        connected=True,
    )


def test_without_a_choice_of_outputs_there_are_none() -> None:
    (pong,) = wire.Decoder().feed(answer(bytes.fromhex("34 80 09 01 00 00")))
    assert isinstance(pong, wire.Pong)
    assert pong.keyboard == pong.mouse == wire.Outputs((), "")
    assert pong.connected is None


def test_old_firmwares_are_understood() -> None:
    decoder = wire.Decoder()
    (pong, done) = decoder.feed(answer(b"\x33\x84") + answer(b"\x33\x20"))
    assert isinstance(pong, wire.Pong)
    assert pong.leds == 0x01
    assert done == wire.LegacyDone()


@pytest.mark.parametrize("fault", list(wire.Fault))
def test_faults_have_meanings(fault: wire.Fault) -> None:
    assert wire.Decoder().feed(answer(bytes((0x34, fault, 0, 0, 0, 0)))) == [fault]
    assert fault.meaning


@given(st.lists(st.sampled_from([PONG, bytes.fromhex("344000000000"), b"\x33\x20"]), max_size=5), st.data())
def test_answers_come_out_whatever_the_pieces(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(answer, bodies))
    whole = wire.Decoder().feed(stream)
    assert len(whole) == len(bodies)
    decoder = wire.Decoder()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[start:end])
    assert found == whole


@given(st.binary(max_size=60))
def test_an_answer_is_found_after_garbage(garbage: bytes) -> None:
    decoder = wire.Decoder()
    decoder.feed(garbage + bytes(8))
    assert decoder.feed(answer(PONG))[-1:] == wire.Decoder().feed(answer(PONG))
    assert len(decoder._buffer) < 8


@given(st.integers(0, 7), st.integers(1, 255))
def test_a_damaged_answer_is_not_taken_for_a_good_one(where: int, change: int) -> None:
    frame = bytearray(answer(PONG))
    frame[where] ^= change
    assert wire.Decoder().feed(bytes(frame)) == []


def test_too_many_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 4"):
        wire.encode(wire.Command.PING, bytes(5))
