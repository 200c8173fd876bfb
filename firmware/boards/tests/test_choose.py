from __future__ import annotations

from pathlib import Path

import pytest

from drivers.system.device_tree import DeviceTree
from firmware.boards.choose import board_of_model, choose_board
from firmware.boards.data import board_names, read_board
from firmware.core.errors import SetupError

BRIDGE = frozenset({"raspberrypi,4-model-b", "brcm,bcm2711", "toshiba,tc358743"})


def tree(root: Path, model: str, **nodes: dict[str, str]) -> DeviceTree:
    """A device tree as the kernel shows it: directories are nodes, files are properties ending in NUL."""
    (root / "model").write_text(f"{model}\0")
    for name, properties in nodes.items():
        node = root / "soc" / "i2c0" / name
        node.mkdir(parents=True)
        for key, value in properties.items():
            (node / key).write_text(f"{value}\0")
    return DeviceTree(root)


@pytest.mark.parametrize(
    ("model", "usb", "csi"),
    [
        ("Raspberry Pi 4 Model B Rev 1.4", "rpi4-usb", "rpi4-csi"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "cm4-usb", "cm4-csi"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "zero2w-usb", "zero2w-csi"),
        ("Raspberry Pi 5 Model B Rev 1.0", "rpi5-usb", "rpi5-csi"),
    ],
)
def test_the_device_tree_tells_the_board(model: str, usb: str, csi: str) -> None:
    assert board_of_model(model, frozenset()) == usb
    assert board_of_model(model, BRIDGE) == csi


def test_a_capture_chip_counts_only_while_it_is_enabled(tmp_path: Path) -> None:
    chip = {"compatible": "toshiba,tc358743\0toshiba,other"}
    model = "Raspberry Pi 4 Model B Rev 1.4"
    (tmp_path / "on").mkdir()
    assert choose_board(None, tree(tmp_path / "on", model, hdmi=chip)) == "rpi4-csi"
    (tmp_path / "off").mkdir()
    disabled = {**chip, "status": "disabled"}
    assert choose_board(None, tree(tmp_path / "off", model, hdmi=disabled)) == "rpi4-usb"


def test_an_unknown_machine_is_never_emulated(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"'Some Board'.*generic"):
        choose_board(None, tree(tmp_path, "Some Board"))
    with pytest.raises(SetupError, match="no device tree"):
        choose_board(None, DeviceTree(tmp_path / "none"))


def test_a_name_needs_no_device_tree(tmp_path: Path) -> None:
    assert choose_board("qemu", DeviceTree(tmp_path / "none")) == "qemu"


@pytest.mark.parametrize("name", board_names())
def test_every_board_has_what_its_kind_needs(name: str) -> None:
    data = read_board(name)
    assert (data.kind == "linux") == (data.linux is not None)
    assert (data.kind == "qemu") == (data.qemu is not None)
    assert data.demo == (data.kind != "linux"), "a real machine never has a default password"


def test_a_patched_board_keeps_what_it_does_not_patch() -> None:
    base, patched = read_board("rpi4-usb").linux, read_board("rpi5-csi").linux
    assert base is not None
    assert patched is not None
    assert patched.udc_hint == base.udc_hint
    assert patched.gpio_chip != base.gpio_chip
    assert patched.video.driver == "rp1-cfe"
