"""JPEG on the media socket: the streamer's own frames, always offered, since they are there anyhow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import trio

from api.ws.wire.media import MediaFrame
from firmware.subsystems.streamer.frames import JpegFrame
from firmware.subsystems.streamer.service import StreamerService

NAME: Final = "jpeg"
# A picture that does not change is repeated, so that clients can tell a still screen from a dead stream.
REPEAT_S: Final = 1.0


class JpegFormat:
    """Implements `api.ws.media.VideoFormat`."""

    name = NAME
    parameters: Mapping[str, object] = {}

    def __init__(self, streamer: StreamerService) -> None:
        self._streamer = streamer
        self.latency = streamer.jpeg_latency
        self._shared: tuple[JpegFrame | None, MediaFrame | None] = (None, None)

    @contextmanager
    def listen(self) -> Iterator[_JpegFeed]:
        """Take the newest frames meanwhile; see `VideoFormat.listen`."""
        with self._streamer.jpeg_sink.joined():
            yield _JpegFeed(self, self._streamer)

    def request_key_frame(self) -> None:
        """Do nothing: every JPEG picture is whole."""

    def shared(self, frame: JpegFrame) -> MediaFrame:
        """Return *frame* as all clients share it."""
        last, shared = self._shared
        if shared is None or last is not frame:
            shared = MediaFrame(NAME, frame.data, frame.times, independent=True)
            self._shared = (frame, shared)
        return shared


class _JpegFeed:
    """One client's look at the newest frame."""

    def __init__(self, video: JpegFormat, streamer: StreamerService) -> None:
        self._video = video
        self._frames = streamer.frames
        self._seen = 0

    async def next(self) -> MediaFrame:
        """Wait for a newer frame, or for the time to repeat the last one."""
        while True:
            pause_s = math.inf if self._frames.value is None else REPEAT_S
            with trio.move_on_after(pause_s):
                await self._frames.wait_newer(self._seen)
            self._seen, frame = self._frames.version, self._frames.value
            if frame is not None:
                return self._video.shared(frame)
