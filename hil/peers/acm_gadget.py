"""A USB serial port with both ends in one kernel: ttyACM, which the appliance has, and ttyGS behind it.

Composed by hand in configfs, independent of the appliance's own gadget.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from peers import modules

SERIAL_NUMBER = "RIGACM01"
_CONFIGFS = Path("/sys/kernel/config/usb_gadget")
_UDC = "dummy_udc.0"
_DEADLINE_S = 30


class AcmGadget:
    """The device; `plug` and `unplug` are its cable."""

    def __init__(self, name: str = "rigacm") -> None:
        modules.load("libcomposite", "usb_f_acm", "cdc-acm", "dummy_hcd")
        self._root = _CONFIGFS / name
        self._function = self._root / "functions/acm.0"
        self._configuration = self._root / "configs/c.1"
        strings = self._root / "strings/0x409"
        self._root.mkdir()
        for directory in (strings, self._function, self._configuration):
            directory.mkdir()
        (self._root / "idVendor").write_text("0x1d6b")
        (self._root / "idProduct").write_text("0x0104")
        (strings / "serialnumber").write_text(SERIAL_NUMBER)
        (self._configuration / "acm.0").symlink_to(self._function)

    @property
    def device_side(self) -> str:
        """The tty of the device's own program."""
        return "/dev/ttyGS" + (self._function / "port_num").read_text().strip()

    def plug(self) -> str:
        """Plug it in and return the host's tty."""
        (self._root / "UDC").write_text(_UDC)
        end = time.monotonic() + _DEADLINE_S
        while time.monotonic() < end:
            tty = _host_tty()
            if tty is not None and tty.exists():
                return str(tty)
            time.sleep(0.02)
        raise TimeoutError("expected a ttyACM to appear")

    def unplug(self) -> None:
        """Pull it, and wait until the host has noticed."""
        with suppress(OSError):
            (self._root / "UDC").write_text("\n")
        end = time.monotonic() + _DEADLINE_S
        while _host_tty() is not None:
            if time.monotonic() > end:
                raise TimeoutError("expected the ttyACM to disappear")
            time.sleep(0.02)

    def remove(self) -> None:
        """Take it apart and leave the kernel as it was."""
        self.unplug()
        (self._configuration / "acm.0").unlink()
        for directory in (
            self._configuration,
            self._function,
            self._root / "strings/0x409",
            self._root,
        ):
            directory.rmdir()
        modules.unload("dummy_hcd")


def _host_tty() -> Path | None:
    for tty in Path("/sys/class/tty").glob("ttyACM*"):
        with suppress(OSError):
            if ((tty / "device").resolve().parent / "serial").read_text().strip() == SERIAL_NUMBER:
                return Path("/dev", tty.name)
    return None
