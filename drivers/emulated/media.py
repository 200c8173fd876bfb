"""The emulated PC's USB drive: the slot that a medium is put into, and what the host does with it.

The image is read from disk in threads, opened for each operation and never written. Must never hold a file
open, so that whoever owns the images can do with them what they like.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import trio

from drivers.emulated.announcer import Announcer
from drivers.emulated.faults import PortGate
from drivers.errors import (
    DeviceBusyError,
    DeviceTimeoutError,
    DriverError,
    ImageError,
    MediumLockedError,
    image_error_of,
)
from drivers.ports import Medium
from drivers.wire.volume import Entry, Volume, VolumeError
from drivers.wire.volume_label import read_file, read_volume

# The images may lie on a slow disk or a network; a minute of silence is what users would call hanging.
READ_DEADLINE_S = 10.0
# An insertion and a command of the host at the same time.
_READERS = 2


class UsbDrive:
    """Implements `drivers.ports.MediaSlot`; the other methods are the host's."""

    def __init__(self, gate: PortGate) -> None:
        self._gate = gate
        self._announcer = Announcer[Medium | None](gate, bound=1)
        self._limiter = trio.CapacityLimiter(_READERS)
        self._changing = False
        self._listener: Callable[[], None] = lambda: None
        self.medium: Medium | None = None
        self.volume: Volume | None = None
        self.locked = False

    # ------------------------------------------------------------------------------- the appliance's side

    async def insert(self, medium: Medium) -> None:
        """Offer *medium*; see `MediaSlot.insert`. An image without a file system that we know is one too."""
        await self._gate.call(partial(self._insert, medium))

    async def eject(self, *, force: bool = False) -> None:
        """Take it out; see `MediaSlot.eject`."""
        await self._gate.call(partial(self._eject, force=force))

    def media(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Medium | None]]:
        """What is in the drive, now and after each change; bound 1, the newest wins."""
        return self._announcer.listen(lambda: self.medium)

    # ------------------------------------------------------------------------------------ the host's side

    @property
    def connected(self) -> bool:
        """Whether the host sees the drive at all."""
        return self._gate.plugged

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call *listener* when a medium came or went."""
        self._listener = listener

    def host_eject(self) -> bool:
        """Eject from the host; False if there is none or it is locked."""
        if self.medium is None or self.locked:
            return False
        self._change(None, None)
        return True

    def unload(self) -> None:
        """Empty the drive without asking: the machine ends."""
        if self.medium is not None:
            self._change(None, None)

    async def read(self, entry: Entry) -> bytes:
        """Return the start of a file of the medium's root directory. Raises DriverError if that fails."""
        if self.medium is None:
            raise DriverError("expected a medium in the drive, got none - at the USB drive")
        medium = self.medium
        try:
            return await self._in_thread(medium, partial(_read_entry, medium, entry))
        except VolumeError as exc:
            raise DriverError(str(exc)) from exc

    async def _insert(self, medium: Medium) -> None:
        if self.medium is not None or self._changing:
            occupant = self.medium.path if self.medium is not None else "another one being inserted"
            raise DeviceBusyError(f"expected an empty drive, got {occupant} in it: eject that first")
        self._changing = True
        try:
            volume = await self._in_thread(medium, partial(_inspect, medium))
        finally:
            self._changing = False
        self._change(medium, volume)

    async def _eject(self, *, force: bool) -> None:
        await trio.lowlevel.checkpoint()
        if self.medium is None:
            return
        if self.locked and not force:
            raise MediumLockedError(
                f"the target has locked {self.medium.path}: eject it there first, or by force"
            )
        self._change(None, None)

    async def _in_thread[T](self, medium: Medium, work: Callable[[], T]) -> T:
        with trio.move_on_after(READ_DEADLINE_S):
            # Abandoned when cancelled: it only reads, and closes what it opened.
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)
        raise DeviceTimeoutError(f"the image {medium.path} did not answer within {READ_DEADLINE_S:.0f} s")

    def _change(self, medium: Medium | None, volume: Volume | None) -> None:
        self.medium, self.volume, self.locked = medium, volume, False
        self._announcer.publish(medium)
        self._listener()


def _inspect(medium: Medium) -> Volume | None:
    """Check that the image can be offered and return what is on it; None if we do not know. Blocking."""
    what = f"the image {medium.path}"
    try:
        status = medium.path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
            raise ImageError(f"expected a file or a block device, got something else - at {what}")
        with medium.path.open("r+b" if medium.rw else "rb") as file:

            def read_at(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            if not read_at(0, 1):
                raise ImageError(f"expected a medium, got an empty file - at {what}")
            try:
                return read_volume(read_at)
            except VolumeError:
                return None
    except OSError as exc:
        raise image_error_of(exc, what) from exc


def _read_entry(medium: Medium, entry: Entry) -> bytes:
    try:
        with medium.path.open("rb") as file:

            def read_at(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            return read_file(read_at, entry)
    except OSError as exc:
        raise DriverError(f"the image {medium.path}: {exc.strerror or exc}") from exc
