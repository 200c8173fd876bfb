"""Errors of devices: whose fault it is and what to do; the one place that maps OSError.

Everything that a device or the kernel can do to us is a `DriverError`: the supervisor calls that a
fault, restarts the task and shows it offline. Any other exception is a bug and is counted apart.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class DriverError(Exception):
    """A device or a kernel interface failed; the message names it and says what to do."""


class DeviceGoneError(DriverError):
    """The device is not there (any more): unplugged, unbound, its process ended, its node missing."""


class DeviceBusyError(DriverError):
    """Somebody else holds the device, or it is in the middle of something."""


class DeviceTimeoutError(DriverError):
    """The device did not answer or take what it was given before the deadline."""


class BadReplyError(DriverError):
    """The device said something that its protocol does not allow."""


class NotSupportedError(DriverError):
    """The device cannot do this at all; trying again does not help."""


class HostNotReadyError(DriverError):
    """The USB host does not take reports now: asleep, booting, or unplugged."""


class MediumLockedError(DeviceBusyError):
    """The host has locked the medium (PREVENT ALLOW MEDIUM REMOVAL); eject it there or by force."""


class ImageError(DriverError):
    """A drive's image cannot be offered to the host; nothing is wrong with the drive."""


class ImageMissingError(ImageError):
    """There is no such image (any more)."""


class ImagePermissionError(ImageError):
    """The image may not be opened as wanted: permissions, a read-only file system, in use as a program."""


class RemoteError(DriverError):
    """A file of another server cannot be had; the message never holds credentials."""


class RemoteUnreachableError(RemoteError):
    """There is no connection to the server: name, address, port, TLS."""


class RemoteAnswerError(RemoteError):
    """The server answers, but not with the file."""


_GONE = frozenset(
    {
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOENT,
        errno.ESHUTDOWN,
        errno.EPIPE,
        errno.ECONNRESET,
        errno.ECONNREFUSED,
    }
)
_BUSY = frozenset({errno.EBUSY, errno.EADDRINUSE})
_UNSUPPORTED = frozenset({errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS})


_IMAGE_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY})
_IMAGE_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def image_error_of(exc: OSError, image: object) -> ImageError:
    """Say what keeps *image* from being offered; a missing image is no missing device."""
    if exc.errno in _IMAGE_MISSING:
        return ImageMissingError(f"{image} is not there: {exc.strerror}")
    if exc.errno in _IMAGE_REFUSED:
        return ImagePermissionError(f"{image} cannot be opened: {exc.strerror} - see to its permissions")
    return ImageError(f"{image} cannot be offered: {exc.strerror or exc}")


def from_os_error(exc: OSError, what: str) -> DriverError:
    """Name *what* failed and sort *exc* by its errno into one of the classes above."""
    message = f"{what}: {exc.strerror or exc}"
    if exc.errno in _GONE:
        return DeviceGoneError(message)
    if exc.errno in _BUSY:
        return DeviceBusyError(message)
    if exc.errno in _UNSUPPORTED:
        return NotSupportedError(message)
    if exc.errno == errno.ETIMEDOUT or isinstance(exc, TimeoutError):
        return DeviceTimeoutError(message)
    return DriverError(message)


@contextmanager
def os_errors(what: str) -> Iterator[None]:
    """Turn an OSError of the body into the DriverError that names *what*."""
    try:
        yield
    except OSError as exc:
        raise from_os_error(exc, what) from exc
