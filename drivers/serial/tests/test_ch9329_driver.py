"""The CH9329's driver with a simulated chip at the far end of a real tty, faults included.

Deadlines of replies are shortened where a test lets them pass; no other time matters.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
import trio
from peers.ch9329_chip import Ch9329Chip, MouseReport
from peers.serial_line import Cable, Pty, ending_of, play, playing, until

from drivers.errors import (
    BadReplyError,
    DeviceGoneError,
    DeviceTimeoutError,
    HostNotReadyError,
    NotSupportedError,
)
from drivers.ports import LinkCondition
from drivers.serial.ch9329 import Ch9329
from drivers.wire.hid_report import KeyboardReports, PointerReports
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS
from firmware.core.supervise import Backoff, Supervisor, TaskPhase

CLEAR = bytes(8)
KEY_A = bytes((0, 0, 4, 0, 0, 0, 0, 0))
# Long enough for a reply of a busy machine, short enough to be waited for.
SHORT_S = 0.15


def random_keyboard_reports(count: int) -> list[bytes]:
    rng = random.Random(3)
    keyboard = KeyboardReports()
    names = sorted(KEYS)
    reports: list[bytes] = []
    while len(reports) < count:
        key = KEYS[rng.choice(names)]
        reports += (keyboard.press if rng.random() < 0.6 else keyboard.release)(key)
    return reports[:count]


async def test_typed_text_arrives_key_by_key(pty: Pty) -> None:
    chip = Ch9329Chip()
    driver = Ch9329(pty.path)
    keyboard = KeyboardReports()
    expected = []
    async with playing(chip, driver.run, pty.master):
        for name in ("KeyF", "KeyA", "KeyR", "KeyH", "KeyA", "KeyN", "KeyD"):
            for report in (*keyboard.press(KEYS[name]), *keyboard.release(KEYS[name])):
                await driver.keyboard.write(report)
                expected.append(report)
        assert chip.keyboard == expected


async def test_a_thousand_random_reports_arrive_complete_and_in_order(pty: Pty) -> None:
    chip = Ch9329Chip()
    driver = Ch9329(pty.path)
    reports = random_keyboard_reports(1000)
    async with playing(chip, driver.run, pty.master):
        for report in reports:
            await driver.keyboard.write(report)
    assert chip.keyboard == reports


async def test_a_noisy_line_loses_and_doubles_nothing(pty: Pty) -> None:
    """Every seventh request is damaged; the chip says so, and the driver repeats it."""
    chip = Ch9329Chip()
    cable = Cable(noise=b"\x57\x00\xab")
    driver = Ch9329(pty.path, read_timeout_s=2.0)
    reports = random_keyboard_reports(200)
    async with playing(chip, driver.run, pty.master, cable):
        for index, report in enumerate(reports):
            cable.spoil_requests = int(index % 7 == 0)
            await driver.keyboard.write(report)
    assert chip.keyboard == reports
    assert cable.seen.count("spoil_requests") > 20
    assert driver.statistics()["repeats"] == len(cable.seen)


async def test_the_absolute_mouse(pty: Pty) -> None:
    chip = Ch9329Chip()
    driver = Ch9329(pty.path)
    mouse = PointerReports(absolute=True, horizontal_wheel=driver.mouse_absolute.horizontal_wheel)
    async with playing(chip, driver.run, pty.master):
        for reports in (
            mouse.move(-32768, 32767),
            mouse.press(MOUSE_BUTTONS["left"]),
            mouse.press(MOUSE_BUTTONS["middle"]),
            mouse.wheel(0, -3),
            mouse.release(MOUSE_BUTTONS["left"]),
            mouse.move(0, 0),
        ):
            for report in reports:
                await driver.mouse_absolute.write(report)
    assert chip.mouse == [
        MouseReport(True, 0, 0, 4095, 0),
        MouseReport(True, 1, 0, 4095, 0),
        MouseReport(True, 5, 0, 4095, 0),
        MouseReport(True, 5, 0, 4095, -3),
        MouseReport(True, 4, 0, 4095, 0),
        MouseReport(True, 4, 2047, 2047, 0),
    ]


async def test_the_relative_mouse(pty: Pty) -> None:
    chip = Ch9329Chip()
    driver = Ch9329(pty.path)
    async with playing(chip, driver.run, pty.master):
        assert (driver.mouse_relative.absolute, driver.mouse_relative.horizontal_wheel) == (False, False)
        await driver.mouse_relative.write(struct.pack("<Bbbb", 0x1A, -127, 127, 1))
    assert chip.mouse == [MouseReport(False, 2, -127, 127, 1)]


async def test_lights_and_host_are_told_when_they_change(pty: Pty) -> None:
    chip = Ch9329Chip(leds=1)
    driver = Ch9329(pty.path, poll_interval_s=0.01)
    async with (
        playing(chip, driver.run, pty.master),
        driver.keyboard.leds() as leds,
        driver.link.conditions() as conditions,
    ):
        assert await leds.receive() == 1
        assert await conditions.receive() is LinkCondition.CONFIGURED
        chip.leds = 2
        assert await leds.receive() == 2
        chip.enumerated = False
        assert await conditions.receive() is LinkCondition.UNPLUGGED
        chip.enumerated = True
        assert await conditions.receive() is LinkCondition.CONFIGURED
        with pytest.raises(NotSupportedError, match="cannot wake"):
            await driver.link.wake()


async def test_lights_are_told_while_reports_never_cease(pty: Pty) -> None:
    chip = Ch9329Chip()
    driver = Ch9329(pty.path, poll_interval_s=0.02)
    async with playing(chip, driver.run, pty.master) as nursery:

        async def type_on() -> None:
            while True:
                await driver.keyboard.write(KEY_A)

        nursery.start_soon(type_on)
        async with driver.keyboard.leds() as leds:
            chip.leds = 4
            while await leds.receive() != 4:
                pass


@pytest.mark.fault("CH9329", "host leaves")
async def test_reports_wait_for_a_host_that_is_not_there(pty: Pty) -> None:
    chip = Ch9329Chip(enumerated=False)
    # Without polling, so that only the report itself can find out.
    driver = Ch9329(pty.path, poll_interval_s=1000)
    async with playing(chip, driver.run, pty.master):
        with pytest.raises(HostNotReadyError, match="no host has set up"):
            await driver.keyboard.write(KEY_A)
        assert 2 not in chip.commands
        chip.enumerated = True
        await driver.keyboard.write(KEY_A)
        assert chip.keyboard == [KEY_A]


@pytest.mark.fault("CH9329", "host leaves")
async def test_a_report_that_the_chip_cannot_deliver(pty: Pty) -> None:
    chip = Ch9329Chip(refuse_reports=True)
    driver = Ch9329(pty.path)
    async with playing(chip, driver.run, pty.master):
        with pytest.raises(HostNotReadyError, match="could not be carried out"):
            await driver.keyboard.write(KEY_A)
        chip.refuse_reports = False
        await driver.keyboard.write(KEY_A)
        assert chip.keyboard == [KEY_A]


REPAIRED: dict[str, Callable[[Cable], None]] = {
    "request lost": lambda cable: setattr(cable, "lose_requests", 2),
    "request cut short": lambda cable: setattr(cable, "cut_requests", 2),
    "request damaged": lambda cable: setattr(cable, "spoil_requests", 3),
    "reply damaged": lambda cable: setattr(cable, "spoil_replies", 2),
    "reply lost": lambda cable: setattr(cable, "lose_replies", 2),
    "noise before replies": lambda cable: setattr(cable, "noise", b"noise\xab\x57"),
}


@pytest.mark.parametrize("fault", REPAIRED)
@pytest.mark.fault("CH9329", "garbage")
async def test_line_faults_are_repaired(pty: Pty, fault: str) -> None:
    chip, cable = Ch9329Chip(), Cable()
    driver = Ch9329(pty.path, read_timeout_s=SHORT_S, poll_interval_s=1000)
    async with playing(chip, driver.run, pty.master, cable):
        await driver.keyboard.write(CLEAR)
        chip.keyboard.clear()
        REPAIRED[fault](cable)
        await driver.keyboard.write(KEY_A)
        # The keyboard's report is the whole state: seeing it twice changes nothing.
        assert set(chip.keyboard) == {KEY_A}


async def test_motion_is_not_doubled_when_only_the_reply_is_lost(pty: Pty) -> None:
    chip, cable = Ch9329Chip(), Cable()
    driver = Ch9329(pty.path, read_timeout_s=SHORT_S, poll_interval_s=1000)
    async with playing(chip, driver.run, pty.master, cable):
        await driver.mouse_relative.write(CLEAR[:4])
        cable.lose_replies = 1
        await driver.mouse_relative.write(struct.pack("<Bbbb", 1, 10, 20, 3))
        assert chip.mouse[1:] == [MouseReport(False, 1, 10, 20, 3), MouseReport(False, 1, 0, 0, 0)]
        cable.spoil_requests = 1
        await driver.mouse_relative.write(struct.pack("<Bbbb", 1, 10, 20, 3))
        assert chip.mouse[3:] == [MouseReport(False, 1, 10, 20, 3)]


async def test_a_late_reply_is_not_taken_for_the_next_ones(pty: Pty) -> None:
    chip, cable = Ch9329Chip(), Cable()
    driver = Ch9329(pty.path, read_timeout_s=SHORT_S, poll_interval_s=1000)
    async with playing(chip, driver.run, pty.master, cable):
        await driver.keyboard.write(CLEAR)
        cable.late_replies, cable.late_s = 1, 1.5 * SHORT_S
        await driver.keyboard.write(KEY_A)
        chip.refuse_reports = True
        with pytest.raises(HostNotReadyError):
            await driver.keyboard.write(CLEAR)


async def test_a_cancelled_writer_leaves_the_conversation_whole(pty: Pty) -> None:
    chip, cable = Ch9329Chip(), Cable()
    driver = Ch9329(pty.path, poll_interval_s=1000)
    async with playing(chip, driver.run, pty.master, cable):
        await driver.keyboard.write(CLEAR)
        cable.late_replies, cable.late_s = 1, 0.1
        with trio.move_on_after(0.02) as scope:
            await driver.keyboard.write(KEY_A)
        assert scope.cancelled_caught
        await driver.keyboard.write(CLEAR)
        assert chip.keyboard == [CLEAR, KEY_A, CLEAR]
        assert driver.statistics()["repeats"] == 0


@pytest.mark.fault("CH9329", "stalls")
async def test_a_chip_that_falls_silent_is_a_timeout_for_the_driver_and_for_who_writes(pty: Pty) -> None:
    cable = Cable()
    driver = Ch9329(pty.path, read_timeout_s=0.05, poll_interval_s=1000)

    async def spoil() -> None:
        await driver.keyboard.write(CLEAR)
        cable.mute = True
        with pytest.raises(DeviceTimeoutError, match=r"SEND_KEYBOARD in 4 attempts: no reply in 0\.05 s"):
            await driver.keyboard.write(KEY_A)

    ending = await ending_of(Ch9329Chip(), driver.run, pty.master, cable, spoil)
    assert isinstance(ending, DeviceTimeoutError)
    with pytest.raises(DeviceGoneError):
        await driver.keyboard.write(KEY_A)


@pytest.mark.fault("CH9329", "stalls")
async def test_a_chip_that_falls_silent_is_noticed_without_anybody_writing(pty: Pty) -> None:
    cable = Cable()
    driver = Ch9329(pty.path, read_timeout_s=0.05, retries=1, poll_interval_s=0.02)

    async def spoil() -> None:
        cable.mute = True

    ending = await ending_of(Ch9329Chip(), driver.run, pty.master, cable, spoil)
    assert isinstance(ending, DeviceTimeoutError)
    assert "GET_INFO" in str(ending)


@pytest.mark.parametrize("status", [0x42, 0xE3, 0xE5])
@pytest.mark.fault("CH9329", "garbage")
async def test_a_chip_that_refuses_or_talks_nonsense_is_a_bad_reply(pty: Pty, status: int) -> None:
    chip = Ch9329Chip()
    driver = Ch9329(pty.path, poll_interval_s=1000)

    async def spoil() -> None:
        await driver.keyboard.write(CLEAR)
        chip.wrong_status = status
        with pytest.raises(BadReplyError, match="SEND_KEYBOARD"):
            await driver.keyboard.write(KEY_A)

    assert isinstance(await ending_of(chip, driver.run, pty.master, Cable(), spoil), BadReplyError)


@pytest.mark.fault("CH9329", "vanishes", "EIO")
async def test_an_unplugged_chip_is_gone_at_once(pty: Pty) -> None:
    driver = Ch9329(pty.path, poll_interval_s=1000)

    async def spoil() -> None:
        pty.unplug()

    ending = await ending_of(Ch9329Chip(), driver.run, pty.master, Cable(), spoil)
    assert isinstance(ending, DeviceGoneError)
    assert pty.path in str(ending)


async def test_nobody_can_write_before_it_runs(pty: Pty) -> None:
    driver = Ch9329(pty.path)
    for write, report in (
        (driver.keyboard.write, KEY_A),
        (driver.mouse_absolute.write, bytes(6)),
        (driver.mouse_relative.write, bytes(4)),
    ):
        with pytest.raises(DeviceGoneError, match=pty.path):
            await write(report)
    assert driver.info is None


async def test_a_chip_at_another_speed_is_found_if_asked(pty: Pty) -> None:
    chip = Ch9329Chip(speed=115200, line_speed=lambda: pty.baud_rate)
    driver = Ch9329(pty.path, read_timeout_s=0.05, retries=0, probe_speeds=True)
    async with playing(chip, driver.run, pty.master):
        await driver.keyboard.write(KEY_A)
        assert chip.keyboard == [KEY_A]
        assert pty.baud_rate == 115200


async def test_a_chip_at_another_speed_is_not_found_unasked(pty: Pty) -> None:
    chip = Ch9329Chip(speed=115200, line_speed=lambda: pty.baud_rate)
    driver = Ch9329(pty.path, read_timeout_s=0.05, retries=1)

    async def spoil() -> None:
        pytest.fail("started")

    ending = await ending_of(chip, driver.run, pty.master, Cable(), spoil)
    assert isinstance(ending, DeviceTimeoutError)
    assert "does not answer at 9600 Bd; check its wiring" in str(ending)


@pytest.mark.fault("CH9329", "vanishes", "returns")
async def test_it_comes_back_under_the_supervisor(pty: Pty) -> None:
    """Mute, then talking again: the supervisor starts it anew and reports arrive."""
    chip, cable = Ch9329Chip(), Cable()
    driver = Ch9329(pty.path, read_timeout_s=0.05, retries=1, poll_interval_s=0.02)
    supervisor = Supervisor(backoff=Backoff(first_s=0.01, longest_s=0.05))

    def phase() -> TaskPhase | None:
        task = supervisor.tasks.value.get("hid.chip")
        return None if task is None else task.phase

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play, chip, pty.master, cable)
        nursery.start_soon(supervisor.supervise, "hid.chip", driver.run)
        await until(lambda: phase() is TaskPhase.ONLINE)
        cable.mute = True
        await until(lambda: phase() is TaskPhase.BACKING_OFF)
        with pytest.raises(DeviceGoneError):
            await driver.keyboard.write(KEY_A)
        cable.mute = False
        await until(lambda: phase() is TaskPhase.ONLINE)
        await driver.keyboard.write(KEY_A)
        assert chip.keyboard == [KEY_A]
        state = supervisor.tasks.value["hid.chip"]
        assert (state.bugs, state.faults > 0) == (0, True)
        nursery.cancel_scope.cancel()


async def test_a_reset_goes_to_the_chip(pty: Pty) -> None:
    chip = Ch9329Chip()
    driver = Ch9329(pty.path)
    async with playing(chip, driver.run, pty.master):
        await driver.reset()
        assert chip.resets == 1


async def test_malformed_reports_are_the_callers_fault_and_harm_nothing(pty: Pty) -> None:
    chip = Ch9329Chip()
    driver = Ch9329(pty.path)
    async with playing(chip, driver.run, pty.master):
        with pytest.raises(ValueError, match="8 bytes"):
            await driver.keyboard.write(b"")
        with pytest.raises(ValueError, match="absolute report"):
            await driver.mouse_absolute.write(b"")
        await driver.keyboard.write(KEY_A)
        assert chip.keyboard == [KEY_A]
