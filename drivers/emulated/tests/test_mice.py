"""Both mice: where the pointer goes, that it can be seen, what buttons and wheels do."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from drivers.emulated.hid_host import decode_pointer
from drivers.emulated.pc import EmulatedPc
from drivers.errors import HostNotReadyError
from drivers.ports import PointerPort
from drivers.video.frame import Frame
from drivers.wire.hid_report import PointerReports
from drivers.wire.hid_usages import MOUSE_BUTTONS


def check_protocol(pc: EmulatedPc) -> tuple[PointerPort, PointerPort]:
    return pc.mouse_absolute, pc.mouse_relative


async def picture(pc: EmulatedPc) -> Frame:
    async with pc.video.open(max_fps=0) as stream:
        frame = await stream.next()
    assert isinstance(frame, Frame)
    return frame


def luma(frame: Frame, x: int, y: int) -> int:
    return frame.data[y * frame.stride_bytes + x * 2]


@pytest.mark.parametrize(
    ("report", "x", "y"),
    [
        ("00 0000 0000 00 00", 0, 0),
        ("00 ff7f ff7f 00 00", 1279, 719),
        ("00 ff3f ff3f 00 00", 639, 359),
        ("00 feff feff 00 00", 1279, 719),  # Windows 98 mode: twice the maximum is the edge
    ],
)
async def test_absolute_positions_map_to_the_whole_screen(
    autojump_clock: MockClock, pc: EmulatedPc, report: str, x: int, y: int
) -> None:
    before = await picture(pc)
    await pc.mouse_absolute.write(bytes.fromhex(report))
    assert pc.observer.pointer_position_px == (x, y)
    after = await picture(pc)
    differs = [
        (column, row)
        for row in range(704)  # above the status line
        for column in range(1280)
        if luma(before, column, row) != luma(after, column, row)
    ]
    # On black only the arrow's white inside is seen, which begins right below its tip; all of it is there.
    if y < 704:
        assert differs[0] == (x + 1, y + 2)
        assert len(differs) > 50
        assert all(x < column < x + 12 and y < row < y + 19 for column, row in differs)
    else:
        assert differs == []


async def test_the_pointer_is_hidden_until_it_moves_and_leaves_no_trace(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    before = await picture(pc)
    await pc.mouse_absolute.write(bytes.fromhex("00 0020 0020 00 00"))
    there = await picture(pc)
    assert luma(there, 322, 184) == 255
    await pc.mouse_absolute.write(bytes.fromhex("00 0060 0060 00 00"))
    moved = await picture(pc)
    rows = slice(0, 400 * before.stride_bytes)
    assert bytes(moved.data)[rows] == bytes(before.data)[rows]


async def test_relative_movements_add_up_and_stop_at_the_edges(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    assert pc.observer.pointer_position_px == (640, 360)
    await pc.mouse_relative.write(bytes((0, 10, 0xFB, 0, 0)))
    assert pc.observer.pointer_position_px == (650, 355)
    for _ in range(20):
        await pc.mouse_relative.write(bytes((0, 127, 0x81, 0, 0)))
    assert pc.observer.pointer_position_px == (1279, 0)


async def test_buttons_of_both_mice_are_seen_and_counted(
    autojump_clock: MockClock, pc: EmulatedPc, see: Any
) -> None:
    await pc.mouse_absolute.write(bytes.fromhex("05 0000 0010 00 00"))
    await pc.mouse_relative.write(bytes((0x08, 0, 0, 0, 0)))
    assert pc.observer.held_buttons == {"left", "middle", "up"}
    status = (await see(pc))[-1]
    assert "[L-MB-] clicks 3" in status
    await pc.mouse_absolute.write(bytes.fromhex("00 0000 0010 00 00"))
    assert pc.observer.held_buttons == {"up"}
    await pc.mouse_relative.write(bytes(5))
    assert "[-----] clicks 3" in (await see(pc))[-1]


async def test_the_wheel_scrolls_through_what_was_printed(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, see: Any
) -> None:
    for number in range(30):
        await hands(pc).type(f"echo line {number}\n")
        await trio.sleep(0.05)
    assert "line 0" not in await see(pc)
    for _ in range(9):
        await pc.mouse_absolute.write(bytes.fromhex("00 0070 0070 01 02"))
    rows = await see(pc)
    assert rows[1] == "line 0"
    assert "wheel 9,18 |" in rows[-1]
    assert "lines back" in rows[-1]
    await pc.mouse_relative.write(bytes((0, 0, 0, 0x81, 0)))
    assert "farhand-pc:~$" in await see(pc)
    await pc.mouse_relative.write(bytes((0, 0, 0, 5, 0)))
    await hands(pc).type("x")
    assert "farhand-pc:~$ x" in await see(pc)


async def test_a_mouse_without_a_horizontal_wheel_has_shorter_reports(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    pc = EmulatedPc(horizontal_wheel=False)
    await nursery.start(pc.run)
    assert not pc.mouse_absolute.horizontal_wheel
    await pc.mouse_absolute.write(bytes(6))
    await pc.mouse_relative.write(bytes(4))
    assert list(pc.observer.pointer_reports) == [bytes(6), bytes(4)]
    with pytest.raises(ValueError, match="expected a report of 6 bytes, got 7 - at the absolute mouse"):
        await pc.mouse_absolute.write(bytes(7))
    with pytest.raises(ValueError, match="expected a report of 4 bytes, got 5 - at the relative mouse"):
        await pc.mouse_relative.write(bytes(5))


async def test_a_pc_that_is_off_takes_no_mouse_reports(autojump_clock: MockClock, pc_off: EmulatedPc) -> None:
    for port, length in ((pc_off.mouse_absolute, 7), (pc_off.mouse_relative, 5)):
        with pytest.raises(HostNotReadyError):
            await port.write(bytes(length))
    assert pc_off.observer.pointer_report_count == 0


@given(
    st.booleans(),
    st.booleans(),
    st.tuples(st.integers(-32768, 32767), st.integers(-32768, 32767)),
    st.tuples(st.integers(-127, 127), st.integers(-127, 127)),
    st.sampled_from(sorted(MOUSE_BUTTONS)),
)
def test_the_host_understands_what_the_driver_says(
    absolute: bool, horizontal_wheel: bool, place: tuple[int, int], wheels: tuple[int, int], button: str
) -> None:
    (x, y), (wheel_x, wheel_y) = place, wheels
    device = PointerReports(absolute=absolute, horizontal_wheel=horizontal_wheel)
    reports = device.press(MOUSE_BUTTONS[button])
    reports += device.move(x, y) if absolute else device.relative(x % 128, -(y % 128))
    (wheel,) = device.wheel(wheel_x, wheel_y)
    held = MOUSE_BUTTONS[button].report_bit
    decoded = decode_pointer(reports[-1], absolute=absolute)
    if absolute:
        assert (decoded.x, decoded.y) == ((x + 32768) * 32767 // 65535, (y + 32768) * 32767 // 65535)
    else:
        assert (decoded.x, decoded.y) == (x % 128, -(y % 128))
    assert decoded.buttons == held
    decoded = decode_pointer(wheel, absolute=absolute)
    assert (decoded.wheel, decoded.pan) == (wheel_y, wheel_x if horizontal_wheel else 0)
    assert decoded.buttons == held
