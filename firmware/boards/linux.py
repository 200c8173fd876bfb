"""Boards that drive real kernel interfaces: USB gadget, GPIO lines, V4L2 capture, serial HID chips.

Makes the drivers and says which tasks run them; starts nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from drivers.absent import AbsentDrive, AbsentLine
from drivers.gadget.gadget import UsbGadget
from drivers.gadget.lun import LunSlot
from drivers.gadget.spec import MassStorageFunction
from drivers.gpio.chip import GpioChip
from drivers.gpio.declarations import InputDeclaration, OutputDeclaration
from drivers.gpio.inputs import GpioInput
from drivers.gpio.outputs import GpioOutput
from drivers.ports import (
    EdidPort,
    HidController,
    KeyboardPort,
    LineInput,
    LineOutput,
    MediaSlot,
    PointerPort,
    UsbLink,
    VideoSource,
)
from drivers.serial.ch9329 import Ch9329
from drivers.serial.mcu_hid import McuHid
from drivers.switch.serial_line import SerialSwitch
from drivers.system.health import LinuxSensors, find_throttled_file
from drivers.video.v4l2.edid import V4l2Edid
from drivers.video.v4l2.find import DeviceChoice
from drivers.video.v4l2.source import V4l2Source
from drivers.wire.edid import (
    MODE_720P50,
    MODE_720P60,
    MODE_1080P30,
    MODE_1080P50,
    MODE_1080P60,
    build_edid,
)
from firmware.boards.board import Board
from firmware.boards.data import BoardData, LinuxData
from firmware.boards.edid_keeper import EdidKeeper
from firmware.boards.needs import BoardNeeds, LineNeeds, SerialHidNeeds
from firmware.core.errors import SetupError
from firmware.core.supervise import SupervisedTask
from firmware.privileged.client import helper_if_needed

DEFAULT_CHIP: Final = "/dev/gpiochip0"
"""Where the contract looks for lines if neither the configuration nor the board says more (config.md 2)."""

GADGET_PATIENCE_S: Final = 2.0
"""Composing takes half a second. After this the drive says by itself that there is no gadget."""

_MODES: Final = {
    "1080p60": MODE_1080P60,
    "1080p50": MODE_1080P50,
    "1080p30": MODE_1080P30,
    "720p60": MODE_720P60,
    "720p50": MODE_720P50,
}

NO_DRIVE: Final = "the USB gadget has no drive: it is disabled by kvmd/msd/type or otg/devices/msd/start"
NO_PANEL: Final = "the front panel is not wired: it is disabled by kvmd/atx/type"


@dataclass(slots=True)
class _Hid:
    """Keyboard and mice, from wherever they come."""

    keyboard: KeyboardPort
    mice: tuple[PointerPort, ...]
    link: UsbLink
    controller: HidController | None = None


@dataclass(slots=True)
class _Panel:
    """The front panel's four lines."""

    power_led: LineInput
    hdd_led: LineInput
    power_switch: LineOutput
    reset_switch: LineOutput


@dataclass(slots=True)
class _Parts:
    """What has been made so far: the tasks, by the names under which they are supervised."""

    tasks: dict[str, SupervisedTask] = field(default_factory=dict)


def linux_board(name: str, data: BoardData, needs: BoardNeeds) -> Board:
    """Make the drivers of *data*, as *needs* wants them. Raises SetupError for what contradicts itself."""
    assert data.linux is not None, f"the data of the board {name} lacks its linux table"
    linux = data.linux
    parts = _Parts()
    gadget = _gadget(linux, needs, parts)
    hid = _hid(linux, needs, gadget, parts)
    panel = _panel(linux, needs, parts)
    video, edid, edid_keeper = _video(linux, needs, parts)
    return Board(
        name=name,
        description=data.description,
        demo=data.demo,
        keyboard=hid.keyboard,
        mouse=hid.mice[0],
        mouse_alt=hid.mice[1] if len(hid.mice) > 1 else None,
        link=hid.link,
        hid_controller=hid.controller,
        power_led=panel.power_led,
        hdd_led=panel.hdd_led,
        power_switch=panel.power_switch,
        reset_switch=panel.reset_switch,
        video=video,
        edid=edid,
        edid_keeper=edid_keeper,
        media=_drive(needs, gadget, parts),
        switch=SerialSwitch(str(needs.switch_device)),
        sensors=LinuxSensors(
            throttled_file=find_throttled_file(), vcgencmd=needs.vcgencmd if linux.vcgencmd else ()
        ),
        # One that somebody names may be an expander behind a slow bus, which must not hold up everything.
        gpio_chip=lambda given: (
            GpioChip(given, slow=True) if given else GpioChip(linux.gpio_chip or DEFAULT_CHIP)
        ),
        gadget=gadget,
        tasks=parts.tasks,
    )


def _gadget(linux: LinuxData, needs: BoardNeeds, parts: _Parts) -> UsbGadget | None:
    if not needs.gadget.functions:
        return None
    spec = dataclasses.replace(needs.gadget, udc=needs.gadget.udc or linux.udc)
    gadget = UsbGadget(spec, composer=helper_if_needed())
    parts.tasks["board.gadget"] = gadget.run
    return gadget


