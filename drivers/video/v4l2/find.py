"""Which video devices there are, and which one is meant.

Responsible for the list that `farhand doctor` prints and for finding a capture by its driver, card or bus
where the number of its node may change from boot to boot. Opens each node for a moment; changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trio

from drivers.errors import DeviceGoneError, DriverError
from drivers.video.v4l2.device import Capabilities, capabilities
from drivers.video.v4l2.node import Node, open_node

DEV: Final = Path("/dev")

type OpenNode = Callable[[Path], Coroutine[Any, Any, Node]]


@dataclass(frozen=True, slots=True)
class VideoDevice:
    """A node and what it is."""

    path: Path
    capabilities: Capabilities

    def __str__(self) -> str:
        """Return for example "/dev/video0 (USB Video, uvcvideo)"."""
        return f"{self.path} ({self.capabilities.card}, {self.capabilities.driver})"


@dataclass(frozen=True, slots=True)
class UnusableNode:
    """A node that could not be asked, and why."""

    path: Path
    error: DriverError


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Which capture device is meant: by its node, or by all that is given of the rest.

    *driver* is the kernel driver's name ("uvcvideo", "unicam", "rp1-cfe", "vivid"); *card* and *bus* match
    if they are part of the device's own words.
    """

    path: Path | None = None
    driver: str = ""
    card: str = ""
    bus: str = ""

    def matches(self, device: VideoDevice) -> bool:
        """Whether *device* is meant."""
        known = device.capabilities
        return (
            (self.path is None or self.path.resolve() == device.path.resolve())
            and self.driver in {"", known.driver}
            and self.card in known.card
            and self.bus in known.bus_info
        )

    def __str__(self) -> str:
        """Return the words of an error: "video capture /dev/video0", "video capture of driver vivid"."""
        if self.path is not None:
            return f"video capture {self.path}"
        words = [
            f"{kind} {value}"
            for kind, value in (("driver", self.driver), ("card", self.card), ("bus", self.bus))
            if value
        ]
        return f"video capture of {', '.join(words)}" if words else "video capture"


async def list_devices(
    directory: Path = DEV, opener: OpenNode = open_node
) -> tuple[list[VideoDevice], list[UnusableNode]]:
    """Ask every video node of *directory* what it is: those that answer, and those that do not."""
    paths = await trio.to_thread.run_sync(lambda: sorted(directory.glob("video[0-9]*"), key=_number))
    devices: list[VideoDevice] = []
    unusable: list[UnusableNode] = []
    for path in paths:
        try:
            devices.append(await _ask(path, opener))
        except DriverError as exc:
            unusable.append(UnusableNode(path, exc))
    return devices, unusable


async def find_device(
    choice: DeviceChoice, directory: Path = DEV, opener: OpenNode = open_node
) -> VideoDevice:
    """Return the device that is meant, the first one that captures if several match.

    Raises DeviceGoneError that names what there is instead, NotSupportedError if the node that is meant is
    none of a video device, DriverError if it cannot be asked.
    """
    devices: list[VideoDevice] = []
    unusable: list[UnusableNode] = []
    if choice.path is not None:
        with contextlib.suppress(DeviceGoneError):
            devices.append(await _ask(choice.path, opener))
    if not devices:
        devices, unusable = await list_devices(directory, opener)
    for device in devices:
        if choice.matches(device) and device.capabilities.captures:
            return device
    found = [str(device) for device in devices] + [str(node.error) for node in unusable]
    raise DeviceGoneError(f"expected a {choice}, got {'; '.join(found) or 'none'} - at {directory}")


async def _ask(path: Path, opener: OpenNode) -> VideoDevice:
    node = await opener(path)
    try:
        return VideoDevice(path, await node.run(lambda: capabilities(node)))
    finally:
        await node.aclose()


def _number(path: Path) -> int:
    return int(path.name.removeprefix("video"))
