"""GPIO chips: found by path or label, and asked for their lines, one request per line.

One request per line, since a request is all or nothing: a power switch must not be out of reach because
somebody else holds the disk LED. It costs a file descriptor each. Nothing is held here: a chip is opened for
the request and closed again, and the request outlives that.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import gpiod
from gpiod.line import Bias as GpiodBias
from gpiod.line import Clock, Direction, Edge, Value
from gpiod.line import Drive as GpiodDrive

from drivers.errors import DriverError
from drivers.gpio import explain
from drivers.gpio.calls import DirectCalls, LineCalls, ThreadCalls
from drivers.gpio.declarations import Bias, Drive, InputDeclaration, LineDeclaration, OutputDeclaration
from drivers.gpio.edges import EVENT_BUFFER
from drivers.gpio.handle import GpiodLine, LineHandle, os_errors_of_gpiod

CONSUMER: Final = "farhand"
"""What `gpioinfo` shows as the holder of our lines, with the line's name behind it."""

_CONSUMER_CHARACTERS = 31  # GPIO_MAX_NAME_SIZE of <linux/gpio.h>, less the NUL

_BIAS: Final = {
    Bias.AS_IS: GpiodBias.AS_IS,
    Bias.UP: GpiodBias.PULL_UP,
    Bias.DOWN: GpiodBias.PULL_DOWN,
    Bias.DISABLED: GpiodBias.DISABLED,
}
_DRIVE: Final = {Drive.PUSH_PULL: GpiodDrive.PUSH_PULL, Drive.OPEN_DRAIN: GpiodDrive.OPEN_DRAIN}


class GpioChip:
    """A chip by its *identifier*: a path below /dev, or a label such as "pinctrl-bcm2711".

    Labels are better: the numbers of /dev/gpiochipN depend on the order of probing, and on who still held a
    chip when it came back. *slow*: the chip is behind I2C or USB (`drivers.gpio.calls`). *devices* is /dev
    elsewhere.
    """

    def __init__(self, identifier: str | Path, *, slow: bool = False, devices: Path = Path("/dev")) -> None:
        self.identifier = str(identifier)
        self._slow = slow
        self._devices = devices

    def __str__(self) -> str:
        return self.identifier

    def calls(self) -> LineCalls:
        """Return what runs the calls of one of its lines."""
        return ThreadCalls() if self._slow else DirectCalls()

    def find(self) -> Path:
        """Return the path of its character device, blocking.

        Raises DeviceGoneError if it is not there, DriverError if it may not be opened or is ambiguous.
        """
        if self.identifier.startswith("/"):
            return Path(self.identifier)
        found: set[Path] = set()
        labels: set[str] = set()
        unreadable = []
        # Resolved, since some systems keep old numbers alive as links; sorted, for the message.
        for path in sorted({entry.resolve() for entry in self._devices.glob("gpiochip*")}):
            try:
                with os_errors_of_gpiod(), gpiod.Chip(str(path)) as chip:
                    label = chip.get_info().label
            except PermissionError:
                unreadable.append(str(path))
                continue
            except OSError:
                # Not a chip, or one that went while we looked.
                continue
            labels.add(label)
            if label == self.identifier:
                found.add(path)
        if not found:
            raise explain.no_such_label(self.identifier, labels, unreadable)
        if len(found) > 1:
            raise explain.ambiguous_label(self.identifier, sorted(map(str, found)))
        return found.pop()

    def request(self, line: LineDeclaration) -> LineHandle:
        """Hold *line*, blocking; an output is driven to its rest level by that very call.

        Raises DeviceBusyError naming the holder, DeviceGoneError, NotSupportedError if the chip cannot do
        what is declared or has no such line, and DriverError otherwise.
        """
        path = str(self.find())
        try:
            with os_errors_of_gpiod():
                chip = gpiod.Chip(path)
        except OSError as exc:
            # A path that is no chip says ENODEV as one does that just went; asking tells them apart.
            if exc.errno in {errno.ENODEV, errno.ENOTTY, errno.EINVAL} and Path(path).exists():
                raise explain.not_a_chip(path) from exc
            raise explain.cannot_open(exc, path) from exc
        with chip:
            return _request(chip, path, line)


def _request(chip: gpiod.Chip, path: str, line: LineDeclaration) -> LineHandle:
    try:
        with os_errors_of_gpiod():
            offset, where = _locate(chip, path, line)
    except OSError as exc:
        raise explain.cannot_open(exc, path) from exc
    settings = _settings(line)
    left_alone = isinstance(line, OutputDeclaration) and line.rest is None
    try:
        with os_errors_of_gpiod():
            request = chip.request_lines(
                {offset: gpiod.LineSettings(active_low=line.active_low) if left_alone else settings},
                consumer=f"{CONSUMER} {line.name}"[:_CONSUMER_CHARACTERS],
                event_buffer_size=EVENT_BUFFER,
            )
    except OSError as exc:
        raise explain.cannot_request(exc, line, where, consumer=_consumer(chip, offset)) from exc
    try:
        return GpiodLine(request, offset, settings if left_alone else None)
    except BaseException:
        request.release()
        raise


def _locate(chip: gpiod.Chip, path: str, line: LineDeclaration) -> tuple[int, str]:
    """Return the offset of *line*, and where that is in words."""
    info = chip.get_info()
    name = f"{info.label} at {path}"
    if isinstance(line.line, int):
        if line.line >= info.num_lines:
            raise explain.no_such_offset(line, name, info.num_lines)
        return line.line, f"line {line.line} of {name}"
    # Not libgpiod's own look-up: it takes "17" for an offset, and the first of two lines of the same name.
    offsets = [number for number in range(info.num_lines) if chip.get_line_info(number).name == line.line]
    if len(offsets) != 1:
        raise explain.no_such_name(line, name, offsets)
    return offsets[0], f"line {offsets[0]} ({line.line}) of {name}"


def _settings(line: LineDeclaration) -> gpiod.LineSettings:
    settings = gpiod.LineSettings(active_low=line.active_low, bias=_BIAS[line.bias])
    match line:
        case InputDeclaration():
            settings.direction = Direction.INPUT
            settings.edge_detection = Edge.BOTH
            settings.event_clock = Clock.MONOTONIC
            settings.debounce_period = timedelta(seconds=line.debounce_s)
        case OutputDeclaration():
            settings.direction = Direction.OUTPUT
            settings.drive = _DRIVE[line.drive]
            settings.output_value = Value.ACTIVE if line.rest else Value.INACTIVE
        case _:
            raise TypeError(f"expected an input or an output, got {type(line).__name__}")
    return settings


def _consumer(chip: gpiod.Chip, offset: int) -> str | None:
    """Return who holds a line, or None if even that cannot be asked any more."""
    with suppress(OSError, DriverError), os_errors_of_gpiod():
        return chip.get_line_info(offset).consumer or "somebody without a name"
    return None
