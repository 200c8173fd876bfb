"""Puts the doctor's looks together, for the board and the configuration at hand; changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from grp import getgrall
from pathlib import Path
from typing import Final

import trio

from drivers.system.device_tree import DeviceTree
from firmware import usable
from firmware.board_needs import board_needs
from firmware.boards.choose import choose_board
from firmware.boards.data import BoardData, read_board
from firmware.boards.load import compose_board
from firmware.core.config.errors import ConfigurationError
from firmware.core.errors import SetupError
from firmware.doctor.capture import look_at_capture
from firmware.doctor.encoders import look_at_h264
from firmware.doctor.findings import Finding, bad, note, ok
from firmware.doctor.lines import look_at_lines
from firmware.doctor.machine import look_at_machine
from firmware.doctor.rights import look_at_rights, service_identity
from firmware.doctor.serial_ports import look_at_serial_hid, look_at_switch
from firmware.doctor.slots import look_at_slots
from firmware.doctor.usb import look_at_usb
from firmware.settings import LoadedSettings, load

DEADLINE_S: Final = 30.0
"""Every look takes milliseconds; a device that hangs holds up its own for some seconds."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is to be looked at: a board by name, or None to find out; and the configuration directory."""

    board: str | None
    config_dir: Path
    state_dir: Path | None = None


async def examine(patient: Patient) -> list[Finding]:
    """Return everything there is to say; never raises for what is wrong with the patient."""
    findings: list[Finding] = []
    with trio.move_on_after(DEADLINE_S) as scope:
        async for finding in _looks(patient):
            findings.append(finding)  # noqa: PERF401 - what was found before the deadline counts
    if scope.cancelled_caught:
        findings.append(
            bad(
                "the doctor",
                f"did not get done within {DEADLINE_S:.0f} s",
                "see the kernel's log for what hangs",
            )
        )
    return findings


async def _looks(patient: Patient) -> AsyncIterator[Finding]:
    try:
        name = choose_board(patient.board or load(patient.config_dir).settings.farhand.board)
        data = read_board(name)
    except SetupError as exc:
        yield bad("board", str(exc), "name one with --board, or as farhand/board in override.yaml")
        return
    yield _of_board(patient, name, data)
    for finding in look_at_slots():
        yield finding
    try:
        loaded = load(patient.config_dir, base=data.settings)
        warnings = [*loaded.warnings, *usable.check(loaded)]
    except ConfigurationError as exc:
        for problem in exc.errors:
            yield bad("configuration", str(problem), f"correct it in {patient.config_dir}")
        return
    for warning in warnings:
        yield note("configuration", warning)
    if not warnings:
        yield ok("configuration", f"{patient.config_dir}: {len(loaded.files)} files")
    async for finding in _of_devices(name, data, loaded, patient):
        yield finding


def _of_board(patient: Patient, name: str, data: BoardData) -> Finding:
    model = DeviceTree().model()
    told = f"{name}: {data.description}"
    if model is not None and data.models and not model.startswith(data.models):
        return note(
            "board", f"{told}, though this machine calls itself {model!r}", "check --board or farhand/board"
        )
    how = "named" if patient.board else f"by its configuration or its device tree ({model})"
    return ok("board", f"{told}, {how}")


async def _of_devices(
    name: str, data: BoardData, loaded: LoadedSettings, patient: Patient
) -> AsyncIterator[Finding]:
    try:
        needs = board_needs(loaded)
        board = compose_board(name, data, needs)
    except SetupError as exc:
        yield bad("board", str(exc), "correct that in the configuration")
        return
    async for finding in look_at_machine(board.sensors, patient.state_dir or loaded.settings.farhand.state):
        yield finding
    async for finding in look_at_h264(loaded.settings.kvmd.streamer.h264_bitrate.default):
        yield finding
    if data.linux is None:
        yield ok("devices", "this board needs no hardware")
        return
    for finding in look_at_rights(
        service_identity(), groups=[(one.gr_name, one.gr_gid) for one in getgrall()]
    ):
        yield finding
    for finding in look_at_usb(needs.gadget, data.linux):
        yield finding
    if needs.serial_hid is not None:
        for finding in look_at_serial_hid(needs.serial_hid):
            yield finding
    for finding in look_at_lines(needs.atx, data.linux.gpio_chip):
        yield finding
    for finding in look_at_switch(needs.switch_device):
        yield finding
    async for finding in look_at_capture(data.linux.video, needs.video_device):
        yield finding
