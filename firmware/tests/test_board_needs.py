"""What a configuration asks of a board: the gadget of config.md 4, lines, chips; and the board made of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from drivers.absent import AbsentDrive, AbsentLine
from drivers.gadget.lun_inquiry import InquiryString
from drivers.gadget.spec import HidFunction, HidRole, MassStorageFunction
from drivers.video import time_stripe
from drivers.video.frame import Frame
from firmware.board_needs import DRIVE, board_needs
from firmware.boards.board import Board
from firmware.boards.data import read_board
from firmware.boards.load import compose_board
from firmware.boards.needs import BoardNeeds, LineNeeds
from firmware.core.errors import SetupError
from firmware.settings import load


def needs_of(directory: Path, text: str) -> BoardNeeds:
    (directory / "override.yaml").write_text(text)
    return board_needs(load(directory))


def board_of(directory: Path, text: str, name: str = "rpi4-csi") -> Board:
    return compose_board(name, read_board(name), needs_of(directory, text))


def names(needs: BoardNeeds) -> list[str]:
    return [function.name for function in needs.gadget.functions]


def test_the_default_gadget_is_the_contracts(tmp_path: Path) -> None:
    needs = needs_of(tmp_path, "")
    assert names(needs) == ["hid.usb0", "hid.usb1", "hid.usb2", "mass_storage.usb0"]
    roles = [function.role for function in needs.gadget.functions if isinstance(function, HidFunction)]
    assert roles == [HidRole.KEYBOARD, HidRole.ABSOLUTE_MOUSE, HidRole.RELATIVE_MOUSE]
    spec = needs.gadget
    assert (spec.vendor_id, spec.product_id, spec.serial) == (0x1D6B, 0x0104, "CAFEBABE")
    assert (spec.max_power_ma, spec.remote_wakeup, spec.endpoint_budget) == (250, True, 9)
    assert spec.bcd_device() == 0x0100
    drive = spec.functions[-1]
    assert isinstance(drive, MassStorageFunction)
    assert (drive.luns[0].cdrom, drive.luns[0].ro) == (True, True)
    assert needs.drives[DRIVE].flash == InquiryString("PiKVM", "Flash Drive", "1.00")


def test_everything_that_can_be_switched_on(tmp_path: Path) -> None:
    needs = needs_of(
        tmp_path,
        """
otg:
    vendor_id: 0x1234
    serial: null
    device_version: 0x0200
    udc: some.usb
    devices:
        hid: {mouse_alt: {start: false}}
        drives: {enabled: true, count: 2}
        ethernet: {enabled: true, driver: ncm}
        serial: {enabled: true}
        audio: {enabled: true, speakers: {enabled: true}}
