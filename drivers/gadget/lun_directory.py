"""One logical unit of the kernel's mass storage function: the attributes in its configfs directory. Blocking.

Responsible for reading and writing them as the kernel wants it. Must never decide anything: what is written,
and in which order, is `lun_change`'s. Raises DeviceGoneError once the directory is not there; the errno of a
write is the caller's to explain, since there it is about what was written.
Source: the kernel's Documentation/ABI/testing/configfs-usb-gadget-mass-storage.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.errors import BadReplyError, DeviceGoneError, from_os_error
from drivers.ports import Medium

_ATTRIBUTE_BYTES: Final = 4096
"""No configfs attribute is longer, whatever the size of a page."""

_DELETED: Final = b" (deleted)"
"""What the kernel adds to the path of an open file that has been removed since."""


@dataclass(frozen=True, slots=True)
class LunState:
    """What the kernel says of the drive."""

    file: bytes
    """The image as the kernel names it; empty if none is in."""
    path: Path | None
    """Where the image is now, or was when its file was removed; None if none is in."""
    cdrom: bool
    ro: bool

    @property
    def medium(self) -> Medium | None:
        """The medium in the drive."""
        return None if self.path is None else Medium(self.path, self.cdrom, rw=not self.ro and not self.cdrom)


class LunDirectory:
    """The attributes of `.../functions/mass_storage.NAME/lun.N`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"the USB drive {path.parent.name}/{path.name}"

    def state(self) -> LunState:
        """Return what is in the drive. Raises DriverError."""
        file = self.read("file")
        return LunState(file, _path(file), self.flag("cdrom"), self.flag("ro"))

    def flag(self, name: str) -> bool:
        """Return an attribute that is 0 or 1. Raises DriverError."""
        value = self.read(name)
        if value not in {b"0", b"1"}:
            raise BadReplyError(f"expected 0 or 1, got {value!r} - at {self.path / name}")
        return value == b"1"

    def has(self, name: str) -> bool:
        """Return whether this kernel has the attribute."""
        return (self.path / name).exists()

    def read(self, name: str) -> bytes:
        """Return an attribute without the newline at its end. Raises DriverError."""
        with self._opened(name, os.O_RDONLY) as descriptor:
            try:
                value = os.read(descriptor, _ATTRIBUTE_BYTES)
            except OSError as exc:
                raise from_os_error(exc, f"{self.name}, reading {name}") from exc
        # One newline only: a file name may well end with another.
        return value.removesuffix(b"\n")

    def write(self, name: str, value: bytes) -> None:
        """Write an attribute; empty clears it.

        Raises OSError with the kernel's answer to *value*, DeviceGoneError without a drive.
        """
        with self._opened(name, os.O_WRONLY) as descriptor:
            # The kernel takes one newline off, which would be missed by a name that ends with one.
            self._put(descriptor, name, value + b"\n")

    def _put(self, descriptor: int, name: str, data: bytes) -> None:
        written = os.write(descriptor, data)
        if written != len(data):
            raise BadReplyError(f"expected {len(data)} bytes to be taken, got {written} - at {name}")

    @contextmanager
    def _opened(self, name: str, flags: int) -> Iterator[int]:
        try:
            descriptor = os.open(self.path / name, flags | os.O_CLOEXEC)
        except OSError as exc:
            if exc.errno in {errno.ENOENT, errno.ENODEV, errno.ENOTDIR}:
                raise DeviceGoneError(
                    f"{self.name} is not there: gadget not composed, or without mass storage - at {self.path}"
                ) from exc
            raise from_os_error(exc, f"{self.name}, opening {name}") from exc
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _path(file: bytes) -> Path | None:
    if file.endswith(_DELETED) and not os.path.lexists(file):
        file = file.removesuffix(_DELETED)
    return Path(os.fsdecode(file)) if file else None
