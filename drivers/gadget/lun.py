"""A USB drive of the gadget: puts media in, takes them out, and notices what the host does with them.

Owns the drive's attributes in configfs while `run` runs, but not the gadget: when that is taken apart, the
drive is gone, and it is there again when `run` is run anew. Must never call the kernel but in a thread, since
opening an image hangs as long as its file system does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DeviceTimeoutError,
    MediumLockedError,
)
from drivers.fanout import Fanout
from drivers.gadget.lun_change import Attempt, flush, load, unload
from drivers.gadget.lun_directory import LunDirectory, LunState
from drivers.gadget.lun_inquiry import DriveInquiry, InquiryString
from drivers.ports import Medium

LOOK_INTERVAL_S: Final = 0.5
"""How often the drive is looked at. configfs can be neither polled (EPERM) nor watched: inotify tells of what
programs write to `file`, not of the host's ejecting. Soon enough for people, and three reads of memory."""

LOOK_DEADLINE_S: Final = 5.0
"""Reading the attributes waits only for a host command that is being finished."""

CHANGE_DEADLINE_S: Final = 10.0
"""For inserting and ejecting: a disk that has to spin up, or a network that has to be reached, answers by
then. People call what takes longer hanging; the same patience as the emulated drive's."""

LOCK_PATIENCE_S: Final = 2.0
"""Hosts lock a medium for moments whenever they look at it, as for partitions when it comes in; that alone is
no reason to refuse. What is locked for longer is in use."""

LOCK_RETRY_S: Final = 0.1
"""How often a locked medium is tried again in that time: far below what people notice."""

FLUSH_DEADLINE_S: Final = 120.0
"""The kernel keeps up to a fifth of the memory as unwritten data; a slow SD card needs that long for it."""


