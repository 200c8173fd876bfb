"""The gadget's values: the contract's defaults, versions, endpoints and names."""

from __future__ import annotations

import dataclasses

import pytest

from drivers.gadget.lun_inquiry import InquiryString
from drivers.gadget.plan import desired_tree
from drivers.gadget.spec import (
    AudioFunction,
    EthernetFunction,
    GadgetSpec,
    Lun,
    MassStorageFunction,
    SerialFunction,
    keyboard,
    mouse,
)

MICE = (mouse("usb1", absolute=True), mouse("usb2", absolute=False))
BASE = (keyboard("usb0"), *MICE, MassStorageFunction("usb0"))


def values(spec: GadgetSpec) -> dict[str, bytes]:
    return {one.path: one.value for one in desired_tree(spec, "udc").attributes}


def test_defaults_of_the_contract() -> None:
    written = values(GadgetSpec(functions=BASE))
    assert int(written["idVendor"], 0) == 0x1D6B
    assert int(written["idProduct"], 0) == 0x0104
    assert int(written["bcdUSB"], 0) == 0x0200
    assert int(written["bcdDevice"], 0) == 0x0100
    assert written["configs/c.1/MaxPower"] == b"250"
    assert int(written["configs/c.1/bmAttributes"], 0) == 0xA0
    assert written["strings/0x409/serialnumber"] == b"CAFEBABE"
    assert written["strings/0x409/product"] == b"PiKVM Composite Device"
    assert written["functions/hid.usb0/report_length"] == b"8"
    assert (written["functions/hid.usb0/protocol"], written["functions/hid.usb0/subclass"]) == (b"1", b"1")
    assert (written["functions/hid.usb1/protocol"], written["functions/hid.usb1/subclass"]) == (b"0", b"0")
    assert (written["functions/hid.usb2/protocol"], written["functions/hid.usb2/subclass"]) == (b"2", b"1")
    assert written["functions/hid.usb1/report_length"] == b"7"
    assert written["functions/hid.usb2/report_length"] == b"5"


def test_null_strings() -> None:
    tree = desired_tree(GadgetSpec(functions=BASE, serial=None), "udc")
    assert tree.empty == {"strings/0x409/serialnumber"}
    assert "configs/c.1/strings/0x409" not in tree.directories
    tree = desired_tree(GadgetSpec(functions=BASE, configuration="Main"), "udc")
    assert "configs/c.1/strings/0x409" in tree.directories
    assert not tree.empty


@pytest.mark.parametrize(
    ("driver", "version"),
    [("ecm", 0x100), ("eem", 0x100), ("rndis", 0x101), ("rndis5", 0x101), ("ncm", 0x102)],
)
def test_device_version(driver: str, version: int) -> None:
    ethernet = EthernetFunction("usb0", driver)  # type: ignore[arg-type]  # parametrized names of the literal
    spec = GadgetSpec(functions=(*BASE, ethernet))
    assert spec.bcd_device() == version
    assert dataclasses.replace(spec, device_version=0x0555).bcd_device() == 0x0555


def test_windows_hints() -> None:
    tree = desired_tree(GadgetSpec(functions=(EthernetFunction("usb0", "rndis"),)), "udc")
    written = {one.path: one.value for one in tree.attributes}
    assert written["functions/rndis.usb0/os_desc/interface.rndis/compatible_id"] == b"RNDIS"
    assert written["os_desc/use"] == b"1"
    assert tree.links[-1].path == "os_desc/c.1"
    tree = desired_tree(GadgetSpec(functions=(EthernetFunction("usb0", "rndis5"),)), "udc")
    assert {one.path: one.value for one in tree.attributes}["os_desc/use"] == b"0"
    assert [link.path for link in tree.links] == ["configs/c.1/rndis.usb0"]


def test_endpoints_of_the_contract() -> None:
    assert [function.endpoints for function in BASE] == [1, 1, 1, 2]
    assert EthernetFunction("usb0").endpoints == 3
    assert SerialFunction("usb0").endpoints == 3
    assert AudioFunction("usb0", mic=True, speakers=False).endpoints == 2
    assert AudioFunction("usb0", mic=True, speakers=True).endpoints == 3


def test_what_does_not_fit_the_endpoints_is_made_but_not_linked_and_said() -> None:
    spec = GadgetSpec(functions=(*BASE, EthernetFunction("usb0"), SerialFunction("usb0")), endpoint_budget=9)
    selection = spec.select()
    assert [one.name for one in selection.linked] == [
        *("hid.usb0", "hid.usb1", "hid.usb2", "mass_storage.usb0", "ecm.usb0")
    ]
    assert list(selection.left_out) == ["acm.usb0"]
    assert "3 endpoints, and 1 of 9" in selection.left_out["acm.usb0"]
    tree = desired_tree(spec, "udc")
    assert "functions/acm.usb0" in tree.directories
    assert "configs/c.1/acm.usb0" not in {link.path for link in tree.links}


def test_a_smaller_function_takes_what_a_larger_one_left() -> None:
    spec = GadgetSpec(functions=(SerialFunction("usb0"), *MICE), endpoint_budget=2)
    assert [one.name for one in spec.select().linked] == ["hid.usb1", "hid.usb2"]


def test_start_flags_and_what_overrides_them() -> None:
    spec = GadgetSpec(functions=(keyboard("usb0"), SerialFunction("usb0", start=False)))
    assert [one.name for one in spec.select().linked] == ["hid.usb0"]
    assert "configured not to start" in spec.select().left_out["acm.usb0"]
    spec = dataclasses.replace(spec, enabled=frozenset({"acm.usb0"}), disabled=frozenset({"hid.usb0"}))
    assert [one.name for one in spec.select().linked] == ["acm.usb0"]


def test_a_function_that_the_kernel_lacks_is_left_out_by_name() -> None:
    spec = GadgetSpec(functions=(keyboard("usb0"), SerialFunction("usb0")))
    selection = spec.select(missing={"acm.usb0"})
    assert [one.name for one in selection.linked] == ["hid.usb0"]
    assert "usb_f_acm" in selection.left_out["acm.usb0"]
    assert "functions/acm.usb0" not in desired_tree(spec, "udc", missing={"acm.usb0"}).directories


def test_audio_directions() -> None:
    written = values(GadgetSpec(functions=(AudioFunction("usb0", mic=False, speakers=True),)))
    assert written["functions/uac2.usb0/p_chmask"] == b"0"
    assert written["functions/uac2.usb0/c_chmask"] == b"3"


def test_inquiry_string_of_a_drive() -> None:
    lun = Lun(inquiry=InquiryString("PiKVM", "Optical Drive", "1.00"))
    written = values(GadgetSpec(functions=(MassStorageFunction("usb0", (lun, Lun())),)))
    at = "functions/mass_storage.usb0"
    assert written[f"{at}/lun.0/inquiry_string"] == b"PiKVM   Optical Drive   1.00"
    assert f"{at}/lun.1/inquiry_string" not in written


def test_drives_beyond_the_first_get_directories() -> None:
    function = MassStorageFunction("usb0", (Lun(), Lun(), Lun()))
    assert function.directories() == ("lun.1", "lun.2")


def test_a_name_can_be_taken_once() -> None:
    with pytest.raises(ValueError, match="expected each function once"):
        GadgetSpec(functions=(keyboard("usb0"), mouse("usb0", absolute=True)))
