"""The image that a USB drive is to offer: opened and judged before the kernel is asked to take it.

The kernel opens an image while it holds up the whole drive, cuts what it finds too big and falls back to
read-only without a word. So everything that can hang or be refused is tried here first. Must never change the
image, nor touch the drive.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.errors import (
    DeviceBusyError,
    DriverError,
    ImageError,
    ImageMissingError,
    ImagePermissionError,
    image_error_of,
)
from drivers.ports import Medium

CDROM_LIMIT_BYTES: Final = (256 * 60 * 75 - 1) * 2048
"""The kernel cuts a CD-ROM image silently to this many 2048-byte sectors (2,359,293,952 bytes)."""

CDROM_LEAST_BYTES: Final = 300 * 2048
FLASH_LEAST_BYTES: Final = 512
"""What the kernel calls "too small"; a block device with larger sectors needs one of these."""

PATH_LIMIT_BYTES: Final = 4094
"""A configfs attribute is 4 KiB, which have to hold the path, a newline and a NUL. The kernel takes one byte
more, but cannot show it after that."""

ERRNO_TOO_SMALL: Final = 525
"""ETOOSMALL, which the kernel's storage gadget lets out although it is no errno of user space."""


@dataclass(frozen=True, slots=True)
class OpenImage:
    """An image that can be read, and written if wanted."""

    real_path: bytes
    """Without symbolic links: exactly what the kernel will show in the drive's `file`."""
    size_bytes: int


@contextmanager
def opened(medium: Medium) -> Iterator[OpenImage]:
    """Open the image, check it, and keep it open for the body. Blocking; may hang as the file system does.

    Raises ImageError naming it, DeviceBusyError if somebody else holds it.
    """
    path = medium.path
    _check_path(path)
    try:
        real_path = os.path.realpath(path, strict=True)
        _check_type(path, Path(real_path).stat().st_mode)
        if len(os.fsencode(real_path)) > PATH_LIMIT_BYTES:
            raise ImageError(
                f"expected a path of at most {PATH_LIMIT_BYTES} bytes, got {len(os.fsencode(real_path))}"
                f" - at the image {path}: move it to a shorter one"
            )
        # Not blocking, should it have become a FIFO since.
        flags = os.O_NONBLOCK | os.O_CLOEXEC | (os.O_RDWR if medium.rw else os.O_RDONLY)
        descriptor = os.open(real_path, flags)
    except OSError as exc:
        raise image_error(exc, medium) from exc
    try:
        try:
            size_bytes = os.lseek(descriptor, 0, os.SEEK_END)
            # An unreadable disk, or a network that is gone, shows here and not in the drive.
            os.pread(descriptor, 1, 0)
        except OSError as exc:
            raise image_error(exc, medium) from exc
        if medium.cdrom and size_bytes > CDROM_LIMIT_BYTES:
            raise ImageError(
                f"expected at most {CDROM_LIMIT_BYTES} bytes for a CD-ROM, got {size_bytes} - at the image"
                f" {path}: offer it as a flash drive"
            )
        yield OpenImage(os.fsencode(real_path), size_bytes)
    finally:
        os.close(descriptor)


def image_error(exc: OSError, medium: Medium) -> DriverError:
    """Say what the kernel has against the image, be it in opening it or in putting it into the drive."""
    image = f"the image {medium.path}"
    if exc.errno == ERRNO_TOO_SMALL:
        least = CDROM_LEAST_BYTES if medium.cdrom else FLASH_LEAST_BYTES
        kind = "a CD-ROM" if medium.cdrom else "a flash drive"
        return ImageError(f"{image} is too small: {kind} needs at least {least} bytes")
    if exc.errno == errno.EBUSY:
        return DeviceBusyError(f"{image} is in use by somebody else, who has to let go of it first")
    error = image_error_of(exc, image)
    if medium.rw and isinstance(error, ImagePermissionError):
        return ImagePermissionError(f"{error}, or offer it read-only")
    return error


def _check_path(path: Path) -> None:
    if not path.is_absolute():
        raise ImageError(f"expected an absolute path, got {path} - at the image to insert")
    if "\0" in str(path):
        raise ImageMissingError(f"the image {str(path)!r} is not there: no file name contains NUL")


def _check_type(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return
    got = "a directory" if stat.S_ISDIR(mode) else "something else"
    raise ImageError(f"expected a file or a block device, got {got} - at the image {path}")
