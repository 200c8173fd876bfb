"""An open V4L2 capture: a task that follows the signal and keeps the newest picture for its one reader.

Responsible for restarting the device when the signal changes, without anybody above noticing more than
pictures of another size; for saying why there is no picture; and for counting what is lost on the way. It
must never wait for its reader: what was not fetched goes back to the driver.
"""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass
from typing import Final

import trio

from drivers.errors import DeviceTimeoutError, DriverError
from drivers.ports import NoSignal
from drivers.readiness import PriorityReadiness
from drivers.video.frame import Frame
from drivers.video.v4l2 import device
from drivers.video.v4l2.buffers import Buffers, Filled, Watched
from drivers.video.v4l2.capture import Capture, stop_quietly
from drivers.video.v4l2.formats import RateLimit
from drivers.video.v4l2.node import CLOSE_DEADLINE_S
from drivers.video.v4l2.stop_signal import StopSignal

NO_SIGNAL_POLL_S: Final = 0.5
"""How often a missing signal is looked for; some drivers send no events when it comes."""

SILENCE_S: Final = 1.0
"""Without a picture for that long, the signal is looked at: far above the period of any usable source."""

RESTART_SILENT_S: Final = 5.0
"""A device that sends nothing for that long is started anew: some hang after a disturbance, USB grabbers and
camera interfaces alike."""

PAUSE_DEADLINE_S: Final = 10.0
"""Stopping takes at most the deadline of one call on the device (`node.CALL_DEADLINE_S`)."""

NO_PICTURES: Final = "the capture device sends no pictures: the cable is not plugged or the target is off"
STUCK: Final = "the capture device has a signal, but sends no pictures of it"


@dataclass(slots=True)
class _Counters:
    pictures: int = 0
    """Given to the reader."""
    superseded: int = 0
    """Dropped because a newer one came before the reader."""
    limited: int = 0
    """Dropped because of the rate limit."""
    damaged: int = 0
    """Marked as damaged by the driver."""
    short: int = 0
    """With less than a whole picture; of JPEG, empty."""
    missed: int = 0
    """Lost before us: gaps in the driver's numbering."""
    unchanged: int = 0
    """Left out because they looked like the one before."""
    starts: int = 0
    """How many times the device was set up."""


