"""The microcontroller's driver with a simulated firmware at the far end of a real tty, faults included.

Deadlines of answers are shortened where a test lets them pass; no other time matters.
"""

from __future__ import annotations

import itertools
import logging
import random
import struct
from collections.abc import Callable

import pytest
import trio
from peers.mcu_hid_chip import PS2_KEYBOARD, RELATIVE, McuChip
from peers.serial_line import Cable, Pty, ending_of, play, playing, until

from drivers.errors import DeviceGoneError, DeviceTimeoutError, HostNotReadyError, NotSupportedError
from drivers.ports import LinkCondition
from drivers.serial import mcu_hid
from drivers.serial.mcu_hid import McuHid
from drivers.serial.mcu_ports import McuState
from drivers.wire.hid_report import KeyboardReports, PointerReports
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS
from firmware.core.supervise import Backoff, Supervisor, TaskPhase

CLEAR = bytes(8)
KEY_A = bytes((0, 0, 4, 0, 0, 0, 0, 0))
SHORT_S = 0.15


def driver_of(pty: Pty, **options: float) -> McuHid:
    """A driver with short patience that asks for the state only when made to."""
    patience: dict[str, float] = {
        "read_timeout_s": SHORT_S,
        "retries_delay_s": 0.01,
        "poll_interval_s": 1000,
    }
    return McuHid(pty.path, **(patience | options))  # type: ignore[arg-type]  # numbers by their names


class ResetLine:
    """A reset line that is wired to the chip."""

    def __init__(self, chip: McuChip) -> None:
        self.chip = chip
        self.pulses: list[float] = []

    async def set(self, level: bool) -> None:
        raise AssertionError("only pulses are expected")

    async def pulse(self, seconds: float) -> None:
        self.pulses.append(seconds)
        self.chip.restart()


def usages(report: bytes) -> frozenset[int]:
    modifiers = {0xE0 + bit for bit in range(8) if report[0] >> bit & 1}
    return frozenset(modifiers | set(report[2:]) - {0})


async def test_typed_text_arrives_key_by_key(pty: Pty) -> None:
    chip = McuChip()
    driver = driver_of(pty)
    keyboard = KeyboardReports()
    expected = []
    async with playing(chip, driver.run, pty.master):
        for name in ("ShiftLeft", "KeyF", "KeyA", "KeyR", "KeyH", "KeyA", "KeyN", "KeyD"):
            for report in keyboard.press(KEYS[name]) + (
                [] if KEYS[name].modifier_bit else keyboard.release(KEYS[name])
            ):
                await driver.keyboard.write(report)
                expected.append(usages(report))
        assert chip.keyboards == expected


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_thousand_random_reports_arrive_complete_and_in_order(pty: Pty, legacy: bool) -> None:
    chip = McuChip(legacy=legacy, dynamic=not legacy, connectable=not legacy)
    driver = driver_of(pty, read_timeout_s=2.0)
    rng = random.Random(5)
    keyboard = KeyboardReports()
    names = sorted(KEYS)
    async with playing(chip, driver.run, pty.master):
        for _ in range(1000):
            key = KEYS[rng.choice(names)]
            for report in (keyboard.press if rng.random() < 0.6 else keyboard.release)(key):
                await driver.keyboard.write(report)
                assert chip.held == usages(report)
        # One event for each key that changed: nothing was sent twice.
        changes = [frozenset(), *chip.keyboards]
        assert all(len(a ^ b) == 1 for a, b in itertools.pairwise(changes))


async def test_keys_that_a_former_driver_left_down_are_released(pty: Pty) -> None:
    chip = McuChip(held={4, 0xE1})
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master):
        assert (chip.held, chip.clears) == (set(), 1)


async def test_the_absolute_mouse(pty: Pty) -> None:
    chip = McuChip()
    driver = driver_of(pty)
    mouse = PointerReports(absolute=True, horizontal_wheel=driver.mouse_absolute.horizontal_wheel)
    async with playing(chip, driver.run, pty.master):
        for reports in (
            mouse.move(-32768, 32767),
            mouse.press(MOUSE_BUTTONS["left"]),
            mouse.press(MOUSE_BUTTONS["down"]),
            mouse.wheel(2, -3),
            mouse.clear(),
        ):
            for report in reports:
                await driver.mouse_absolute.write(report)
    assert chip.mouse == [
        ("move", -32768, 32767),
        ("button", "left", True),
        ("button", "down", True),
        ("wheel", 2, -3),
        ("button", "left", False),
        ("button", "down", False),
    ]