kvmd: {hid: {mouse: {absolute: false, horizontal_wheel: false}}}
""",
    )
    assert names(needs) == [
        *("hid.usb0", "hid.usb1", "hid.usb2"),
        *("mass_storage.usb0", "mass_storage.usb1", "mass_storage.usb2"),
        *("ncm.usb0", "acm.usb0", "uac2.usb0"),
    ]
    spec = needs.gadget
    assert (spec.vendor_id, spec.serial, spec.bcd_device(), spec.udc) == (0x1234, None, 0x0200, "some.usb")
    first, second = spec.functions[1], spec.functions[2]
    assert isinstance(first, HidFunction)
    assert isinstance(second, HidFunction)
    assert (first.role, first.horizontal_wheel, first.start) == (HidRole.RELATIVE_MOUSE, False, True)
    assert (second.role, second.horizontal_wheel, second.start) == (HidRole.ABSOLUTE_MOUSE, True, False)
    assert set(needs.drives) == {DRIVE, "mass_storage.usb1", "mass_storage.usb2"}


def test_a_name_that_no_drive_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="inquiry_string"):
        needs_of(tmp_path, "otg: {devices: {msd: {default: {inquiry_string: {flash: {product: 'Gerät'}}}}}}")


def test_a_manufacturer_of_any_script_is_a_vendor_of_drives(tmp_path: Path) -> None:
    needs = needs_of(tmp_path, "otg: {manufacturer: 'Löwe & Söhne'}")
    assert needs.gadget.manufacturer == "Löwe & Söhne"
    assert needs.drives[DRIVE].flash.vendor == "Lowe & S"
    assert needs_of(tmp_path, "otg: {manufacturer: '会社'}").drives[DRIVE].flash.vendor == ""


def test_lines_are_those_of_the_boards_chip_unless_one_is_given(tmp_path: Path) -> None:
    needs = needs_of(tmp_path, "kvmd: {atx: {power_led_pin: 5, power_led_inverted: true}}")
    assert needs.atx is not None
    assert needs.atx.chip is None
    assert needs.atx.power_led == LineNeeds(5, inverted=True)
    needs = needs_of(tmp_path, "kvmd: {atx: {device: /dev/gpiochip4}}")
    assert needs.atx is not None
    assert needs.atx.chip == "/dev/gpiochip4"


def test_a_raspberry_pi_is_made_of_its_drivers(tmp_path: Path) -> None:
    board = board_of(tmp_path, "")
    assert set(board.tasks) == {
        "board.gadget",
        *("board.power_led", "board.hdd_led", "board.power_switch", "board.reset_switch"),
        "board.edid",
        "board.mass_storage_usb0",
    }
    assert board.link is not None
    assert board.mouse.absolute
    assert board.mouse_alt is not None
    assert not board.mouse_alt.absolute
    assert not board.demo


def test_what_is_switched_off_is_not_driven(tmp_path: Path) -> None:
    text = "kvmd: {atx: {type: disabled}, msd: {type: disabled}, hid: {mouse_alt: {device: ''}}}"
    board = board_of(tmp_path, text, "rpi4-usb")
    assert set(board.tasks) == {"board.gadget"}
    assert isinstance(board.power_switch, AbsentLine)
    assert isinstance(board.media, AbsentDrive)
    assert board.mouse_alt is None
    assert board.edid is None


@pytest.mark.parametrize(("kind", "task"), [("ch9329", "board.ch9329"), ("serial", "board.mcu_hid")])
def test_a_board_without_a_gadget_controller(tmp_path: Path, kind: str, task: str) -> None:
    text = f"kvmd: {{atx: {{type: disabled}}, msd: {{type: disabled}}, hid: {{type: {kind}, reset_pin: 4}}}}"
    board = board_of(tmp_path, text, "generic")
    assert task in board.tasks
    assert "board.gadget" not in board.tasks
    assert ("board.hid_reset" in board.tasks) == (kind == "serial")
    assert (board.hid_controller is not None) == (kind == "serial")
    assert {board.mouse.absolute, board.mouse_alt is not None} == {True}


def test_a_switch_is_at_its_serial_line_or_emulated_if_wanted(tmp_path: Path) -> None:
    board = board_of(tmp_path, "kvmd: {switch: {device: /dev/ttyS7}}")
    assert board.switch is not None
    assert board.switch.name == "/dev/ttyS7"
    board = board_of(tmp_path, "", "emulated")
    assert (board.switch, board.emulated_switch) == (None, None)
    board = board_of(tmp_path, "farhand: {emulated: {switch_units: 3}}", "emulated")
    assert board.emulated_switch is not None
    assert board.switch is board.emulated_switch
    assert board.emulated_switch.chain.length == 3
    assert "board.switch" in board.tasks


@pytest.mark.parametrize("moves", [False, True])
async def test_an_emulated_screen_is_made_for_measurements_if_wanted(tmp_path: Path, moves: bool) -> None:
    stripe = not moves
    text = f"farhand: {{emulated: {{time_stripe: {str(stripe).lower()}, motion: {str(moves).lower()}}}}}"
    board = board_of(tmp_path, text, "emulated")
    async with trio.open_nursery() as nursery:
        await nursery.start(board.tasks["board.pc"])
        async with board.video.open(max_fps=60) as stream:
            first, second = [await stream.next() for _ in range(2)]
        assert isinstance(first, Frame)
        assert isinstance(second, Frame)
        drawn_at = time_stripe.read(bytes(first.data)[::2], first.width, near_s=first.grab_begin)
        assert (drawn_at is not None) == stripe
        rows = slice(16 * first.stride_bytes, None)
        assert (bytes(first.data)[rows] != bytes(second.data)[rows]) == moves
        nursery.cancel_scope.cancel()
