"""The report state machines against the contract's vectors, and what must hold for every sequence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.hid_report import (
    KeyboardReports,
    PointerReports,
    remap_coord,
    report_coord,
    squash_deltas,
)
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS

ROOT = Path(__file__).parents[3]
VECTORS: dict[str, Any] = json.loads((ROOT / "firmware/core/tests/data/vectors.json").read_text())


@pytest.mark.parametrize("case", VECTORS["hid_reports"]["keyboard"], ids=lambda case: case["name"])
def test_keyboard_vectors(case: dict[str, Any]) -> None:
    keyboard = KeyboardReports()
    for step in case["steps"]:
        event = step["event"]
        if event == "clear":
            reports = keyboard.clear()
        elif event.startswith("+"):
            reports = keyboard.press(KEYS[event[1:]])
        else:
            reports = keyboard.release(KEYS[event[1:]])
        assert [report.hex() for report in reports] == step["reports"], event


@pytest.mark.parametrize("case", VECTORS["hid_reports"]["mouse"], ids=lambda case: case["name"])
def test_mouse_vectors(case: dict[str, Any]) -> None:
    mouse = PointerReports(
        absolute=case["absolute"], horizontal_wheel=case["horizontal_wheel"], win98=case["win98"]
    )
    for step in case["steps"]:
        match step["event"]:
            case "clear":
                reports = mouse.clear()
            case ["move", x, y]:
                reports = mouse.move(x, y)
            case ["rel", dx, dy]:
                reports = mouse.relative(dx, dy)
            case ["wheel", dx, dy]:
                reports = mouse.wheel(dx, dy)
            case ["btn", name, True]:
                reports = mouse.press(MOUSE_BUTTONS[name])
            case ["btn", name, False]:
                reports = mouse.release(MOUSE_BUTTONS[name])
            case other:
                pytest.fail(f"unknown event {other}")
        assert [report.hex() for report in reports] == step["reports"], step


@pytest.mark.parametrize("row", VECTORS["mouse_absolute_to_report"])
def test_absolute_coordinates(row: dict[str, int]) -> None:
    assert report_coord(row["x"]) == row["report"]
    mouse = PointerReports(absolute=True, horizontal_wheel=False, win98=True)
    report = mouse.move(row["x"], 0)[0]
    assert int.from_bytes(report[1:3], "little") == row["report_win98"]


@pytest.mark.parametrize("row", VECTORS["mouse_range_remap"])
def test_range_remap(row: dict[str, Any]) -> None:
    assert remap_coord(row["x"], *row["range"]) == row["mapped"]


@pytest.mark.parametrize("row", VECTORS["delta_squash"])
def test_squash(row: dict[str, Any]) -> None:
    assert squash_deltas([(x, y) for x, y in row["deltas"]]) == [tuple(delta) for delta in row["squash"]]


deltas = st.tuples(st.integers(-127, 127), st.integers(-127, 127))


@given(st.lists(deltas, max_size=50))
def test_squashing_keeps_the_way_and_fits_reports(moves: list[tuple[int, int]]) -> None:
    squashed = squash_deltas(moves)
    assert sum(x for x, _ in squashed) == sum(x for x, _ in moves)
    assert sum(y for _, y in squashed) == sum(y for _, y in moves)
    assert all(abs(x) <= 127 and abs(y) <= 127 for x, y in squashed)
    assert len(squashed) <= len(moves)


key_names = st.sampled_from(sorted(KEYS))


@given(st.lists(st.tuples(key_names, st.booleans()), max_size=200))
def test_any_sequence_gives_well_formed_reports_of_what_is_held(events: list[tuple[str, bool]]) -> None:
    keyboard = KeyboardReports()
    held: set[str] = set()
    for name, pressed in events:
        key = KEYS[name]
        before = keyboard.report
        reports = keyboard.press(key) if pressed else keyboard.release(key)
        if pressed:
            if not key.modifier_bit and name not in held and sum(not KEYS[n].modifier_bit for n in held) == 6:
                held = {n for n in held if KEYS[n].modifier_bit}
            held.add(name)
        else:
            held.discard(name)
        for report in reports:
            assert len(report) == 8
            assert report[1] == 0
            assert report != before
            before = report
        modifiers = sum(KEYS[n].modifier_bit for n in held)
        usages = sorted(KEYS[n].usage for n in held if not KEYS[n].modifier_bit)
        assert keyboard.report[0] == modifiers
        assert sorted(u for u in keyboard.report[2:] if u) == usages
    assert keyboard.clear() == [bytes(8)]
    assert keyboard.is_clear
