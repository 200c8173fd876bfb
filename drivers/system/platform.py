"""Which board this is: the device tree, the platform file and the kernel (contract subsystems.md 12).

Only reads. What a machine does not have (a PC has no device tree) is None, never an error.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.errors import DeviceGoneError, DriverError
from drivers.system.blocking import BlockingCalls

logger = logging.getLogger(__name__)

DEVICE_TREE: Final = Path("/proc/device-tree")

# A property of the device tree ends with a NUL (Devicetree Specification 2.2.4, <string>).
_NUL: Final = "\0"


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """What the board says of itself; None where it does not.

    `base` and `serial` come from the device tree, the serial number in upper case; the others from the
    platform file's lines PIKVM_MODEL=, PIKVM_VIDEO= and PIKVM_BOARD=.
    """

    base: str | None = None
    serial: str | None = None
    model: str | None = None
    video: str | None = None
    board: str | None = None


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """The kernel's own description of itself, uname(2)."""

    system: str
    release: str
    version: str
    machine: str


class LinuxPlatform:
    """Reads what board it runs on; *platform_file* is the image's description of it."""

    def __init__(self, *, platform_file: Path, device_tree: Path = DEVICE_TREE) -> None:
        self._platform_file = platform_file
        self._device_tree = device_tree
        self._calls = BlockingCalls()

    async def read(self) -> PlatformFacts:
        """Return the facts; never raises a DriverError."""
        base = await self._text_or_empty(self._device_tree / "model")
        serial = await self._text_or_empty(self._device_tree / "serial-number")
        lines = parse_platform(await self._text_or_empty(self._platform_file))
        return PlatformFacts(
            base=base.strip(_NUL).strip() or None,
            serial=serial.strip(_NUL).strip().upper() or None,
            model=lines.get("PIKVM_MODEL"),
            video=lines.get("PIKVM_VIDEO"),
            board=lines.get("PIKVM_BOARD"),
        )

    def kernel(self) -> KernelFacts:
        """Return the running kernel's description."""
        uname = os.uname()
        return KernelFacts(uname.sysname, uname.release, uname.version, uname.machine)

    async def _text_or_empty(self, path: Path) -> str:
        try:
            return await self._calls.read_text(path)
        except DeviceGoneError:
            return ""
        except DriverError as exc:
            logger.warning("the platform is not fully known: %s", exc)
            return ""


def parse_platform(text: str) -> dict[str, str]:
    """Return the non-empty values of a file of NAME=VALUE lines; comments and other lines are passed over."""
    values = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        value = value.strip().strip("\"'")
        if equals and value and not key.lstrip().startswith("#"):
            values[key.strip()] = value
    return values