async def test_the_relative_mouse(pty: Pty) -> None:
    chip = McuChip(mouse_output=RELATIVE)
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master):
        await driver.mouse_relative.write(struct.pack("<Bbbbb", 2, -127, 127, 0, 0))
        assert driver.state.mouse_absolute is False
    assert chip.mouse == [("by", -127, 127), ("button", "right", True)]


async def test_state_lights_and_host_are_told_when_they_change(pty: Pty) -> None:
    chip = McuChip(leds="N")
    driver = driver_of(pty, poll_interval_s=0.01)
    async with (
        playing(chip, driver.run, pty.master),
        driver.keyboard.leds() as leds,
        driver.link.conditions() as conditions,
        driver.states() as states,
    ):
        assert await leds.receive() == 1
        assert await conditions.receive() is LinkCondition.CONFIGURED
        state = await states.receive()
        assert (state.online, state.busy, state.connected) == (True, False, True)
        assert (state.keyboard_outputs, state.keyboard_output) == (("usb", "ps2", "disabled"), "usb")
        assert state.mouse_outputs == ("usb", "usb_rel", "usb_win98", "ps2", "disabled")
        assert (state.mouse_output, state.mouse_absolute) == ("usb", True)
        chip.leds = "CS"
        assert await leds.receive() == 6
        chip.keyboard_online = chip.mouse_online = False
        assert await conditions.receive() is LinkCondition.UNPLUGGED
        while driver.state.mouse_online:
            await trio.sleep(0.01)
        assert (driver.state.online, driver.state.keyboard_online) == (True, False)
    assert driver.state == McuState()


@pytest.mark.fault("HID microcontroller", "host leaves")
async def test_events_that_no_host_took_are_told_again_when_one_is_there(pty: Pty) -> None:
    chip = McuChip()
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master):
        chip.keyboard_online = chip.mouse_online = False
        with pytest.raises(HostNotReadyError, match="host does not take"):
            await driver.keyboard.write(KEY_A)
        with pytest.raises(HostNotReadyError):
            await driver.mouse_absolute.write(struct.pack("<BHHbb", 1, 32767, 0, 0, 0))
        asked = len(chip.requests)
        with pytest.raises(HostNotReadyError):
            await driver.keyboard.write(KEY_A)
        assert chip.requests[asked:] == [1], "expected nothing but a ping while there is no host"
        chip.keyboard_online = chip.mouse_online = True
        await driver.keyboard.write(KEY_A)
        assert chip.keyboards[-1] == {4}
        await driver.mouse_absolute.write(struct.pack("<BHHbb", 1, 32767, 0, 0, 0))
        assert chip.mouse[:2] == [("move", 32767, -32768), ("button", "left", True)]


REPAIRED: dict[str, Callable[[Cable], None]] = {
    "request lost": lambda cable: setattr(cable, "lose_requests", 2),
    "request cut short": lambda cable: setattr(cable, "cut_requests", 2),
    "request damaged": lambda cable: setattr(cable, "spoil_requests", 3),
    "answer damaged": lambda cable: setattr(cable, "spoil_replies", 2),
    "answer lost": lambda cable: setattr(cable, "lose_replies", 2),
    "noise before answers": lambda cable: setattr(cable, "noise", b"\x34\x80\x33noise\x34"),
}


@pytest.mark.parametrize("fault", REPAIRED)
@pytest.mark.fault("HID microcontroller", "garbage")
async def test_line_faults_are_repaired(pty: Pty, fault: str) -> None:
    chip, cable = McuChip(), Cable()
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master, cable):
        await driver.keyboard.write(KEY_A)
        REPAIRED[fault](cable)
        await driver.keyboard.write(CLEAR)
        assert (chip.keyboards[0], chip.held) == ({4}, set())
        await driver.mouse_absolute.write(struct.pack("<BHHbb", 0, 0, 0, 0, 1))
        assert chip.mouse[-1] == ("wheel", 1, 0)


