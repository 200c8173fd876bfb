from __future__ import annotations

from typing import Any

import pytest

from drivers.gadget.spec import GadgetSpec, MassStorageFunction, keyboard
from firmware.boards.data import LinuxData, VideoData
from firmware.doctor.findings import Finding, Verdict
from firmware.doctor.kernel_modules import ModulePresence, module_presence
from firmware.doctor.usb import look_at_usb

SPEC = GadgetSpec(functions=(keyboard("usb0"), MassStorageFunction("usb0")))
LINUX = LinuxData(video=VideoData("uvcvideo", "plug it in"), udc="*.usb", udc_hint="add the overlay")
ALL_MODULES = ("libcomposite", "usb_f_hid", "usb_f_mass_storage")


def bad_ones(machine: Any, spec: GadgetSpec = SPEC) -> list[Finding]:
    return [found for found in look_at_usb(spec, LINUX, root=machine.root) if found.verdict is Verdict.BAD]


def texts(machine: Any, spec: GadgetSpec = SPEC) -> str:
    return "\n".join(f"{one.about}: {one.text}" for one in look_at_usb(spec, LINUX, root=machine.root))


def test_a_board_that_is_ready(machine: Any) -> None:
    machine.loaded(*ALL_MODULES)
    machine.controller("fe980000.usb", "not attached")
    (machine.root / "sys/kernel/config/usb_gadget").mkdir()
    assert bad_ones(machine) == []
    assert "hid.usb0, mass_storage.usb0: 3 of 9 endpoints" in texts(machine)
    assert "fe980000.usb: free" in texts(machine)


@pytest.mark.parametrize(
    ("state", "told"),
    [("configured", "a host uses it"), ("not attached", "no host"), ("suspended", "sleeps"), ("odd", "odd")],
)
def test_our_gadgets_host_is_told(machine: Any, state: str, told: str) -> None:
    machine.loaded(*ALL_MODULES)
    machine.controller("fe980000.usb", state)
    machine.gadget("farhand", "fe980000.usb")
    assert bad_ones(machine) == []
    assert told in texts(machine)


def test_nothing_is_there(machine: Any) -> None:
    found = bad_ones(machine)
    assert [one.about for one in found] == [
        "USB gadgets",
        "USB functions hid.usb0",
        "USB functions mass_storage.usb0",
        "USB device controller",
    ]
    assert "CONFIG_USB_LIBCOMPOSITE" in found[0].mend
    assert found[-1].mend == "add the overlay"


def test_a_controller_of_another_name_is_named(machine: Any) -> None:
    machine.loadable(*ALL_MODULES)
    machine.controller("other.0", "not attached")
    (only,) = bad_ones(machine)
    assert "none called *.usb; there is other.0" in only.text


def test_a_foreign_gadget_is_named_with_what_to_do(machine: Any) -> None:
    machine.loadable(*ALL_MODULES)
    machine.controller("fe980000.usb", "configured")
    machine.gadget("kvmd", "fe980000.usb")
    (only,) = bad_ones(machine)
    assert "another gadget, kvmd" in only.text
    assert "usb_gadget/kvmd/UDC" in only.mend


def test_configfs_has_to_be_mounted(machine: Any) -> None:
    machine.loadable(*ALL_MODULES)
    machine.controller("fe980000.usb", "not attached")
    (machine.root / "sys/kernel/config").rmdir()
    (only,) = bad_ones(machine)
    assert only.mend.startswith("mount -t configfs")


def test_functions_beyond_the_endpoints_are_told(machine: Any) -> None:
    machine.loadable(*ALL_MODULES)
    machine.controller("fe980000.usb", "not attached")
    assert "it takes 2 endpoints" in texts(machine, GadgetSpec(functions=SPEC.functions, endpoint_budget=2))


def test_where_modules_are(machine: Any) -> None:
    machine.loaded("a")
    machine.loadable("usb-b")
    machine.built_in("c")
    found = [module_presence(name, root=machine.root) for name in ("a", "usb_b", "c", "d")]
    assert found == [
        ModulePresence.LOADED,
        ModulePresence.LOADABLE,
        ModulePresence.BUILT_IN,
        ModulePresence.MISSING,
    ]
