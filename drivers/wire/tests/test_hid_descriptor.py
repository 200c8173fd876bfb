"""The report descriptors, read by a small parser that shares no code with what builds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from drivers.wire.hid_descriptor import item, keyboard_descriptor, pointer_descriptor, pointer_report_bytes
from drivers.wire.hid_report import KeyboardReports, PointerReports


@dataclass(frozen=True)
class Field:
    """One main item with data: where it lies and what it means."""

    direction: str
    first_bit: int
    bits: int
    count: int
    flags: int
    page: int
    usages: tuple[int, ...]
    low: int
    high: int
    collections: tuple[tuple[int, int], ...]


def parse(descriptor: bytes) -> list[Field]:
    """HID 1.11 chapter 6.2.2, read by decoding tag, type and size of each short item."""
    fields: list[Field] = []
    state: dict[str, Any] = {}
    local: list[int] = []
    minimum = 0
    collections: list[tuple[int, int]] = []
    position = {"in": 0, "out": 0}
    at = 0
    while at < len(descriptor):
        prefix = descriptor[at]
        size = (0, 1, 2, 4)[prefix & 3]
        data = descriptor[at + 1 : at + 1 + size]
        assert len(data) == size, "an item is cut off"
        unsigned, signed = int.from_bytes(data, "little"), int.from_bytes(data, "little", signed=True)
        at += 1 + size
        match prefix >> 2 & 3, prefix >> 4:
            case 1, 0:
                state["page"] = unsigned
            case 1, 1:
                state["low"] = signed
            case 1, 2:
                state["high"] = signed
            case 1, 7:
                state["bits"] = unsigned
            case 1, 9:
                state["count"] = unsigned
            case 2, 0:
                local.append(unsigned)
            case 2, 1:
                minimum = unsigned
            case 2, 2:
                local += range(minimum, unsigned + 1)
            case 0, 10:
                collections.append((unsigned, local[0]))
                local = []
            case 0, 12:
                collections.pop()
            case 0, (8 | 9) as tag:
                direction = "in" if tag == 8 else "out"
                fields.append(
                    Field(
                        direction,
                        position[direction],
                        state["bits"],
                        state["count"],
                        unsigned,
                        state["page"],
                        tuple(local),
                        state["low"],
                        state["high"],
                        tuple(collections),
                    )
                )
                position[direction] += state["bits"] * state["count"]
                local = []
            case other:
                raise AssertionError(f"an item that no descriptor of ours has: {other}")
    assert not collections, "a collection is not closed"
    return fields


def bits_of(fields: list[Field], direction: str) -> int:
    return sum(field.bits * field.count for field in fields if field.direction == direction)


def test_keyboard_is_a_boot_keyboard() -> None:
    fields = parse(keyboard_descriptor())
    assert bits_of(fields, "in") == 8 * len(KeyboardReports().report)
    assert bits_of(fields, "out") == 8
    modifiers, reserved, leds, padding, keys = fields
    assert all(field.collections == ((1, 6),) for field in fields)
    assert (modifiers.first_bit, modifiers.usages, modifiers.flags) == (0, tuple(range(0xE0, 0xE8)), 2)
    assert (modifiers.low, modifiers.high) == (0, 1)
    assert (reserved.first_bit, reserved.bits, reserved.flags & 1) == (8, 8, 1)
    assert (leds.direction, leds.page, leds.usages, leds.first_bit) == ("out", 8, (1, 2, 3, 4, 5), 0)
    assert (padding.direction, padding.flags & 1) == ("out", 1)
    assert (keys.first_bit, keys.bits, keys.count, keys.flags, keys.page) == (16, 8, 6, 0, 7)
    assert (keys.low, keys.high, keys.usages) == (0, 255, tuple(range(256)))


@pytest.mark.parametrize("horizontal_wheel", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
def test_mouse(absolute: bool, horizontal_wheel: bool) -> None:
    fields = parse(pointer_descriptor(absolute=absolute, horizontal_wheel=horizontal_wheel))
    report = PointerReports(absolute=absolute, horizontal_wheel=horizontal_wheel).report
    length = pointer_report_bytes(absolute=absolute, horizontal_wheel=horizontal_wheel)
    assert bits_of(fields, "in") == 8 * len(report) == 8 * length
    assert bits_of(fields, "out") == 0
    assert all(field.collections == ((1, 2), (0, 1)) for field in fields)
    buttons, axes, wheel, *pan = fields
    assert (buttons.page, buttons.usages, buttons.first_bit) == (9, tuple(range(1, 9)), 0)
    assert (axes.page, axes.usages, axes.first_bit) == (1, (0x30, 0x31), 8)
    if absolute:
        assert (axes.bits, axes.low, axes.high, axes.flags) == (16, 0, 32767, 2)
    else:
        assert (axes.bits, axes.low, axes.high, axes.flags) == (8, -127, 127, 6)
    assert (wheel.page, wheel.usages, wheel.low, wheel.high, wheel.flags) == (1, (0x38,), -127, 127, 6)
    assert len(pan) == horizontal_wheel
    for field in pan:
        assert (field.page, field.usages, field.flags) == (12, (0x0238,), 6)
        assert (field.low, field.high) == (-127, 127)


def test_no_descriptor_ends_with_a_full_packet() -> None:
    # Controllers and hosts have been got wrong there; all packets of a control pipe hold 8 to 64 bytes.
    descriptors = [
        pointer_descriptor(absolute=absolute, horizontal_wheel=wheel)
        for absolute in (False, True)
        for wheel in (False, True)
    ]
    assert all(len(descriptor) % 64 for descriptor in (keyboard_descriptor(), *descriptors))


@pytest.mark.parametrize(
    ("prefix", "value", "coded"),
    [
        (0x14, -127, "1581"),
        (0x14, -129, "167fff"),
        (0x24, 127, "257f"),
        (0x24, 255, "26ff00"),
        (0x24, 32767, "26ff7f"),
        (0x24, 32768, "2700800000"),
        (0x28, 255, "29ff"),
        (0x08, 0x0238, "0a3802"),
        (0xC0, None, "c0"),
    ],
)
def test_items_are_as_short_as_they_can_be(prefix: int, value: int | None, coded: str) -> None:
    assert item(prefix, value).hex() == coded


def test_a_value_that_no_item_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an item value"):
        item(0x08, 1 << 32)
