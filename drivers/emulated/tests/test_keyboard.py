"""The keyboard and the shell behind it: what is typed is what is seen, LEDs come back, keys reset."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from drivers.emulated.hid_host import KeyboardDecoder
from drivers.emulated.machine import Phase
from drivers.emulated.pc import EmulatedPc
from drivers.errors import HostNotReadyError
from drivers.ports import KeyboardPort
from drivers.wire.hid_report import KeyboardReports
from drivers.wire.hid_usages import KEYS

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
RELEASE = bytes(8)


def check_protocol(pc: EmulatedPc) -> KeyboardPort:
    return pc.keyboard


async def test_all_characters_are_echoed_and_read_back_from_a_jpeg(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, see: Any
) -> None:
    text = f"echo {PRINTABLE} The quick brown fox; 0O 1lI 5S 8B"
    await hands(pc).type(text)
    assert (await see(pc))[0] == f"farhand-pc:~$ {text}"
    await hands(pc).type("\n")
    await trio.sleep(0.1)
    assert (await see(pc))[:3] == [f"farhand-pc:~$ {text}", text[5:], "farhand-pc:~$"]


async def test_long_input_goes_on_in_the_next_row(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, see: Any
) -> None:
    await hands(pc).type("x" * 1000)
    rows = await see(pc)
    assert "".join(rows[:44]) == "farhand-pc:~$ " + "x" * 400


async def test_line_editing_and_history(autojump_clock: MockClock, pc: EmulatedPc, hands: Any) -> None:
    person = hands(pc)

    def line() -> str:
        return [row for row in pc.observer.screen_text if row.startswith("farhand-pc")][-1][14:]

    await person.type("hello worldx\b")
    assert line() == "hello world"
    await person.press("Home")
    await person.press("ArrowRight")
    await person.press("Delete")
    assert line() == "hllo world"
    await person.type("e")
    assert line() == "hello world"
    await person.press("End")
    await person.press("ArrowLeft")
    await person.type("!")
    assert line() == "hello worl!d"
    await person.press("ControlLeft", "KeyU")
    assert line() == ""
    for command in ("echo one", "echo two"):
        await person.type(command + "\n")
        await trio.sleep(0.1)
    await person.press("ArrowUp")
    await person.press("ArrowUp")
    await person.press("ArrowUp")
    assert line() == "echo one"
    await person.press("ArrowDown")
    assert line() == "echo two"
    await person.press("ArrowDown")
    assert line() == ""


async def test_a_cursor_in_the_middle_does_not_hide_its_letter(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, see: Any
) -> None:
    await hands(pc).type("abc")
    await hands(pc).press("ArrowLeft")
    assert (await see(pc))[0] == "farhand-pc:~$ abc"


async def test_what_commands_print(autojump_clock: MockClock, nursery: trio.Nursery, hands: Any) -> None:
    pc = EmulatedPc(rtc_start=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), memory_mib=512)
    await nursery.start(pc.run)
    person = hands(pc)
    assert await person.run("date") == ["Wed Jan 02 03:04:05 UTC 2030"]
    await trio.sleep(3600)
    assert await person.run("date") == ["Wed Jan 02 04:04:05 UTC 2030"]
    assert await person.run("uptime") == ["up 60 min 0 s"]
    assert await person.run("mem") == ["512 MiB"]
    assert await person.run("uname") == await person.run("ver") == ["Farhand Emulated PC 1.0"]
    assert await person.run("echo a  b") == ["a  b"]
    assert await person.run("nonsense 1 2") == ["nonsense: command not found"]
    assert await person.run("disk x") == ["disk: expected seconds from 0 to 3600"]
    assert await person.run("disk nan") == ["disk: expected seconds from 0 to 3600"]
    assert len(await person.run("lsusb")) == 4
    names = [row.split()[0] for row in await person.run("help")]
    for name in ("help", "echo", "clear", "date", "lsusb", "mount", "cat", "poweroff", "reboot", "colors"):
        assert name in names
    assert await person.run("leds") == ["Num=off Caps=off Scroll=off"]


async def test_keys_typed_while_a_command_runs_come_after_it(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any
) -> None:
    await hands(pc).type("sleep 5\necho later\n")
    await trio.sleep(4)
    assert pc.observer.screen_text[:2] == ["farhand-pc:~$ sleep 5", ""]
    await trio.sleep(2)
    assert pc.observer.screen_text[1:4] == ["farhand-pc:~$ echo later", "later", "farhand-pc:~$"]


async def test_control_c_ends_a_command(autojump_clock: MockClock, pc: EmulatedPc, hands: Any) -> None:
    await hands(pc).type("sleep 3000\n")
    await trio.sleep(1)
    await hands(pc).press("ControlLeft", "KeyC")
    await trio.sleep(1)
    assert pc.observer.screen_text[1:3] == ["^C", "farhand-pc:~$"]


@pytest.mark.parametrize(("command", "phase"), [("poweroff", Phase.OFF), ("reboot", Phase.BLANK)])
async def test_the_shell_can_end_the_system(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, command: str, phase: Phase
) -> None:
    await hands(pc).type(f"{command}\n")
    await pc.observer.wait_until(lambda: pc.observer.phase == Phase.SHUTDOWN)
    began = trio.current_time()
    await pc.observer.wait_until(lambda: pc.observer.phase == phase)
    assert 1 <= trio.current_time() - began <= 2
    assert pc.observer.resets == (command == "reboot")


async def test_lock_keys_send_leds_back_and_change_what_is_typed(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, see: Any
) -> None:
    person = hands(pc)
    async with pc.keyboard.leds() as leds:
        assert await leds.receive() == 0
        await person.press("CapsLock")
        assert await leds.receive() == 0x02
        await person.type("aB1!")
        await person.press("CapsLock")
        await person.press("NumLock")
        await person.press("ScrollLock")
        # Only the newest is kept for a slow reader.
        assert await leds.receive() == 0x05
    assert pc.observer.leds == 0x05
    await person.press("Numpad7")
    await person.press("NumLock")
    await person.press("Numpad7")  # Home
    await person.type("<")
    rows = await see(pc)
    assert rows[0] == "farhand-pc:~$ <Ab1!7"
    assert "Num- Caps- Scroll+" in rows[-1]
    async with pc.keyboard.leds() as leds:
        assert await leds.receive() == 0x04


async def test_control_alt_delete_resets_and_forgets_the_keys(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any
) -> None:
    await hands(pc).press("CapsLock")
    chord = bytes((0x01 | 0x04, 0, 0x4C, 0, 0, 0, 0, 0))
    async with pc.keyboard.leds() as leds:
        assert await leds.receive() == 0x02
        await pc.keyboard.write(chord)
        assert pc.observer.resets == 1
        assert pc.observer.held_keys == set()
        assert await leds.receive() == 0
    await pc.keyboard.write(RELEASE)
    await pc.observer.wait_until(lambda: pc.observer.phase == Phase.RUNNING)


async def test_control_alt_delete_can_be_left_alone(
    autojump_clock: MockClock, nursery: trio.Nursery, hands: Any
) -> None:
    pc = EmulatedPc(reset_on_ctrl_alt_del=False)
    await nursery.start(pc.run)
    await hands(pc).press("ControlLeft", "AltLeft", "Delete")
    assert pc.observer.resets == 0


@pytest.mark.fault("emulated PC", "host leaves")
async def test_the_host_takes_no_report_while_it_is_off_or_blank(
    autojump_clock: MockClock, pc_off: EmulatedPc
) -> None:
    began = trio.current_time()
    with pytest.raises(HostNotReadyError, match="off or starting"):
        await pc_off.keyboard.write(RELEASE)
    assert trio.current_time() == pytest.approx(began + 0.1)
    await pc_off.power_switch.pulse(0.1)
    assert pc_off.observer.phase == Phase.BLANK
    with pytest.raises(HostNotReadyError):
        await pc_off.keyboard.write(RELEASE)
    await trio.sleep(0.15)
    # Now the host becomes ready within the report's own deadline.
    assert pc_off.observer.phase == Phase.BLANK
    await pc_off.keyboard.write(RELEASE)
    assert pc_off.observer.keyboard_report_count == 1


@pytest.mark.fault("emulated PC", "host leaves")
async def test_a_reset_can_take_the_usb_away(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    pc = EmulatedPc(usb_reset_s=2.0)
    await nursery.start(pc.run)
    await pc.keyboard.write(RELEASE)
    await pc.reset_switch.pulse(0.1)
    with pytest.raises(HostNotReadyError):
        await pc.keyboard.write(RELEASE)
    await trio.sleep(2)
    await pc.keyboard.write(RELEASE)


@pytest.mark.parametrize("length", [0, 7, 9])
async def test_a_report_of_a_wrong_length_is_the_callers_bug(
    autojump_clock: MockClock, pc: EmulatedPc, length: int
) -> None:
    with pytest.raises(ValueError, match=f"expected a report of 8 bytes, got {length}"):
        await pc.keyboard.write(bytes(length))
    assert pc.observer.keyboard_report_count == 0


async def test_a_polling_interval_slows_reports_down(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    pc = EmulatedPc(poll_interval_s=0.008)
    await nursery.start(pc.run)
    began = trio.current_time()
    for _ in range(100):
        await pc.keyboard.write(RELEASE)
    assert trio.current_time() - began == pytest.approx(0.8)


async def test_a_report_that_the_host_took_is_not_reported_as_cancelled(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await pc.keyboard.write(RELEASE)
    assert scope.cancelled_caught
    assert pc.observer.keyboard_report_count == 0
    with trio.CancelScope() as scope:
        await pc.keyboard.write(RELEASE)
        scope.cancel()
    assert pc.observer.keyboard_report_count == 1


async def test_a_hundred_thousand_random_reports_are_all_taken_in_order(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    rng, keyboard = random.Random(7), KeyboardReports()
    sent: list[bytes] = []
    names = sorted(KEYS)
    while len(sent) < 100_000:
        key = KEYS[rng.choice(names)]
        for report in keyboard.press(key) if rng.random() < 0.5 else keyboard.release(key):
            await pc.keyboard.write(report)
            sent.append(report)
    assert list(pc.observer.keyboard_reports) == sent
    for report in keyboard.clear():
        await pc.keyboard.write(report)
    assert pc.observer.held_keys == set()


@given(st.lists(st.tuples(st.sampled_from(sorted(KEYS)), st.booleans()), max_size=200))
def test_the_hosts_view_follows_any_sequence_of_presses(events: list[tuple[str, bool]]) -> None:
    """The decoder rebuilds from reports alone what the driver's own state machine holds."""
    device, host, held = KeyboardReports(), KeyboardDecoder(), set[int]()
    for name, pressed in events:
        for report in device.press(KEYS[name]) if pressed else device.release(KEYS[name]):
            for event in host.feed(report):
                assert event.pressed is (event.usage not in held)
                held ^= {event.usage}
            slots = {usage for usage in report[2:] if usage}
            modifiers = {0xE0 + bit for bit in range(8) if report[0] >> bit & 1}
            assert held == host.held == slots | modifiers
        assert (KEYS[name].usage in held) is pressed


def test_roll_over_reports_change_nothing() -> None:
    host = KeyboardDecoder()
    host.feed(bytes((0, 0, 4, 0, 0, 0, 0, 0)))
    assert host.feed(bytes((0, 0, 1, 1, 1, 1, 1, 1))) == []
    assert host.held == {4}
