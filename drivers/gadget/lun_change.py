"""Putting a medium into the drive and taking it out: done completely, or not at all. Blocking.

Each function runs in one thread from beginning to end, so that an abandoned one still tidies up after itself.
Order matters: setting `cdrom` also sets `ro`, and neither can change while a medium is in; so `cdrom` comes
first, then `ro`, then `file`. Must never be run twice at a time for one drive.
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Final

from drivers.errors import (
    BadReplyError,
    DeviceBusyError,
    DriverError,
    ImagePermissionError,
    MediumLockedError,
    os_errors,
)
from drivers.gadget.lun_directory import LunDirectory, LunState
from drivers.gadget.lun_image import OpenImage, image_error, opened
from drivers.gadget.lun_inquiry import DriveInquiry
from drivers.ports import Medium

_FORCED_EJECT: Final = "forced_eject"


class Attempt:
    """What the thread that inserts and the task that waits for it agree on: whether it came to something.

    Exactly one of them has the last word, so a medium is never left in for a caller who was told otherwise.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._given_up = False
        self._result: LunState | None = None

    @property
    def given_up(self) -> bool:
        """Whether nobody waits any more."""
        return self._given_up

    def complete(self, result: LunState) -> bool:
        """The thread is done; False if nobody waits any more, and it has to undo its work."""
        with self._mutex:
            if not self._given_up:
                self._result = result
            return not self._given_up

    def conclude(self) -> LunState | None:
        """The task waits no longer; return the drive's state if the medium is in, else it is given up."""
        with self._mutex:
            self._given_up = self._result is None
            return self._result


class _NobodyWaitsError(Exception):
    """The attempt was given up while the kernel was busy with it. Seen by nobody but `load` itself."""


def load(lun: LunDirectory, medium: Medium, inquiry: DriveInquiry | None, attempt: Attempt) -> None:
    """Put *medium* into the drive; the state afterwards goes to *attempt*.

    Raises DeviceBusyError if one is in, ImageError or DeviceBusyError naming the image, DeviceGoneError, and
    leaves the drive as it was.
    """
    with opened(medium) as image:
        before = lun.state()
        if before.file:
            raise DeviceBusyError(f"expected an empty drive, got {before.path} in {lun.name}: eject it first")
        if attempt.given_up:
            return
        inquiry_before = lun.read("inquiry_string") if inquiry is not None else b""
        loading = _Loading(lun, image)
        try:
            _set_flags(lun, cdrom=medium.cdrom, ro=not medium.rw)
            if inquiry is not None:
                _set_inquiry(lun, inquiry.of(cdrom=medium.cdrom).encode())
            if not attempt.complete(loading.offer(medium)):
                raise _NobodyWaitsError
        except BaseException as exc:
            try:
                loading.withdraw()
                _set_flags(lun, cdrom=before.cdrom, ro=before.ro)
                if inquiry is not None:
                    _set_inquiry(lun, inquiry_before)
            except DriverError as undoing:
                exc.add_note(f"and it could not be undone: {undoing}")
            if isinstance(exc, _NobodyWaitsError):
                return
            raise


def unload(lun: LunDirectory, *, force: bool) -> None:
    """Take the medium out, if one is in.

    Raises MediumLockedError if the host has locked it and not *force*, or if this kernel (before 6.0) cannot
    force it; DriverError if it stays in for another reason.
    """
    before = lun.state()
    if not before.file:
        return
    try:
        if force and lun.has(_FORCED_EJECT):
            lun.write(_FORCED_EJECT, b"1")
        else:
            lun.write("file", b"")
    except OSError as exc:
        if exc.errno == errno.EBUSY:
            raise MediumLockedError(
                f"the target has locked {before.path} in {lun.name}: eject it there first"
                + ("; this kernel cannot force it" if force else ", or by force")
            ) from exc
        with os_errors(f"ejecting {before.path} from {lun.name}"):
            raise
    if after := lun.read("file"):
        raise BadReplyError(f"expected an empty drive, got {os.fsdecode(after)} - at {lun.name}, ejecting")


def flush(path: Path) -> None:
    """Have what the host wrote to an ejected image put on the disk: the kernel does not when it lets go.

    Raises DriverError if the disk did not take it.
    """
    with os_errors(f"writing the ejected image {path} to the disk; what the target wrote may be lost"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            # Removed in the meantime: nobody can miss its bytes.
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Loading:
    """The step that cannot be seen from outside: `file` written, and what that did."""

    def __init__(self, lun: LunDirectory, image: OpenImage) -> None:
        self._lun = lun
        self._image = image
        self._offered = False

    def offer(self, medium: Medium) -> LunState:
        """Write `file` and return the state, which is as wanted. Raises DriverError."""
        lun = self._lun
        try:
            lun.write("file", self._image.real_path)
        except OSError as exc:
            _refuse_if_occupied(lun, exc)
            raise image_error(exc, medium) from exc
        self._offered = True
        state = lun.state()
        if state.file != self._image.real_path:
            got = os.fsdecode(state.file) or "nothing"
            raise BadReplyError(f"expected {medium.path} in the drive, got {got} - at {lun.name}")
        if medium.rw and state.ro:
            # The kernel takes what it may not write as read-only and does not say so.
            raise ImagePermissionError(
                f"the image {medium.path} cannot be opened for reading and writing: the kernel fell back to"
                " read-only - see to its permissions, or offer it read-only"
            )
        if (state.cdrom, state.ro) != (medium.cdrom, not medium.rw):
            raise BadReplyError(
                f"expected cdrom={medium.cdrom} ro={not medium.rw}, got cdrom={state.cdrom} ro={state.ro}"
                f" - at {lun.name}"
            )
        return state

    def withdraw(self) -> None:
        """Take out what was put in. By force: nobody was told that it was there."""
        if self._offered:
            unload(self._lun, force=True)


def _set_flags(lun: LunDirectory, *, cdrom: bool, ro: bool) -> None:
    """Set what differs, `cdrom` first, since that changes `ro` as well."""
    for name, value in (("cdrom", cdrom), ("ro", ro)):
        if lun.flag(name) != value:
            _put(lun, name, b"1" if value else b"0")


def _set_inquiry(lun: LunDirectory, text: bytes) -> None:
    if lun.read("inquiry_string") == text:
        return
    _put(lun, "inquiry_string", text)
    if (got := lun.read("inquiry_string")) != text:
        raise BadReplyError(f"expected the inquiry string {text!r}, got {got!r} - at {lun.name}")


def _put(lun: LunDirectory, name: str, value: bytes) -> None:
    try:
        lun.write(name, value)
    except OSError as exc:
        _refuse_if_occupied(lun, exc)
        with os_errors(f"{lun.name}, setting {name}"):
            raise


def _refuse_if_occupied(lun: LunDirectory, exc: OSError) -> None:
    """Explain why the kernel refused *exc* if that is because a medium came in under our hands."""
    if exc.errno == errno.EBUSY and (occupant := lun.state().path):
        raise DeviceBusyError(
            f"expected an empty drive, got {occupant} put into {lun.name} by somebody else"
        ) from exc
