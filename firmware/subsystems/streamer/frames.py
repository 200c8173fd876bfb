"""Encoded frames, as they are shared by all clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """One encoded picture; times are seconds of the clock of `time.monotonic`.

    `online` is False for a rendered picture that says why there is none. `number` counts encoded frames.
    """

    data: bytes
    width: int
    height: int
    online: bool
    number: int
    grab_begin: float
    grab_end: float
    encode_begin: float
    encode_end: float
