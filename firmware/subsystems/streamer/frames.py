"""Encoded frames, as they are shared by all clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """When a frame passed each stage, in seconds of the clock of `time.monotonic`.

    `grab_begin` is the capture's own time stamp, where the device tells it; `grab_end` is when we got hold of
    the frame.
    """

    grab_begin: float
    grab_end: float
    encode_begin: float
    encode_end: float


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """One encoded picture.

    `online` is False for a rendered picture that says why there is none. `number` counts encoded frames.
    """

    data: bytes
    width: int
    height: int
    online: bool
    number: int
    times: FrameTimes
