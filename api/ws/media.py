"""The media socket: encoded frames to clients that choose among the formats there are (websocket.md 2).

A format is an object behind `VideoFormat`; whoever brings an encoder adds one in `firmware.compose.video`.
A session has a reader, a writer and a feeder for each format that was started. It must never hold up the
encoder nor another client: what the client does not take is dropped in its own queue.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

import trio

from api.params import Param
from api.ws.rights import May, allowed
from api.ws.session import MOST_PENDING_PONGS, Socket
from api.ws.wire.binary_dialect import PONG
from api.ws.wire.frame_queue import FrameQueue
from api.ws.wire.input_events import BadMessageError, Ping
from api.ws.wire.media import (
    ClockWanted,
    KeyFrameWanted,
    MediaFrame,
    Painted,
    Start,
    decode,
    encode_clock,
    encode_offer,
    encode_times,
)
from firmware.core.validators import valid_choice
from firmware.subsystems.streamer.latency import LatencyMeter

logger = logging.getLogger(__name__)


class FrameFeed(Protocol):
    """The frames of one format for one client."""

    async def next(self) -> MediaFrame:
        """Wait for the next frame: for ever, while nothing is captured."""
        ...


class VideoFormat(Protocol):
    """A format that is offered."""

    @property
    def name(self) -> str:
        """Its name in the protocol: "jpeg", "h264"."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """What a decoder has to know beforehand."""
        ...

    @property
    def latency(self) -> LatencyMeter:
        """Where to count when its frames are sent and shown."""
        ...

    def listen(self) -> AbstractContextManager[FrameFeed]:
        """Take its frames meanwhile; it may rest while nobody does."""
        ...

    def request_key_frame(self) -> None:
        """Ask for a key frame soon; without effect where every frame is one."""
        ...


def offer_of(formats: Mapping[str, VideoFormat]) -> Mapping[str, Mapping[str, object]]:
    """Return the parameters of each of *formats* by its name."""
    return {name: each.parameters for name, each in formats.items()}


class MediaSockets:
    """All clients of the media socket, and the formats that they are offered."""

    def __init__(self, formats: Sequence[VideoFormat]) -> None:
        self._formats = {each.name: each for each in formats}
        self.video_param = Param(
            "video",
            partial(valid_choice, allowed=("", *self._formats)),
            "",
            "bare frames of this format; empty lets the client choose",
        )
        self._clients = 0
        self._dropped_frames = 0

    def offer(self) -> Mapping[str, Mapping[str, object]]:
        """Return the parameters of each format by its name."""
        return offer_of(self._formats)

    async def serve(self, socket: Socket, *, may: May, pure: str = "") -> None:
        """Serve one client, who *may* do some things, until cancelled or until the socket raises.

        *pure* names the format whose bare frames are all that it gets; without it the client chooses.
        """
        session = _Session(socket, self._formats, pure, may)
        self._clients += 1
        try:
            await session.serve()
        finally:
            self._clients -= 1
            self._dropped_frames += session.dropped_frames

    def statistics(self) -> dict[str, int]:
        """Return the number of clients, and how many frames those that are gone were too slow for."""
        return {"clients": self._clients, "dropped_frames": self._dropped_frames}


class _Session:
    def __init__(self, socket: Socket, formats: Mapping[str, VideoFormat], pure: str, may: May) -> None:
        self._socket = socket
        self._may = may
        self._formats = formats
        self._pure = pure
        self._queue = FrameQueue()
        self._pending_pongs = 0
        self._clock_marks: list[tuple[bytes, float]] = []
        self._started: dict[str, VideoFormat] = {}
        self._timed: set[str] = set()
        # The last frame that was sent of each format, by which repetitions are known.
        self._sent: dict[str, MediaFrame] = {}
        self._news = trio.Event()

    @property
    def dropped_frames(self) -> int:
        return self._queue.dropped

    async def serve(self) -> None:
        if not self._pure:
            await self._socket.send(encode_offer(offer_of(self._formats)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            if self._pure:
                self._start(self._pure, nursery)
            while True:
                message = await self._socket.receive()
                if not self._pure:
                    self._take(message, nursery)

    def _take(self, message: str | bytes, nursery: trio.Nursery) -> None:
        try:
            wish = decode(message)
        except BadMessageError as exc:
            logger.info("a message of a media socket was ignored: %s", exc)
            return
        if not allowed(wish, self._may):
            return
        match wish:
            case Ping():
                self._pending_pongs = min(self._pending_pongs + 1, MOST_PENDING_PONGS)
                self._news.set()
            case Start(name, timing):
                if timing and name in self._formats:
                    self._timed.add(name)
                self._start(name, nursery)
            case KeyFrameWanted():
                for each in self._started.values():
                    each.request_key_frame()
            case ClockWanted(mark):
                if len(self._clock_marks) < MOST_PENDING_PONGS:
                    self._clock_marks.append((mark, time.monotonic()))
                    self._news.set()
            case Painted(latencies_s):
                # With several formats on one socket only the last one is shown.
                for each in list(self._started.values())[-1:]:
                    for latency_s in latencies_s:
                        each.latency.painted(latency_s)

    def _start(self, name: str, nursery: trio.Nursery) -> None:
        if name not in self._formats:
            logger.info("a client of a media socket asked for %r, which there is not", name[:32])
        elif name not in self._started:
            self._started[name] = self._formats[name]
            nursery.start_soon(self._feed, self._formats[name])

    async def _feed(self, video: VideoFormat) -> None:
        """Move frames to the queue, however slowly the client takes them from there."""
        with video.listen() as feed:
            video.request_key_frame()
            while True:
                frame = await feed.next()
                for name in self._queue.put(frame):
                    self._formats[name].request_key_frame()
                self._news.set()

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while (frame := self._queue.take()) is not None:
                await self._answer_pings()
                await self._send(frame)
            await self._answer_pings()

    async def _send(self, frame: MediaFrame) -> None:
        last = self._sent.get(frame.format)
        self._sent[frame.format] = frame
        # The first frame may be an old one, and a repeated one is: that is nobody's delay.
        if frame.times is not None and last is not None and last is not frame:
            now_s = time.monotonic()
            self._formats[frame.format].latency.sent(frame.times, now_s)
            if frame.format in self._timed:
                await self._socket.send(encode_times(frame.times, now_s))
        await self._socket.send(frame.data if self._pure else frame.message)

    async def _answer_pings(self) -> None:
        pongs, self._pending_pongs = self._pending_pongs, 0
        for _ in range(pongs):
            await self._socket.send(PONG)
        marks, self._clock_marks = self._clock_marks, []
        for mark, received_s in marks:
            await self._socket.send(encode_clock(mark, received_s, time.monotonic()))