async def test_motion_is_not_doubled_when_only_the_answer_is_lost(pty: Pty) -> None:
    chip, cable = McuChip(mouse_output=RELATIVE), Cable()
    driver = driver_of(pty)
    way = struct.pack("<Bbbbb", 0, 10, 20, 0, 0)
    async with playing(chip, driver.run, pty.master, cable):
        await driver.mouse_relative.write(way)
        for fault in ("lose_replies", "spoil_replies"):
            chip.mouse.clear()
            setattr(cable, fault, 1)
            await driver.mouse_relative.write(way)
            assert chip.mouse == [("by", 10, 20)]
        # A damaged request did nothing, and is sent again.
        chip.mouse.clear()
        cable.spoil_requests = 1
        await driver.mouse_relative.write(way)
        assert chip.mouse == [("by", 10, 20)]


async def test_a_restart_in_mid_request_is_noticed(pty: Pty) -> None:
    chip, cable = McuChip(mouse_output=RELATIVE), Cable()
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master, cable):
        await driver.keyboard.write(KEY_A)
        chip.restart()
        cable.lose_requests = 1
        await driver.mouse_relative.write(struct.pack("<Bbbbb", 0, 1, 1, 0, 0))
        assert chip.mouse == [("by", 1, 1)]
        await driver.keyboard.write(KEY_A)
        assert chip.held == {4}


async def test_the_keyboards_output_is_switched_with_the_reset_line(pty: Pty) -> None:
    chip = McuChip()
    line = ResetLine(chip)
    driver = McuHid(pty.path, poll_interval_s=1000, reset_line=line)
    async with playing(chip, driver.run, pty.master), driver.states() as states:
        await states.receive()
        busy = []

        async def watch() -> None:
            while True:
                busy.append((await states.receive()).busy)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await driver.set_keyboard_output("ps2")
            await driver.set_keyboard_output("ps2")
            await until(lambda: busy[-1:] == [False])
            nursery.cancel_scope.cancel()
        assert True in busy
        assert line.pulses == [mcu_hid.RESET_PULSE_S]
        assert (chip.keyboard_output, driver.state.keyboard.active) == (PS2_KEYBOARD, "ps2")


async def test_a_firmware_that_restarts_by_itself_is_waited_for(pty: Pty) -> None:
    chip = McuChip(self_restarting=True)
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master):
        await driver.set_mouse_output("usb_rel")
        assert (driver.state.mouse.active, driver.state.mouse_absolute) == ("usb_rel", False)
        assert (chip.restarts, driver.state.busy) == (1, False)
        await driver.mouse_relative.write(struct.pack("<Bbbbb", 0, 1, 1, 0, 0))
        assert chip.mouse == [("by", 1, 1)]


async def test_without_a_reset_line_the_appliance_says_what_to_do(
    pty: Pty, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mcu_hid, "SELF_RESTART_S", 0.3)
    chip = McuChip()
    driver = driver_of(pty, poll_interval_s=0.05)
    async with playing(chip, driver.run, pty.master):
        await driver.set_mouse_output("usb_rel")
        assert (driver.state.mouse.active, driver.state.busy) == ("usb", False)
        await driver.keyboard.write(KEY_A)
        assert chip.held == {4}
    assert caplog.text.count("press its button") == 1


async def test_a_microcontroller_that_does_not_come_back_is_a_timeout(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcu_hid, "RESTART_DEADLINE_S", 0.5)
    chip, cable = McuChip(), Cable()
    line = ResetLine(chip)
    driver = McuHid(pty.path, poll_interval_s=1000, reset_line=line)

    async def spoil() -> None:
        await driver.keyboard.write(CLEAR)
        cable.mute = True
        with pytest.raises(DeviceTimeoutError, match="did not come back"):
            await driver.reset()

    ending = await ending_of(chip, driver.run, pty.master, cable, spoil)
    assert isinstance(ending, DeviceTimeoutError)


async def test_a_reset_by_line_and_one_without_any(pty: Pty) -> None:
    chip = McuChip()
    line = ResetLine(chip)
    driver = McuHid(pty.path, poll_interval_s=1000, reset_line=line)
    async with playing(chip, driver.run, pty.master):
        await driver.keyboard.write(KEY_A)
        await driver.reset()
        assert (chip.restarts, chip.held, driver.state.busy) == (1, set(), False)
        await driver.keyboard.write(KEY_A)
        assert chip.held == {4}
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master):
        await driver.keyboard.write(KEY_A)
        await driver.reset()
        assert (chip.restarts, chip.held) == (1, set())