class V4l2Stream:
    """See `drivers.ports.VideoStream`. `run` must be running meanwhile; one task reads."""

    def __init__(self, capture: Capture, max_fps: int) -> None:
        self._capture = capture
        self._max_fps = max_fps
        self._limit = RateLimit(max_fps)
        self._counters = _Counters()
        self._buffers: Buffers | None = None
        self._newest: Filled | None = None
        self._sequence: int | None = None
        self._no_signal: NoSignal | None = None
        self._told: NoSignal | None = None
        self._failure: DriverError | None = None
        self._news = trio.Event()
        # The picture that the waiting reader compares with, and how many were left out since it got it.
        self._unlike: Frame | None = None
        self._unchanged = 0
        self._watched: int | None = None
        self._watch_limiter = trio.CapacityLimiter(1)
        self._has_events = False
        # What makes the running task look anew: an event of the device, or a request to pause.
        self._changed = False
        self._waiting: trio.CancelScope | None = None
        self._pauses = 0
        self._stopped = trio.Event()
        self._resumed = trio.Event()

    async def next(self, unlike: Frame | None = None) -> Frame | NoSignal:
        """Wait for a newer picture or a change of the signal; see `drivers.ports.VideoStream.next`."""
        await trio.lowlevel.checkpoint()
        self._unlike = unlike
        watchable = self._buffers is not None and self._buffers.watchable(unlike) is not None
        if watchable and self._watched is None and self._waiting is not None:
            # Whoever waits for any picture shall wait for another one.
            self._waiting.cancel()
        try:
            return await self._next()
        finally:
            self._unlike = None

    def hurry(self) -> None:
        """Take any picture from now on; see `drivers.ports.VideoStream.hurry`."""
        self._unlike = None
        if self._watched is not None and self._waiting is not None:
            self._waiting.cancel()

    async def _next(self) -> Frame | NoSignal:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._no_signal is not None and self._no_signal != self._told:
                self._told = self._no_signal
                return self._no_signal
            if self._newest is not None and self._buffers is not None:
                filled, self._newest = self._newest, None
                self._told = None
                self._counters.pictures += 1
                unchanged, self._unchanged = self._unchanged, 0
                return self._buffers.lend(
                    filled,
                    functools.partial(self._give_back, self._buffers, filled.index),
                    unchanged_before=unchanged,
                )
            self._news = trio.Event()
            await self._news.wait()

    def statistics(self) -> dict[str, int]:
        """Return counters since the stream was opened, and how many buffers there are and readers have."""
        buffers = self._buffers
        return asdict(self._counters) | {
            "buffers": buffers.count if buffers else 0,
            "lent": buffers.lent if buffers else 0,
        }

    async def start(self) -> None:
        """Set the device up for the first time, so that what is wrong with it shows at once.

        Raises DriverError.
        """
        self._has_events = await self._capture.receiver.run(
            lambda: device.subscribe_source_changes(self._capture.receiver)
        )
        await self._start()

    async def run(self) -> None:
        """Follow the signal until cancelled, or until the device fails, which `next` raises."""
        try:
            while True:
                if self._buffers is not None:
                    await self._read_pictures()
                elif not self._pauses:
                    await self._wait(NO_SIGNAL_POLL_S)
                await self._stop()
                while self._pauses:
                    self._stopped.set()
                    await self._resumed.wait()
                await self._start()
        except DriverError as exc:
            self._fail(exc)
            self._retire()
            await stop_quietly(self._capture)
        finally:
            self._stopped.set()

    async def watch_events(self) -> None:
        """Wake `run` at every change of the signal that the device tells of, until cancelled."""
        if not self._has_events:
            return
        try:
            with PriorityReadiness(self._capture.receiver.fileno()) as readiness:
                while True:
                    await readiness.wait()
                    if device.source_changed(self._capture.receiver):
                        self._look_anew()
        except DriverError as exc:
            self._fail(exc)

    @asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        """Hold no buffers of the device meanwhile; the reader waits. Afterwards the signal is looked for.

        Raises DeviceTimeoutError if the device does not stop.
        """
        self._pauses += 1
        if self._pauses == 1 and self._failure is None:
            self._stopped, self._resumed = trio.Event(), trio.Event()
            self._look_anew()
        try:
            with trio.move_on_after(PAUSE_DEADLINE_S) as scope:
                await self._stopped.wait()
            if scope.cancelled_caught:
                node = self._capture.video.path
                raise DeviceTimeoutError(
                    f"{node}: expected it to stop within {PAUSE_DEADLINE_S} s, it did not"
                )
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                self._resumed.set()

    async def aclose(self) -> None:
        """Leave the device free for the next capture, pictures that readers still have notwithstanding."""
        self._retire()
        # Shielded: the device must be free even if the capture was cancelled.
        with trio.move_on_after(CLOSE_DEADLINE_S, shield=True):
            await stop_quietly(self._capture)

    async def _start(self) -> None:
        self._changed = False
        self._counters.starts += 1
        self._sequence = None
        result = await self._capture.video.run(lambda: self._capture.start(self._max_fps))
        if isinstance(result, NoSignal):
            self._tell(result)
        else:
            self._buffers = result

    async def _stop(self) -> None:
        if self._buffers is not None:
            self._retire()
            await self._capture.video.run(self._capture.stop)

    def _retire(self) -> None:
        buffers, self._buffers, self._newest = self._buffers, None, None
        if buffers is not None:
            buffers.retire()

    async def _read_pictures(self) -> None:
        """Keep the newest picture until something has changed."""
        capture, silent_since = self._capture, trio.current_time()
        checked = silent_since
        while not await self._wait_for_picture(capture.video.fileno()):
            now = trio.current_time()
            if self._drain() or self._newest is not None:
                silent_since = now
                if self._has_events:
                    # As long as it sends pictures, it tells of the signal by itself.
                    checked = now
            if now - checked < SILENCE_S:
                continue
            checked = now
            if await capture.video.run(capture.signal_has_changed):
                return
            if now - silent_since >= SILENCE_S:
                # A device without a receiver of its own does not know whether there is a signal.
                self._tell(NoSignal(NO_PICTURES if capture.timings is None else STUCK))
                if now - silent_since >= RESTART_SILENT_S:
                    return

    async def _wait_for_picture(self, fd: int) -> bool:
        """Wait for pictures, or for one that the reader wants to see; whether something else has changed."""
        buffers, unlike = self._buffers, self._unlike
        index = None if buffers is None or self._newest is not None else buffers.watchable(unlike)
        if buffers is None or unlike is None or index is None:
            return await self._wait(SILENCE_S, fd)

        def watch(stop_fd: int) -> Watched | DriverError:
            try:
                return buffers.wait_for_change(
                    unlike, stop_fd, sequence=self._sequence, limit=self._limit, silence_s=SILENCE_S
                )
            except DriverError as exc:
                return exc  # raised below, outside of the nursery's group

        watched: Watched | DriverError | None = None
        with closing(StopSignal()) as stop, trio.CancelScope() as self._waiting:
            if not self._changed:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(stop.set_when_cancelled)
                    self._watched = index
                    # Not to be abandoned: it works on our buffers. It returns as soon as it is told to stop.
                    watched = await trio.to_thread.run_sync(watch, stop.fd, limiter=self._watch_limiter)
                    nursery.cancel_scope.cancel()
        self._watched = None
        if isinstance(watched, DriverError):
            raise watched
        if watched is not None:
            self._take_watched(watched, buffers)
        return self._changed

    def _take_watched(self, watched: Watched, buffers: Buffers) -> None:
        self._sequence = watched.sequence
        self._unchanged += watched.unchanged
        self._counters.unchanged += watched.unchanged
        self._counters.missed += watched.missed
        self._counters.limited += watched.limited
        filled = watched.filled
        if filled is None:
            return
        # Its number has been looked at already.
        self._sequence = None
        if self._is_whole(filled, buffers.picture_bytes):
            self._keep(filled, buffers, admitted=True)
        else:
            buffers.requeue(filled.index)

    def _drain(self) -> bool:
        """Take all filled buffers and keep the newest whole picture; whether there was one."""
        buffers = self._buffers
        if buffers is None:
            return False
        newest: Filled | None = None
        taken = 0
        # Bounded: a source that fills buffers as fast as we return them must not keep us here.
        while taken < buffers.count and (filled := buffers.dequeue()) is not None:
            taken += 1
            if not self._is_whole(filled, buffers.picture_bytes):
                buffers.requeue(filled.index)
                continue
            if newest is not None:
                self._counters.superseded += 1
                buffers.requeue(newest.index)
            newest = filled
        if newest is not None:
            self._keep(newest, buffers)
        return newest is not None

    def _is_whole(self, filled: Filled, picture_bytes: int) -> bool:
        if self._sequence is not None:
            # The driver's number has 32 bits; some drivers repeat one, or count back after a disturbance.
            step = (filled.sequence - self._sequence) & 0xFFFFFFFF
            if 1 < step < 0x80000000:
                self._counters.missed += step - 1
        self._sequence = filled.sequence
        if filled.error:
            self._counters.damaged += 1
            return False
        if filled.used_bytes < picture_bytes:
            self._counters.short += 1
            return False
        return True

    def _keep(self, filled: Filled, buffers: Buffers, *, admitted: bool = False) -> None:
        if not admitted and not self._limit.admits(filled.time_s):
            self._counters.limited += 1
            buffers.requeue(filled.index)
            return
        if self._newest is not None:
            self._counters.superseded += 1
            buffers.requeue(self._newest.index)
        self._newest = filled
        self._no_signal = None
        self._news.set()

    def _give_back(self, buffers: Buffers, index: int) -> None:
        if index == self._watched and self._waiting is not None:
            # Nothing is compared any more with a picture that nobody has.
            self._waiting.cancel()
        try:
            buffers.requeue(index)
        except DriverError as exc:
            # The reader who returns a frame is not the one to hear of it: the next call of `next` is.
            self._fail(exc)

    def _tell(self, no_signal: NoSignal) -> None:
        self._no_signal = no_signal
        if self._newest is not None and self._buffers is not None:
            stale, self._newest = self._newest, None
            self._give_back(self._buffers, stale.index)
        self._news.set()

    def _fail(self, exc: DriverError) -> None:
        if self._failure is None:
            self._failure = exc
        self._news.set()

    def _look_anew(self) -> None:
        self._changed = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def _wait(self, timeout_s: float, fd: int | None = None) -> bool:
        """Wait until *fd* is readable, something has changed, or the time is over; whether it has changed."""
        with trio.move_on_after(timeout_s) as self._waiting:
            if not self._changed:
                if fd is None:
                    await trio.sleep(math.inf)
                else:
                    await trio.lowlevel.wait_readable(fd)
        return self._changed
