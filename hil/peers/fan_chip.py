"""A fan controller chip (TI AMC6821) on a bus that the kernel emulates, driven by the kernel's own driver.

i2c-stub keeps 256 registers; the test writes what the chip would measure. Register numbers: the chip's data
sheet. ioctl numbers: <linux/i2c-dev.h>.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import time
from pathlib import Path

from peers import modules

ADDRESS = 0x18
DRIVER = "amc6821"
DEADLINE_S = 60.0
_DEVICES = Path("/sys/bus/i2c/devices")
_BUS_NAME = "SMBus stub driver"

# Device and company number, by which the driver knows the chip.
_IDENTIFICATION = {0x3D: 0x21, 0x3E: 0x49}
_REG_STATUS1 = 0x02
_REG_TACH_LOW = 0x08
_REG_TACH_HIGH = 0x09
_FAN_TOO_SLOW = 0x02
_TACH_TICKS_PER_MINUTE = 6_000_000

_I2C_SLAVE_FORCE = 0x0706
_I2C_SMBUS = 0x0720
_SMBUS_WRITE = 0
_SMBUS_BYTE_DATA = 2


class _SmbusData(ctypes.Structure):
    _fields_ = [
        ("read_write", ctypes.c_uint8),
        ("command", ctypes.c_uint8),
        ("size", ctypes.c_uint32),
        ("data", ctypes.c_void_p),
    ]


class FanChip:
    """The chip, with the kernel's driver on it; `close` takes both away."""

    def __init__(self) -> None:
        self._had_i2c_dev = modules.is_loaded("i2c-dev")
        modules.load("i2c-dev")
        modules.load("i2c-stub", chip_addr=ADDRESS)
        self._bus = next(entry for entry in _DEVICES.iterdir() if self._name_of(entry) == _BUS_NAME)
        for register, value in _IDENTIFICATION.items():
            self.write(register, value)
        modules.load(DRIVER)
        (self._bus / "new_device").write_text(f"{DRIVER} {ADDRESS:#x}")
        deadline = time.monotonic() + DEADLINE_S
        while not any(self.hwmon_class_entries()):
            if time.monotonic() > deadline:
                raise TimeoutError("expected the driver to take the chip, it did not")
            time.sleep(0.05)

    def hwmon_class_entries(self) -> list[Path]:
        """The chip's entries in the hwmon class."""
        number = self._bus.name.removeprefix("i2c-")
        return list((_DEVICES / f"{number}-{ADDRESS:04x}").glob("hwmon/hwmon*"))

    def measure(self, *, rpm: int, is_faulty: bool = False) -> None:
        """Let it measure *rpm*."""
        ticks = _TACH_TICKS_PER_MINUTE // rpm
        self.write(_REG_TACH_LOW, ticks & 0xFF)
        self.write(_REG_TACH_HIGH, ticks >> 8)
        self.write(_REG_STATUS1, _FAN_TOO_SLOW if is_faulty else 0)

    def govern(self, duty: int) -> None:
        """Set the duty cycle, 0 to 255, as the kernel's thermal governor does: through the driver."""
        (chip,) = self.hwmon_class_entries()
        (chip / "pwm1_enable").write_text("1")
        (chip / "pwm1").write_text(str(duty))

    def write(self, register: int, value: int) -> None:
        """Set one register."""
        byte = (ctypes.c_uint8 * 34)(value)
        request = _SmbusData(_SMBUS_WRITE, register, _SMBUS_BYTE_DATA, ctypes.addressof(byte))
        fd = os.open(Path("/dev", self._bus.name), os.O_RDWR)
        try:
            fcntl.ioctl(fd, _I2C_SLAVE_FORCE, ADDRESS)
            fcntl.ioctl(fd, _I2C_SMBUS, request)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Take the chip off the bus, and the bus away."""
        (self._bus / "delete_device").write_text(f"{ADDRESS:#x}")
        modules.unload(DRIVER)
        modules.unload("i2c-stub")
        if not self._had_i2c_dev:
            modules.unload("i2c-dev")

    def _name_of(self, entry: Path) -> str:
        try:
            return (entry / "name").read_text().strip()
        except OSError:
            return ""