async def test_plugging_and_unplugging(pty: Pty) -> None:
    chip = McuChip()
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master):
        await driver.set_connected(False)
        assert (chip.connected, driver.state.connected) == (False, False)
        await driver.set_connected(True)
        assert (chip.connected, driver.state.connected) == (True, True)


async def test_what_a_firmware_cannot_do_is_said_and_harms_nothing(pty: Pty) -> None:
    chip = McuChip(dynamic=False, connectable=False)
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master):
        assert driver.state.connected is None
        with pytest.raises(NotSupportedError, match="outputs none, got 'ps2'"):
            await driver.set_keyboard_output("ps2")
        with pytest.raises(NotSupportedError, match="plug"):
            await driver.set_connected(True)
        with pytest.raises(NotSupportedError, match="wake"):
            await driver.link.wake()
        await driver.keyboard.write(KEY_A)
        assert chip.held == {4}


@pytest.mark.fault("HID microcontroller", "stalls")
async def test_a_microcontroller_that_falls_silent_is_a_timeout(
    pty: Pty, caplog: pytest.LogCaptureFixture
) -> None:
    cable = Cable()
    driver = driver_of(pty, read_timeout_s=0.02, errors_threshold=3)

    async def spoil() -> None:
        await driver.keyboard.write(CLEAR)
        cable.mute = True
        with pytest.raises(DeviceTimeoutError, match=r"no answer in 0\.02 s; check its wiring"):
            await driver.keyboard.write(KEY_A)

    with caplog.at_level(logging.WARNING):
        ending = await ending_of(McuChip(), driver.run, pty.master, cable, spoil)
    assert isinstance(ending, DeviceTimeoutError)
    # Three failures are nobody's business, the fourth and the fifth are.
    assert len(caplog.records) == 2


@pytest.mark.fault("HID microcontroller", "vanishes", "EIO")
async def test_an_unplugged_microcontroller_is_gone_at_once(pty: Pty) -> None:
    driver = driver_of(pty)

    async def spoil() -> None:
        pty.unplug()

    ending = await ending_of(McuChip(), driver.run, pty.master, Cable(), spoil)
    assert isinstance(ending, DeviceGoneError)
    assert pty.path in str(ending)
    with pytest.raises(DeviceGoneError):
        await driver.keyboard.write(KEY_A)


@pytest.mark.fault("HID microcontroller", "vanishes", "returns")
async def test_it_comes_back_under_the_supervisor(pty: Pty) -> None:
    chip, cable = McuChip(), Cable()
    driver = driver_of(pty, read_timeout_s=0.02, poll_interval_s=0.02)
    supervisor = Supervisor(backoff=Backoff(first_s=0.01, longest_s=0.05))

    def phase() -> TaskPhase | None:
        task = supervisor.tasks.value.get("hid.mcu")
        return None if task is None else task.phase

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play, chip, pty.master, cable)
        nursery.start_soon(supervisor.supervise, "hid.mcu", driver.run)
        await until(lambda: phase() is TaskPhase.ONLINE)
        await driver.keyboard.write(KEY_A)
        cable.mute = True
        await until(lambda: phase() is TaskPhase.BACKING_OFF)
        assert driver.state.online is False
        cable.mute = False
        await until(lambda: phase() is TaskPhase.ONLINE)
        assert chip.held == set(), "expected the keys to be released by the new start"
        await driver.keyboard.write(KEY_A)
        assert chip.held == {4}
        assert supervisor.tasks.value["hid.mcu"].bugs == 0
        nursery.cancel_scope.cancel()


async def test_malformed_reports_are_the_callers_fault_and_harm_nothing(pty: Pty) -> None:
    chip = McuChip()
    driver = driver_of(pty)
    async with playing(chip, driver.run, pty.master):
        with pytest.raises(ValueError, match="8 bytes"):
            await driver.keyboard.write(b"")
        with pytest.raises(ValueError, match="coordinate"):
            await driver.mouse_absolute.write(struct.pack("<BHHbb", 0, 65534, 0, 0, 0))
        await driver.keyboard.write(KEY_A)
        assert chip.held == {4}
