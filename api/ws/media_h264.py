"""H.264 on the media socket: what the streamer's H.264 stage makes, from a key frame on (websocket.md 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from api.ws.wire.media import MediaFrame
from firmware.subsystems.streamer.h264_stage import H264Feed, H264Frame, H264Stage

NAME: Final = "h264"

PROFILE_LEVEL_ID: Final = "42E01F"
"""Constrained baseline; the level is that of 720p, as the contract says. The stream's own parameter sets
tell the true one."""


class H264Format:
    """Implements `api.ws.media.VideoFormat`."""

    name = NAME
    parameters: Mapping[str, object] = {"profile_level_id": PROFILE_LEVEL_ID}

    def __init__(self, stage: H264Stage) -> None:
        self._stage = stage
        self.latency = stage.latency
        self._shared: tuple[H264Frame | None, MediaFrame | None] = (None, None)

    @contextmanager
    def listen(self) -> Iterator[_Feed]:
        """Take the pictures meanwhile; see `VideoFormat.listen`."""
        with self._stage.listen() as feed:
            yield _Feed(self, feed)

    def request_key_frame(self) -> None:
        """Ask for a key frame soon."""
        self._stage.request_key_frame()

    def shared(self, frame: H264Frame) -> MediaFrame:
        """Return *frame* as clients that are equally far share it."""
        last, shared = self._shared
        if shared is None or last is not frame:
            shared = MediaFrame(NAME, frame.data, frame.times, key=frame.key)
            self._shared = (frame, shared)
        return shared


class _Feed:
    """One client's pictures."""

    def __init__(self, video: H264Format, feed: H264Feed) -> None:
        self._video = video
        self._feed = feed

    async def next(self) -> MediaFrame:
        """Wait for the next picture."""
        return self._video.shared(await self._feed.next())