def _hid(linux: LinuxData, needs: BoardNeeds, gadget: UsbGadget | None, parts: _Parts) -> _Hid:
    if needs.serial_hid is not None:
        return _serial_hid(linux, needs.serial_hid, absolute_first=needs.absolute_first, parts=parts)
    keyboard = gadget.keyboard if gadget is not None else None
    if gadget is None or keyboard is None or not gadget.mice:
        raise SetupError("expected a keyboard and a mouse in the USB gadget, got none - at kvmd/hid")
    return _Hid(keyboard, gadget.mice, gadget.link)


def _serial_hid(linux: LinuxData, needs: SerialHidNeeds, *, absolute_first: bool, parts: _Parts) -> _Hid:
    options: dict[str, float | int] = {}
    if needs.speed is not None:
        options["speed"] = needs.speed
    if needs.read_timeout_s is not None:
        options["read_timeout_s"] = needs.read_timeout_s
    if needs.kind == "ch9329":
        chip = Ch9329(str(needs.device), retries=needs.read_retries, **options)  # type: ignore[arg-type] # by name
        parts.tasks["board.ch9329"] = chip.run
        mice = (chip.mouse_absolute, chip.mouse_relative)
        return _Hid(chip.keyboard, mice if absolute_first else mice[::-1], chip.link)
    reset = None
    if needs.reset is not None:
        reset = GpioOutput(
            GpioChip(needs.reset_chip or linux.gpio_chip or DEFAULT_CHIP),
            OutputDeclaration(name="hid_reset", line=needs.reset.pin, active_low=needs.reset.inverted),
        )
        parts.tasks["board.hid_reset"] = reset.run
    mcu = McuHid(
        str(needs.device),
        read_retries=needs.read_retries,
        common_retries=needs.common_retries,
        retries_delay_s=needs.retries_delay_s,
        errors_threshold=needs.errors_threshold,
        reset_line=reset,
        **options,  # type: ignore[arg-type] # speed is whole, the timeout is not
    )
    parts.tasks["board.mcu_hid"] = mcu.run
    pointers = (mcu.mouse_absolute, mcu.mouse_relative)
    return _Hid(mcu.keyboard, pointers if absolute_first else pointers[::-1], mcu.link, mcu)


def _panel(linux: LinuxData, needs: BoardNeeds, parts: _Parts) -> _Panel:
    atx = needs.atx
    if atx is None:
        absent = AbsentLine(NO_PANEL)
        return _Panel(absent, absent, absent, absent)
    chip = GpioChip(atx.chip or linux.gpio_chip or DEFAULT_CHIP)

    def line_in(name: str, line: LineNeeds) -> GpioInput:
        made = GpioInput(chip, InputDeclaration(name=name, line=line.pin, active_low=line.inverted))
        parts.tasks[f"board.{name}"] = made.run
        return made

    def line_out(name: str, line: LineNeeds) -> GpioOutput:
        made = GpioOutput(chip, OutputDeclaration(name=name, line=line.pin, active_low=line.inverted))
        parts.tasks[f"board.{name}"] = made.run
        return made

    return _Panel(
        line_in("power_led", atx.power_led),
        line_in("hdd_led", atx.hdd_led),
        line_out("power_switch", atx.power_switch),
        line_out("reset_switch", atx.reset_switch),
    )


def _video(
    linux: LinuxData, needs: BoardNeeds, parts: _Parts
) -> tuple[VideoSource, EdidPort | None, EdidKeeper | None]:
    choice = (
        DeviceChoice(path=needs.video_device)
        if needs.video_device is not None
        else DeviceChoice(driver=linux.video.driver)
    )
    source = V4l2Source(choice)
    if not linux.video.edid:
        return source, None, None
    edid = V4l2Edid(source)
    own = build_edid(modes=[_MODES[mode] for mode in linux.video.edid])
    keeper = EdidKeeper(edid, needs.edid_file, own=own)
    parts.tasks["board.edid"] = keeper.run
    return source, edid, keeper


def _drive(needs: BoardNeeds, gadget: UsbGadget | None, parts: _Parts) -> MediaSlot:
    """Return the drive that the API knows; the extra ones are watched too, so that their data is flushed."""
    first: LunSlot | None = None
    for function, lun_dir in _luns(gadget):
        slot = LunSlot(lun_dir, inquiry=needs.drives.get(function))
        parts.tasks[f"board.{function.replace('.', '_')}"] = _after(gadget, slot.run)
        first = first or slot
    return first or AbsentDrive(NO_DRIVE)


def _after(gadget: UsbGadget | None, run: SupervisedTask) -> SupervisedTask:
    """Start *run* once the gadget is composed that it is a part of, or has had its time."""
    assert gadget is not None, "expected the gadget that the drive is part of"

    async def wait_and_run(*, task_status: trio.TaskStatus[None]) -> None:
        with trio.move_on_after(GADGET_PATIENCE_S):
            await gadget.wait_composed()
        await run(task_status=task_status)

    return wait_and_run


def _luns(gadget: UsbGadget | None) -> Iterator[tuple[str, Path]]:
    for function in gadget.spec.functions if gadget is not None else ():
        if gadget is not None and isinstance(function, MassStorageFunction):
            yield function.name, gadget.lun_directories(function.name)[0]
