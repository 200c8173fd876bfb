"""What a host notices of a composition that finds less in the kernel than it wants, or fails altogether."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from peers.usb_host import UsbDevice, find_devices, wait_until

from drivers.errors import DriverError
from drivers.gadget.gadget import UsbGadget
from drivers.gadget.spec import AudioFunction, GadgetSpec, SerialFunction


def find_devices_of(spec: GadgetSpec, *, other_than: int) -> list[UsbDevice]:
    """The host's devices of *spec*, but not the one that had this number."""
    found = find_devices(vendor=spec.vendor_id, product=spec.product_id, serial=spec.serial)
    return [device for device in found if device.read("devnum") not in {"", str(other_than)}]


async def test_a_restart_without_a_function_of_the_kernel_is_not_seen_by_the_host(
    dummy: str, spec: Any, running: Any, host: Any
) -> None:
    wanted = spec(dummy)
    wanted = dataclasses.replace(wanted, functions=(*wanted.functions, AudioFunction("usb0")))
    async with running(UsbGadget(wanted)), host(wanted) as device:
        number = device.number
    for _ in range(2):
        async with running(UsbGadget(wanted)) as gadget:
            assert "uac2.usb0" in gadget.left_out
        assert device.number == number


async def test_a_restart_after_the_kernel_chose_its_own_usb_version_is_not_seen_by_the_host(
    dummy: str, spec: Any, running: Any, host: Any, gadgets: Path
) -> None:
    wanted = spec(dummy, usb_version=0x0110)
    async with running(UsbGadget(wanted)), host(wanted) as device:
        number = device.number
    assert int((gadgets / wanted.name / "bcdUSB").read_text(), 0) != wanted.usb_version
    async with running(UsbGadget(wanted)):
        pass
    assert device.number == number


TOO_LONG = (
    ({"manufacturer": "m" * 200}, r"expected at most 126 characters, got 200 - .* shorten otg/manufacturer"),
    ({"serial": "s" * 127}, r"got 127 - .* shorten otg/serial"),
    ({"configuration": "c" * 130}, r"got 130 - .* shorten otg/config$"),
)


@pytest.mark.parametrize(("changes", "message"), TOO_LONG)
async def test_a_text_that_is_too_long(
    dummy: str, spec: Any, gadgets: Path, changes: Any, message: str
) -> None:
    with pytest.raises(DriverError, match=message):
        await UsbGadget(spec(dummy, **changes)).run()
    assert not (gadgets / "farhand").exists()


async def test_a_change_that_fails_leaves_the_interfaces_in_their_order(
    dummy: str, spec: Any, running: Any, host: Any
) -> None:
    wanted = spec(dummy)
    wanted = dataclasses.replace(wanted, functions=(*wanted.functions, SerialFunction("usb0")))
    async with running(UsbGadget(wanted)), host(wanted) as device:
        number = device.number
    wrong = dataclasses.replace(wanted, manufacturer="m" * 200, endpoint_budget=3)
    with pytest.raises(DriverError, match="126"):
        await UsbGadget(wrong).run()
    await wait_until(lambda: bool(find_devices_of(wanted, other_than=number)), "the device again")
    (device,) = find_devices_of(wanted, other_than=number)
    await wait_until(lambda: device.interface(4).exists(), "all interfaces")
    classes = [(device.interface(one) / "bInterfaceClass").read_text()[:2] for one in range(5)]
    assert classes == ["03", "03", "03", "02", "0a"]
