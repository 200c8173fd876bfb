"""H.264 of a source's frames: written to shared memory in a thread, encoded by a process, given on.

Responsible for what is encoded when: the newest picture wins, one that stands still is encoded some more
times and then no more, and a key frame that is asked for comes at once. Must never make the source wait for
the codec.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from typing import Final

import trio

from drivers.video import i420
from drivers.video.frame import DamagedPictureError, Frame, PixelFormat
from drivers.video.h264 import memory
from drivers.video.h264.process import EncodingProcess, open_process
from drivers.video.h264.protocol import Encode
from drivers.video.h264.settings import CODECS, Settings
from drivers.video.h264.slots import Job, Picture, Slots

logger = logging.getLogger(__name__)

KEY_INTERVAL_S: Final = 0.25
"""A client that goes on asking for key frames must not have all others pay for it; one that has joined does
not notice a quarter of a second."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """An access unit of an Annex B stream, with parameter sets in front of each key frame.

    Sides are even, in pixels; `online` and the times of the capture are the source's, all in seconds of the
    clock of `time.monotonic`. One that is `repeated` shows what was shown already, better or as a key frame.
    """

    data: bytes
    key: bool
    repeated: bool
    width: int
    height: int
    online: bool
    grab_begin: float
    grab_end: float
    encode_begin: float
    encode_end: float


class H264Encoder:
    """Encodes while `run` runs."""

    def __init__(self, on_picture: Callable[[EncodedPicture], None]) -> None:
        """Give what is encoded to *on_picture*, which must not wait."""
        self._on_picture = on_picture
        self._session: _Session | None = None
        # One writes at a time, since there is one slot for it.
        self._writing = trio.Lock()
        self._writers = trio.CapacityLimiter(1)
        # Codecs that hung or took the process with them before they had encoded anything.
        self._deadly: set[str] = set()
        self._too_large: tuple[int, int] | None = None
        self.codec = ""
        """FFmpeg's name of the codec that encoded last, "" before the first picture."""

    @property
    def running(self) -> bool:
        """Whether pictures are taken."""
        return self._session is not None

    @property
    def pid(self) -> int | None:
        """The number of the process that encodes, None while there is none."""
        return None if self._session is None else self._session.process.pid

    async def run(
        self, settings: Settings, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Encode until cancelled.

        Raises NotSupportedError if there is no H.264 in this installation, another DriverError if the process
        ends, hangs or fails.
        """
        descriptor, pages = memory.create()
        codecs = [name for name in CODECS if name not in self._deadly]
        session: _Session | None = None
        try:
            async with open_process(settings, codecs, descriptor) as process:
                await process.ready()
                self._session = session = _Session(pages, process, settings)
                task_status.started()
                await self._encode(session, 1 / settings.nominal_fps)
        except Exception:
            if session is not None and session.process.trying and session.process.codec != CODECS[-1]:
                # It did not get as far as saying what is wrong: the next process does without it.
                logger.warning("H.264 is encoded without %s from now on", session.process.codec)
                self._deadly.add(session.process.codec)
            raise
        finally:
            self._session = None
            os.close(descriptor)

    async def _encode(self, session: _Session, period_s: float) -> None:
        while True:
            job = await session.next_job(period_s)
            picture = job.picture
            begin = time.monotonic()
            packet = await session.process.encode(
                Encode(picture.slot, picture.width, picture.height, picture.colour, job.key)
            )
            session.slots.encoded(len(packet.data), key=packet.key)
            if session.process.codec != self.codec:
                self.codec = session.process.codec
                logger.info("H.264 is encoded by %s", self.codec)
            self._on_picture(
                EncodedPicture(
                    data=packet.data,
                    key=packet.key,
                    repeated=job.repeated,
                    width=picture.width,
                    height=picture.height,
                    online=picture.online,
                    grab_begin=picture.grab_begin,
                    grab_end=picture.grab_end,
                    encode_begin=begin,
                    encode_end=time.monotonic(),
                )
            )

    async def take(self, frame: Frame, *, online: bool) -> None:
        """Take over *frame*; its buffer is not read any more after the return.

        A damaged JPEG picture is left out. Raises ValueError, TypeError or BufferError for a frame that
        contradicts itself.
        """
        async with self._writing:
            session = self._session
            if session is not None and self._fits(frame):
                await self._write(session, frame, online=online)

    async def _write(self, session: _Session, frame: Frame, *, online: bool) -> None:
        newest, watched = session.slots.newest, session.watched
        picture = Picture(
            slot=session.slots.free(),
            width=i420.even(frame.width),
            height=i420.even(frame.height),
            colour=i420.colour_of(frame),
            online=online,
            grab_begin=frame.grab_begin,
            grab_end=frame.grab_end,
        )
        try:
            changed = await trio.to_thread.run_sync(
                session.write, frame, picture, newest, limiter=self._writers
            )
        except DamagedPictureError as exc:
            # What devices send now and then; the next one may be whole.
            logger.debug("a picture was left out: %s", exc)
            return
        # For whoever has gone meanwhile there is nothing to do; who has come has the next picture.
        if changed and watched is session.watched:
            session.slots.written(picture)
            session.news.set()

    def request_key_frame(self) -> None:
        """Have a key frame soon; the last picture is encoded again if there is no newer one.

        Demands that come close to each other are met by one.
        """
        if self._session is not None:
            self._session.key_demanded = True
            self._session.news.set()

    def forget(self) -> None:
        """Rest until the next picture: nobody watches."""
        if self._session is not None:
            self._session.slots.forget()
            self._session.key_demanded = False
            self._session.watched = object()

    def _fits(self, frame: Frame) -> bool:
        if i420.size_bytes(frame.width, frame.height) <= memory.SLOT_BYTES:
            self._too_large = None
            return True
        if self._too_large != (frame.width, frame.height):
            self._too_large = (frame.width, frame.height)
            logger.warning("%d x %d is more than H.264 is encoded for here: no pictures", *self._too_large)
        return False


def _is_kept(frame: Frame) -> bool:
    """Whether a frame's bytes are kept: JPEG is short, and bytes objects need not be copied."""
    return frame.format is PixelFormat.JPEG or isinstance(frame.data, bytes)


class _Session:
    """What belongs to one process."""

    def __init__(self, pages: mmap, process: EncodingProcess, settings: Settings) -> None:
        # Unmapped with the last view of it: a thread may still be writing when the process is gone.
        self._pages = pages
        self.process = process
        self.slots = Slots(gop=settings.gop, fair_bytes=settings.bitrate_kbps * 125 // settings.nominal_fps)
        self.news = trio.Event()
        self.key_demanded = False
        self.watched = object()
        """Another one after nobody has watched."""
        self._no_key_before = -math.inf
        # What the newest picture was made of, where that tells without any work that it has come again.
        self._source: bytes | None = None
        self._made_of_source: Picture | None = None

    def write(self, frame: Frame, picture: Picture, newest: Picture | None) -> bool:
        """Write *frame* to the slot of *picture*; return whether it differs from *newest* (blocking).

        If it does not, the slot may be as it was.
        """
        comparable = newest if newest is not None and picture.alike(newest) else None
        if comparable is not None and comparable is self._made_of_source and self._is_source(frame):
            return False
        target = self._slot(picture)
        i420.write(frame, target)
        changed = comparable is None or not i420.same(target, self._slot(comparable))
        self._made_of_source = picture if changed else comparable
        self._source = bytes(frame.data) if _is_kept(frame) else None
        return changed

    def _is_source(self, frame: Frame) -> bool:
        if self._source is None or not _is_kept(frame):
            return False
        return frame.data is self._source or (
            frame.format is PixelFormat.JPEG and i420.same(frame.data, self._source)
        )

    def _slot(self, picture: Picture) -> memoryview:
        return memory.slot(self._pages, picture.slot, i420.size_bytes(picture.width, picture.height))

    async def next_job(self, period_s: float) -> Job:
        """Wait for something to encode, at most *period_s* if the last picture is to be made better."""
        while True:
            self.news = trio.Event()
            now = trio.current_time()
            if self.key_demanded and now >= self._no_key_before:
                self.key_demanded = False
                self._no_key_before = now + KEY_INTERVAL_S
                self.slots.want_key_frame()
            job = self.slots.next()
            if job is not None:
                return job
            until = [now + period_s] if self.slots.repeats else []
            until += [self._no_key_before] if self.key_demanded else []
            with trio.move_on_at(min(until, default=math.inf)) as scope:
                await self.news.wait()
            if scope.cancelled_caught and (job := self.slots.again()) is not None:
                return job
