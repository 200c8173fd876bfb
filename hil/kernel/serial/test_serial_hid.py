"""Both input chips behind a real USB serial driver of the kernel: typing, lights, pulling and plugging."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Protocol

import pytest
import trio
from peers.acm_gadget import AcmGadget
from peers.ch9329_chip import Ch9329Chip, MouseReport
from peers.mcu_hid_chip import McuChip
from peers.serial_line import DEADLINE_S, Cable, open_raw, play, playing, until

from drivers.errors import DeviceGoneError, HostNotReadyError
from drivers.serial.ch9329 import Ch9329
from drivers.serial.mcu_hid import McuHid
from drivers.wire.hid_report import KeyboardReports
from drivers.wire.hid_usages import KEYS
from firmware.core.supervise import Backoff, Supervisor, TaskPhase

KEY_A = bytes((0, 0, 4, 0, 0, 0, 0, 0))
CLEAR = bytes(8)
# The guest's Python is some 15 times slower than a board's; a reply that is only slow is no fault.
PATIENT_S = 3.0


class Adapter(Protocol):
    gadget: AcmGadget
    path: Path

    def plug(self) -> None: ...
    def unplug(self) -> None: ...


def typed(text: str) -> list[bytes]:
    keyboard = KeyboardReports()
    reports = []
    for letter in text:
        key = KEYS[f"Key{letter}"]
        reports += keyboard.press(key) + keyboard.release(key)
    return reports


async def test_the_ch9329_types_points_and_tells(adapter: Adapter) -> None:
    chip, cable = Ch9329Chip(), Cable(noise=b"\x00\x57")
    driver = Ch9329(str(adapter.path), read_timeout_s=PATIENT_S, poll_interval_s=0.1)
    reports = typed("FARHAND")
    with open_raw(adapter.gadget.device_side) as far:
        async with playing(chip, driver.run, far, cable):
            for index, report in enumerate(reports):
                cable.spoil_requests = int(index % 5 == 0)
                await driver.keyboard.write(report)
            assert chip.keyboard == reports
            await driver.mouse_absolute.write(struct.pack("<BHHb", 1, 32767, 0, -1))
            await driver.mouse_relative.write(struct.pack("<Bbbb", 0, -5, 5, 0))
            assert chip.mouse == [MouseReport(True, 1, 4095, 0, -1), MouseReport(False, 0, -5, 5, 0)]
            async with driver.keyboard.leds() as leds:
                chip.leds = 5
                while await leds.receive() != 5:
                    pass
            chip.enumerated = False
            await until(lambda: driver.info is not None and not driver.info.enumerated)
            with pytest.raises(HostNotReadyError):
                await driver.keyboard.write(KEY_A)


async def test_the_microcontroller_types_points_tells_and_switches(adapter: Adapter) -> None:
    chip, cable = McuChip(self_restarting=True), Cable()
    driver = McuHid(
        str(adapter.path),
        read_timeout_s=PATIENT_S,
        retries_delay_s=0.01,
        poll_interval_s=0.1,
        reset_by_dtr=True,
    )
    with open_raw(adapter.gadget.device_side) as far:
        async with playing(chip, driver.run, far, cable):
            for index, report in enumerate(typed("FARHAND")):
                cable.spoil_requests = int(index % 5 == 0)
                await driver.keyboard.write(report)
                assert chip.held == set(report[2:]) - {0}
            assert len(chip.keyboards) == 14
            await driver.mouse_absolute.write(struct.pack("<BHHbb", 1, 32767, 0, -1, 0))
            assert chip.mouse == [("move", 32767, -32768), ("button", "left", True), ("wheel", 0, -1)]
            chip.leds = "C"
            await until(lambda: driver.state.leds == 2)
            await driver.set_mouse_output("usb_rel")
            assert (driver.state.mouse.active, chip.restarts) == ("usb_rel", 1)
            await driver.reset()
            assert driver.state.online


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("ch9329", marks=pytest.mark.fault("CH9329", "vanishes", "returns")),
        pytest.param("mcu", marks=pytest.mark.fault("HID microcontroller", "vanishes", "returns")),
    ],
)
async def test_pulled_and_plugged_in_it_works_again(adapter: Adapter, kind: str) -> None:
    chip = Ch9329Chip() if kind == "ch9329" else McuChip()
    driver: Ch9329 | McuHid
    if kind == "ch9329":
        driver = Ch9329(str(adapter.path), read_timeout_s=PATIENT_S)
    else:
        driver = McuHid(str(adapter.path), read_timeout_s=PATIENT_S, retries_delay_s=0.01)
    supervisor = Supervisor(backoff=Backoff(first_s=0.05, longest_s=0.5))

    def phase() -> TaskPhase | None:
        task = supervisor.tasks.value.get("hid.chip")
        return None if task is None else task.phase

    with trio.fail_after(3 * DEADLINE_S), open_raw(adapter.gadget.device_side) as far:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.supervise, "hid.chip", driver.run)
            async with trio.open_nursery() as first_life:
                first_life.start_soon(play, chip, far, Cable())
                await until(lambda: phase() is TaskPhase.ONLINE)
                await driver.keyboard.write(KEY_A)
                await trio.to_thread.run_sync(adapter.unplug)
                await until(lambda: phase() is TaskPhase.BACKING_OFF)
                first_life.cancel_scope.cancel()
            with pytest.raises(DeviceGoneError):
                await driver.keyboard.write(CLEAR)
            await trio.to_thread.run_sync(adapter.plug)
            with open_raw(adapter.gadget.device_side) as new_far:
                nursery.start_soon(play, chip, new_far, Cable())
                await until(lambda: phase() is TaskPhase.ONLINE)
                await driver.keyboard.write(KEY_A)
                seen = chip.keyboard[-1] == KEY_A if isinstance(chip, Ch9329Chip) else chip.held == {4}
                assert seen
                assert supervisor.tasks.value["hid.chip"].bugs == 0
                nursery.cancel_scope.cancel()