class LunSlot:
    """Implements `drivers.ports.MediaSlot` over `.../functions/mass_storage.NAME/lun.N`.

    With *inquiry* the drive names itself after its kind; without, as whoever composed the gadget wanted it.
    *directory* is how the attributes are reached, for tests with a model of the kernel.
    """

    def __init__(
        self,
        lun_dir: Path,
        *,
        inquiry: DriveInquiry | None = None,
        directory: Callable[[Path], LunDirectory] = LunDirectory,
    ) -> None:
        self._lun = directory(lun_dir)
        self._inquiry = inquiry
        self._media = Fanout[Medium | None](bound=1)
        self._lock = trio.Lock()
        # One thread, which is what the kernel can do at a time; if it hangs, nothing else is tried.
        self._limiter = trio.CapacityLimiter(1)
        # Of its own, since a disk that hangs in flushing an old medium is no reason to refuse a new one.
        self._flush_lock = trio.Lock()
        self._flush_limiter = trio.CapacityLimiter(1)
        self._running = False
        self._state: LunState | None = None  # None while nobody looks
        self._medium: Medium | None = None
        # The caller's own name for the image, and what the kernel calls it.
        self._inserted: tuple[bytes, Medium] | None = None
        # As many as were ejected while one flush runs; normally none or one.
        self._unflushed: set[Path] = set()
        self._flushing = False

    @property
    def name(self) -> str:
        """What it is, for people."""
        return self._lun.name

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch the drive until cancelled; started once its state is known.

        Raises DeviceGoneError when the drive vanishes, other DriverErrors if it cannot be watched, or if what
        the host wrote to a medium that it ejected does not reach the disk.
        """
        if self._running:
            raise RuntimeError(f"expected one run at a time, got a second one - at {self.name}")
        self._running = True
        try:
            async with self._lock:
                await self._read()
            task_status.started()
            while True:
                await trio.sleep(LOOK_INTERVAL_S)
                await self._look()
                await self._flush()
        finally:
            self._running = False
            self._take_note(None)

    async def insert(self, medium: Medium) -> None:
        """Offer *medium*, an absolute path; a CD-ROM is never writable. See `MediaSlot.insert`.

        Either all of it happens, or the drive stays as it was. Raises DeviceBusyError if a medium is in, the
        image is held by somebody else, or an earlier operation still hangs; ImageMissingError,
        ImagePermissionError or another ImageError naming the image;
        DeviceTimeoutError if its file system hangs; DeviceGoneError if there is no drive.
        """
        medium = replace(medium, rw=medium.rw and not medium.cdrom)
        async with self._lock:
            self._require_running()
            attempt = Attempt()
            try:
                await self._in_thread(
                    self._limiter,
                    f"inserting {medium.path}",
                    partial(load, self._lun, medium, self._inquiry, attempt),
                    CHANGE_DEADLINE_S,
                )
            finally:
                # If cancelled or too slow, the thread is left to itself and undoes what it did.
                if (state := attempt.conclude()) is not None:
                    self._inserted = (state.file, medium)
                    self._take_note(state)

    async def eject(self, *, force: bool = False) -> None:
        """Take the medium out; no effect if empty. What the host wrote to it is on the disk afterwards.

        Raises MediumLockedError if the host keeps it locked and not *force* (or if the kernel, before 6.0,
        cannot force it), DeviceTimeoutError if it takes too long, in which case it may still happen,
        DeviceGoneError if there is no drive, DriverError if the medium is out but the disk fails to take it.
        """
        async with self._lock:
            self._require_running()
            await self._unload(force=force)
            await self._read()
        await self._flush()

    def media(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Medium | None]]:
        """What is in the drive, now and after each change; None too while there is no drive.

        Bound 1, newest wins. An image that was renamed since is shown by its new name.
        """
        return self._media.listen(self._medium)

    async def inquiry(self) -> InquiryString | None:
        """Read back how the drive names itself; None for the kernel's own words. Raises DriverError."""
        async with self._lock:
            self._require_running()
            data = await self._in_thread(
                self._limiter,
                "reading the inquiry string",
                partial(self._lun.read, "inquiry_string"),
                LOOK_DEADLINE_S,
            )
        return InquiryString.decode(data)

    def statistics(self) -> dict[str, int]:
        """Return how many threads are busy or hanging, how many images are to be flushed, how many listen."""
        return {
            "threads_busy": int(self._limiter.borrowed_tokens + self._flush_limiter.borrowed_tokens),
            "unflushed": len(self._unflushed) + self._flushing,
            **self._media.statistics(),
        }

    async def _unload(self, *, force: bool) -> None:
        give_up_at = trio.current_time() + LOCK_PATIENCE_S
        while True:
            try:
                await self._in_thread(
                    self._limiter, "ejecting", partial(unload, self._lun, force=force), CHANGE_DEADLINE_S
                )
            except MediumLockedError:
                if trio.current_time() >= give_up_at:
                    raise
            else:
                return
            await trio.sleep(LOCK_RETRY_S)

    async def _look(self) -> None:
        async with self._lock:
            # While a given up insertion hangs in the kernel, so would a look, and it says nothing new.
            if self._limiter.borrowed_tokens == 0:
                await self._read()

    async def _read(self) -> None:
        self._take_note(await self._in_thread(self._limiter, "looking", self._lun.state, LOOK_DEADLINE_S))

    def _take_note(self, state: LunState | None) -> None:
        """Publish what is in the drive now; None if there is no drive."""
        if not self._running:
            # What came in while nobody looks is found by the next run.
            state = None
        before, self._state = _written_image(self._state), state
        now = _written_image(state)
        if now is not None:
            self._unflushed.discard(now)
        if before is not None and before != now:
            self._unflushed.add(before)
        medium = state.medium if state is not None else None
        if medium is not None and state is not None and self._inserted is not None:
            name, inserted = self._inserted
            if name == state.file:
                medium = replace(medium, path=inserted.path)
        if medium != self._medium:
            self._medium = medium
            self._media.publish(medium)

    async def _flush(self) -> None:
        """Put what was ejected on the disk.

        Raises DriverError, once for each image that fails: the kernel too tells of a lost write only once.
        """
        async with self._flush_lock:
            while self._unflushed:
                # Taken first: it may come in and be ejected again meanwhile.
                path = self._unflushed.pop()
                self._flushing = True
                try:
                    await self._in_thread(
                        self._flush_limiter,
                        f"writing the ejected image {path} to the disk",
                        partial(flush, path),
                        FLUSH_DEADLINE_S,
                    )
                except trio.Cancelled:
                    self._unflushed.add(path)
                    raise
                finally:
                    self._flushing = False

    async def _in_thread[T](
        self, limiter: trio.CapacityLimiter, doing: str, call: Callable[[], T], deadline_s: float
    ) -> T:
        if limiter.borrowed_tokens:
            raise DeviceBusyError(
                f"{self.name}, {doing}: an earlier operation still hangs - see to the disk or network of its"
                " image"
            )
        try:
            with trio.fail_after(deadline_s):
                # Abandoning is safe: whatever hangs finishes or undoes its step in its own time
                # (`lun_change`), and until then nothing else is started.
                return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=limiter)
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"expected an answer within {deadline_s:g} s, got none - at {self.name}, {doing}: see to the"
                " disk or network of the image"
            ) from None

    def _require_running(self) -> None:
        if not self._running:
            raise DeviceGoneError(f"{self.name} is not there: gadget not composed, or it was just lost")


def _written_image(state: LunState | None) -> Path | None:
    """The image in the drive if the host can write to it."""
    medium = state.medium if state is not None else None
    return medium.path if medium is not None and medium.rw else None
