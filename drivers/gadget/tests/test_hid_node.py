"""The keyboard's node where the kernel refuses it; hosts and their habits are in hil/kernel/gadget."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import DeviceGoneError, DriverError, HostNotReadyError
from drivers.gadget.hid import GadgetKeyboard
from drivers.gadget.spec import keyboard
from drivers.gadget.udc import UdcLink


@pytest.mark.fault("gadget HID", "EIO")
async def test_an_error_of_the_node_is_a_fault_that_names_the_keyboard() -> None:
    port = GadgetKeyboard(keyboard("usb0"), UdcLink())
    # Nothing is mapped at the address 0, and the kernel says so by EIO.
    with port.attached(Path("/proc/self/mem")), pytest.raises(DriverError, match="Input/output") as told:
        await port.write(bytes(8))
    assert "the USB keyboard hid.usb0" in str(told.value)
    # A fault of the device, for its supervisor; not a host that will be asked again in a moment.
    assert not isinstance(told.value, HostNotReadyError)
    with pytest.raises(DeviceGoneError):
        await port.write(bytes(8))
