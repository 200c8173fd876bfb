"""The H.264 stage: gives frames to the encoder while anybody listens, and what it makes to who does.

Every listener gets every picture in order, from a key frame on; one that does not fetch them is not waited
for. The encoder's process is a supervised task, so that one that fails starts anew while the streamer runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import trio

from drivers.video.frame import Frame
from drivers.video.h264.encoder import EncodedPicture, H264Encoder
from drivers.video.h264.settings import Settings
from firmware.subsystems.streamer.clients import Audience
from firmware.subsystems.streamer.frames import FrameTimes
from firmware.subsystems.streamer.latency import LatencyMeter
from firmware.subsystems.streamer.rate import RateMeter

FEED_PICTURES: Final = 32
"""Pictures that wait for one listener: a second of video. Listeners only pass them on, and are never so
late."""


@dataclass(frozen=True, slots=True)
class H264Frame:
    """One encoded picture, an access unit of an Annex B stream.

    *times* is None if it shows what was shown already, better or as a key frame: it is nobody's delay.
    """

    data: bytes
    key: bool
    times: FrameTimes | None


class H264Stage:
    """Encodes while `run` runs and somebody listens."""

    def __init__(self, still: Callable[[], Frame | None], hurry: Callable[[], None] = lambda: None) -> None:
        """*still* returns the picture that is shown instead of a captured one, and does not come again.

        *hurry* asks for a captured picture soon, also of a screen that stands still.
        """
        self._still = still
        self._hurry = hurry
        self._encoder = H264Encoder(self._encoded)
        self._feeds: set[H264Feed] = set()
        self._newcomers = trio.Event()
        self.audience = Audience()
        self.encoded = RateMeter()
        self.latency = LatencyMeter()

    @property
    def running(self) -> bool:
        """Whether there is an encoder that pictures can be given to."""
        return self._encoder.running

    @property
    def wanted(self) -> bool:
        """Whether the next frame is to be encoded."""
        return self._encoder.running and bool(self._feeds)

    @property
    def pid(self) -> int | None:
        """The number of the process that encodes, None while there is none."""
        return self._encoder.pid

    async def run(
        self, settings: Settings, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Have an encoder until cancelled. Raises DriverError as `H264Encoder.run` does."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._encoder.run, settings)
            task_status.started()
            # Whoever has waited for the encoder, and whoever joins later, may find that nothing is captured.
            while True:
                still = self._still()
                if still is not None and self.wanted:
                    await self.take(still, online=False)
                await self._newcomers.wait()
                self._newcomers = trio.Event()

    async def take(self, frame: Frame, *, online: bool) -> None:
        """Take over the picture; its buffer is not read any more after the return."""
        await self._encoder.take(frame, online=online)

    def request_key_frame(self) -> None:
        """Have a key frame soon."""
        self._encoder.request_key_frame()

    @contextmanager
    def listen(self) -> Iterator[H264Feed]:
        """Take the pictures meanwhile."""
        feed = H264Feed(self.request_key_frame)
        self._feeds.add(feed)
        self._newcomers.set()
        self._hurry()
        try:
            with self.audience.joined():
                yield feed
        finally:
            self._feeds.remove(feed)
            if not self._feeds:
                self._encoder.forget()

    def _encoded(self, picture: EncodedPicture) -> None:
        times = FrameTimes(picture.grab_begin, picture.grab_end, picture.encode_begin, picture.encode_end)
        self.encoded.tick(trio.current_time())
        if picture.online and not picture.repeated:
            self.latency.encoded(times)
        frame = H264Frame(picture.data, picture.key, None if picture.repeated else times)
        for feed in self._feeds:
            feed.put(frame)


class H264Feed:
    """The pictures for one listener."""

    def __init__(self, request_key_frame: Callable[[], None]) -> None:
        self._request_key_frame = request_key_frame
        self._frames: deque[H264Frame] = deque()
        self._decodable = False
        self._news = trio.Event()

    def put(self, frame: H264Frame) -> None:
        """Append *frame* if the listener can decode it; if it is too slow, all wait for a new key frame."""
        if frame.key:
            self._decodable = True
        elif not self._decodable:
            return
        if len(self._frames) >= FEED_PICTURES:
            self._frames.clear()
            if not frame.key:
                self._decodable = False
                self._request_key_frame()
                return
        self._frames.append(frame)
        self._news.set()

    @property
    def waiting(self) -> int:
        """How many pictures wait."""
        return len(self._frames)

    def take(self) -> H264Frame:
        """Return the next one of those that wait. Raises IndexError if none does."""
        return self._frames.popleft()

    async def next(self) -> H264Frame:
        """Wait for the next picture; the first one is a key frame."""
        while not self._frames:
            self._news = trio.Event()
            await self._news.wait()
        return self.take()
