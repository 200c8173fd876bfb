"""What to say when a chip or a line cannot be had: which one it is, whose fault it is, what to do.

Messages only; nothing here touches a device.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence

from drivers.errors import DeviceBusyError, DeviceGoneError, DriverError, NotSupportedError, from_os_error
from drivers.gpio.declarations import Bias, InputDeclaration, LineDeclaration, OutputDeclaration

_ENOTSUPP = 524
"""The kernel's own "not supported", which has no name in user space and leaks from some of its drivers."""

_CANNOT = frozenset({errno.ENODEV, errno.ENXIO, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, _ENOTSUPP})
_DENIED = frozenset({errno.EACCES, errno.EPERM})


def denied(path: str) -> DriverError:
    """The character device may not be opened."""
    return DriverError(
        f"the GPIO chip {path} may not be opened: run as root, or as a member of the group that owns it"
        " (often gpio, given by a udev rule)"
    )


def cannot_open(exc: OSError, path: str) -> DriverError:
    """Opening the character device *path* failed."""
    if exc.errno in _DENIED:
        return denied(path)
    if exc.errno in {errno.ENOENT, errno.ENXIO, errno.ENODEV}:
        return DeviceGoneError(
            f"there is no GPIO chip {path}: look at the device tree, its driver's module and `gpiodetect`"
        )
    return from_os_error(exc, f"the GPIO chip {path}")


def not_a_chip(path: str) -> NotSupportedError:
    """*path* is something else."""
    return NotSupportedError(f"expected a GPIO chip, got another kind of file - at {path}")


def no_such_label(label: str, seen: Iterable[str], unreadable: Sequence[str]) -> DriverError:
    """None of the chips has that label; *seen* are the labels of the others."""
    if unreadable:
        return DriverError(f"no GPIO chip that can be opened is labelled {label!r}: {denied(unreadable[0])}")
    others = ", ".join(sorted(seen)) or "no chip at all"
    return DeviceGoneError(
        f"no GPIO chip is labelled {label!r} (there is: {others}): look at the device tree, its driver's"
        " module and `gpiodetect`"
    )


def ambiguous_label(label: str, paths: Sequence[str]) -> DriverError:
    """Several chips have that label."""
    return DriverError(
        f"expected one GPIO chip labelled {label!r}, got {' and '.join(paths)}: name the chip by its path"
    )


def no_such_offset(line: LineDeclaration, chip: str, lines: int) -> NotSupportedError:
    """The chip has fewer lines."""
    return NotSupportedError(
        f"expected an offset of 0 to {lines - 1}, got {line.line} - at the line {line.name} of {chip}"
    )


def no_such_name(line: LineDeclaration, chip: str, offsets: Sequence[int]) -> NotSupportedError:
    """Not exactly one line of the chip has the name."""
    got = f"the lines {', '.join(map(str, offsets))}" if offsets else "none"
    return NotSupportedError(
        f"expected one line that the kernel calls {line.line!r}, got {got} - at the line {line.name} of"
        f" {chip}: look at `gpioinfo`, or declare its offset"
    )


def cannot_request(exc: OSError, line: LineDeclaration, where: str, *, consumer: str | None) -> DriverError:
    """Requesting *line* at *where* failed; *consumer* is who holds it, None if the chip is gone too."""
    if consumer is None:
        return DeviceGoneError(f"the line {line.name} ({where}) vanished with its chip")
    if exc.errno == errno.EBUSY:
        return DeviceBusyError(
            f"the line {line.name} ({where}) is held by {consumer!r}: end that program or driver,"
            " or declare another line"
        )
    if exc.errno in _CANNOT:
        return NotSupportedError(
            f"the chip cannot do what the line {line.name} ({where}) is declared to do: {_wishes(line)}"
        )
    return from_os_error(exc, f"the line {line.name} ({where})")


def _wishes(line: LineDeclaration) -> str:
    """What was asked of the line, for people."""
    wishes = (
        ["no bias" if line.bias is Bias.DISABLED else f"bias {line.bias}"] if line.bias != Bias.AS_IS else []
    )
    match line:
        case InputDeclaration():
            wishes.insert(0, "input with edge events (its chip needs an interrupt)")
            if line.debounce_s:
                wishes.append(f"debounced for {line.debounce_s} s")
        case OutputDeclaration():
            wishes.insert(0, f"{line.drive} output")
    return ", ".join(wishes)
