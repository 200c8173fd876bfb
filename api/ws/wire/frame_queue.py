"""The frames that wait for one client of the media socket (contract websocket.md 2.3).

Of independent frames only the newest is worth sending. Those that need their predecessors wait in order; if
the client is too slow for them, all are thrown away and the next one is a key frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Final

from api.ws.wire.media import MediaFrame

CAPACITY: Final = 32
"""About a second of video, the contract's number: enough for a pause of the network, and not yet stale."""


class FrameQueue:
    """A bounded queue of frames; `dropped` counts those that were never taken."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._frames: deque[MediaFrame] = deque()
        self._decodable: set[str] = set()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: MediaFrame) -> Collection[str]:
        """Append *frame*, or drop what cannot be shown any more; the formats that now need a key frame."""
        if frame.independent:
            self._drop_older(frame.format)
        elif not frame.key and frame.format not in self._decodable:
            self.dropped += 1
            return ()  # a key frame has been asked for already
        interrupted: set[str] = set()
        if len(self._frames) >= self._capacity:
            self.dropped += len(self._frames)
            self._frames.clear()
            interrupted, self._decodable = self._decodable, set()
        if frame.key:
            self._decodable.add(frame.format)
            interrupted.discard(frame.format)
        if frame.format in interrupted:
            self.dropped += 1
        else:
            self._frames.append(frame)
        return interrupted

    def take(self) -> MediaFrame | None:
        """Return the oldest frame and remove it; None if there is none."""
        return self._frames.popleft() if self._frames else None

    def _drop_older(self, name: str) -> None:
        kept = [frame for frame in self._frames if frame.format != name]
        if len(kept) < len(self._frames):
            self.dropped += len(self._frames) - len(kept)
            self._frames = deque(kept)
