from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.hid_report import KeyboardReports, PointerReports
from drivers.wire.hid_to_qmp import (
    KeyChange,
    key_changes,
    key_events,
    keys_of,
    parse_pointer,
    pointer_events,
)
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS
from drivers.wire.qkeycodes import QKEYCODES

# QEMU has no codes for them, or wrong ones: see drivers/wire/qkeycodes.py.
NOT_IN_QEMU = {f"F{number}" for number in range(13, 25)}


def test_every_key_that_qemu_can_press_has_a_code_of_its_own() -> None:
    missing = {name for name, key in KEYS.items() if key.usage not in QKEYCODES}
    assert missing == NOT_IN_QEMU
    assert len(set(QKEYCODES.values())) == len(QKEYCODES)


def codes(before: bytes, after: bytes) -> list[tuple[str, bool]]:
    """What QEMU is told, as (key code, down)."""
    events: list[Any] = key_events(key_changes(keys_of(before), keys_of(after)))
    assert all(event["type"] == "key" and event["data"]["key"]["type"] == "qcode" for event in events)
    return [(event["data"]["key"]["data"], event["data"]["down"]) for event in events]


def test_a_capital_letter_is_shift_first() -> None:
    pressed = bytes.fromhex("0200040000000000")
    assert codes(bytes(8), pressed) == [("shift", True), ("a", True)]
    assert codes(pressed, bytes(8)) == [("shift", False), ("a", False)]


def test_a_key_that_changes_its_slot_is_still_held() -> None:
    assert codes(bytes.fromhex("0000040500000000"), bytes.fromhex("0000050400000000")) == []


def test_released_keys_come_before_pressed_ones() -> None:
    assert codes(bytes.fromhex("0000050000000000"), bytes.fromhex("0000040000000000")) == [
        ("b", False),
        ("a", True),
    ]


def test_all_eight_modifiers() -> None:
    assert [code for code, _ in codes(bytes(8), b"\xff" + bytes(7))] == (
        ["ctrl", "shift", "alt", "meta_l", "ctrl_r", "shift_r", "alt_r", "meta_r"]
    )


def test_keys_without_code_and_roll_over_errors_are_left_out() -> None:
    assert codes(bytes(8), bytes.fromhex("0000680000000000")) == []
    assert codes(bytes(8), bytes.fromhex("0000010101010101")) == []


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_keyboard_report_has_eight_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="expected a keyboard report of 8 bytes"):
        keys_of(bytes(size))


@given(st.lists(st.tuples(st.sampled_from(sorted(KEYS)), st.booleans()), max_size=60))
def test_qemu_holds_exactly_what_the_reports_hold(actions: list[tuple[str, bool]]) -> None:
    keyboard = KeyboardReports()
    previous = keyboard.report
    held: set[str] = set()
    for name, down in actions:
        for report in keyboard.press(KEYS[name]) if down else keyboard.release(KEYS[name]):
            for code, code_down in codes(previous, report):
                assert (code in held) != code_down, "each change is told once"
                (held.add if code_down else held.discard)(code)
            previous = report
            assert held == {QKEYCODES[usage] for usage in keys_of(report) if usage in QKEYCODES}


@given(st.frozensets(st.integers(4, 0xE7)), st.frozensets(st.integers(4, 0xE7)))
def test_changes_lead_from_one_state_to_the_other(before: frozenset[int], after: frozenset[int]) -> None:
    held = set(before)
    for change in key_changes(before, after):
        assert change == KeyChange(change.usage, change.usage not in held)
        held ^= {change.usage}
    assert held == after


def test_absolute_corners_and_buttons() -> None:
    mouse = PointerReports(absolute=True, horizontal_wheel=True)
    (report,) = mouse.move(32767, -32768)
    assert pointer_events(0, parse_pointer(report, absolute=True), absolute=True) == [
        {"type": "abs", "data": {"axis": "x", "value": 32767}},
        {"type": "abs", "data": {"axis": "y", "value": 0}},
    ]
    (report,) = mouse.press(MOUSE_BUTTONS["right"])
    assert pointer_events(0, parse_pointer(report, absolute=True), absolute=True)[2:] == [
        {"type": "btn", "data": {"button": "right", "down": True}}
    ]


def test_windows_98_coordinates_stay_on_the_axis() -> None:
    mouse = PointerReports(absolute=True, horizontal_wheel=False, win98=True)
    (report,) = mouse.move(32767, 32767)
    events: list[Any] = pointer_events(0, parse_pointer(report, absolute=True), absolute=True)
    assert [event["data"]["value"] for event in events] == [32767, 32767]


@pytest.mark.parametrize(
    ("name", "qemu_name"),
    [("left", "left"), ("right", "right"), ("middle", "middle"), ("up", "side"), ("down", "extra")],
)
def test_each_button(name: str, qemu_name: str) -> None:
    mouse = PointerReports(absolute=False, horizontal_wheel=True)
    (down,) = mouse.press(MOUSE_BUTTONS[name])
    (up,) = mouse.release(MOUSE_BUTTONS[name])
    parsed = parse_pointer(down, absolute=False)
    assert pointer_events(0, parsed, absolute=False) == [
        {"type": "btn", "data": {"button": qemu_name, "down": True}}
    ]
    assert pointer_events(parsed.buttons, parse_pointer(up, absolute=False), absolute=False) == [
        {"type": "btn", "data": {"button": qemu_name, "down": False}}
    ]


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize(
    ("dx", "dy", "name", "steps"),
    [
        (0, 127, "wheel-up", 127),
        (0, -3, "wheel-down", 3),
        (2, 0, "wheel-right", 2),
        (-1, 0, "wheel-left", 1),
    ],
)
def test_a_wheel_step_is_a_press_and_a_release(
    absolute: bool, dx: int, dy: int, name: str, steps: int
) -> None:
    (report,) = PointerReports(absolute=absolute, horizontal_wheel=True).wheel(dx, dy)
    events: list[Any] = pointer_events(0, parse_pointer(report, absolute=absolute), absolute=absolute)
    wheel = [event["data"] for event in events if event["type"] == "btn"]
    assert wheel == [{"button": name, "down": True}, {"button": name, "down": False}] * steps


@given(st.integers(-127, 127), st.integers(-127, 127))
def test_relative_ways_are_kept_and_standing_still_is_nothing(dx: int, dy: int) -> None:
    (report,) = PointerReports(absolute=False, horizontal_wheel=False).relative(dx, dy)
    events: list[Any] = pointer_events(0, parse_pointer(report, absolute=False), absolute=False)
    assert {event["data"]["axis"]: event["data"]["value"] for event in events} == {
        axis: way for axis, way in (("x", dx), ("y", dy)) if way
    }


@pytest.mark.parametrize(("absolute", "size"), [(True, 5), (True, 8), (False, 3), (False, 6), (False, 0)])
def test_a_mouse_report_of_another_length_is_refused(absolute: bool, size: int) -> None:
    with pytest.raises(ValueError, match="report of"):
        parse_pointer(bytes(size), absolute=absolute)
