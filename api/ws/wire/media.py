"""The messages of the media socket (contract websocket.md 2): frames one way, wishes the other.

Beyond the contract, and only for clients that ask for it: when each frame passed each stage, and our clock to
compare with, so that a client can tell how old a picture is (docs/video.md, "Latency").
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from api.ws.wire import json_dialect
from api.ws.wire.input_events import BadMessageError, Ping
from firmware.subsystems.streamer.frames import FrameTimes

_VIDEO_FRAME, _FRAME_TIMES, _CLOCK = 0x01, 0x02, 0x03
_PING, _KEY_FRAME, _CLOCK_WANTED = range(3)

_TIMES = struct.Struct(">B5d")
_CLOCK_ANSWER = struct.Struct(">B8s2d")
_CLOCK_MARK_BYTES = 8

MOST_PAINTED = 120
"""Frames that one report may tell of: two seconds of the fastest source."""
_LONGEST_PAINT_S = 60.0


@dataclass(slots=True, eq=False)
class MediaFrame:
    """One encoded frame, made once and shared by all clients.

    *key* is the flag of its header: it needs none of the frames before it. *independent* says that no frame
    of its format needs another one, as with JPEG, whose flag is 0 all the same. *times* is None where nobody
    knows them.
    """

    format: str
    data: bytes
    times: FrameTimes | None = None
    key: bool = False
    independent: bool = False
    _message: bytes | None = field(default=None, init=False)

    @property
    def message(self) -> bytes:
        """The frame behind its header, for the regular mode; made at first use, for whoever needs it."""
        if self._message is None:
            self._message = bytes((_VIDEO_FRAME, self.key)) + self.data
        return self._message


@dataclass(frozen=True, slots=True)
class Start:
    """The client wants the frames of a format, and to know their times if *timing*."""

    format: str
    timing: bool = False


@dataclass(frozen=True, slots=True)
class KeyFrameWanted:
    """The client cannot go on without a key frame."""


@dataclass(frozen=True, slots=True)
class ClockWanted:
    """The client wants to know our clock; *mark* is 8 bytes that it gets back, its own time as a rule."""

    mark: bytes


@dataclass(frozen=True, slots=True)
class Painted:
    """How many seconds after their capture the client showed its last frames."""

    latencies_s: tuple[float, ...]


type MediaWish = Start | KeyFrameWanted | Ping | ClockWanted | Painted


def encode_offer(formats: Mapping[str, Mapping[str, object]]) -> str:
    """Return the event that tells which video *formats* there are, by name with their parameters."""
    return json_dialect.encode("media", {"video": formats})


def encode_times(times: FrameTimes, sent: float) -> bytes:
    """Return the message in front of a frame: when it passed each stage, in seconds of `time.monotonic`."""
    return _TIMES.pack(
        _FRAME_TIMES, times.grab_begin, times.grab_end, times.encode_begin, times.encode_end, sent
    )


def encode_clock(mark: bytes, received: float, sent: float) -> bytes:
    """Return the answer to `ClockWanted`, with our times of its arrival and of this answer."""
    return _CLOCK_ANSWER.pack(_CLOCK, mark, received, sent)


def decode(message: str | bytes) -> MediaWish:
    """Return what a client says. Raises BadMessageError for everything that is to be ignored."""
    if isinstance(message, str):
        return _decode_text(message)
    if not message:
        raise BadMessageError("empty binary message")
    if message[0] == _PING:
        return Ping()
    if message[0] == _KEY_FRAME:
        return KeyFrameWanted()
    if message[0] == _CLOCK_WANTED:
        mark = message[1:]
        if len(mark) != _CLOCK_MARK_BYTES:
            raise BadMessageError(f"clock: expected a mark of {_CLOCK_MARK_BYTES} bytes, got {len(mark)}")
        return ClockWanted(mark)
    raise BadMessageError(f"unknown operation 0x{message[0]:02x}")


def _decode_text(text: str) -> Start | Painted:
    event_type, event = json_dialect.decode_envelope(text)
    if event_type == "painted":
        return _decode_painted(event)
    if event_type != "start":
        raise BadMessageError(f"unknown event_type {event_type[:32]!r}")
    media_type, media_format = event.get("type"), event.get("format")
    if not isinstance(media_type, str) or not isinstance(media_format, str):
        raise BadMessageError("start: expected type and format as strings")
    if media_type.strip().lower() != "video":
        raise BadMessageError(f"start: expected the type video, got {media_type[:32]!r}")
    return Start(media_format.strip().lower(), timing=event.get("timing") is True)


def _decode_painted(event: Mapping[str, object]) -> Painted:
    latencies = event.get("latency_s")
    if not isinstance(latencies, list) or len(latencies) > MOST_PAINTED:
        raise BadMessageError(f"painted: expected latency_s as a list of at most {MOST_PAINTED} numbers")
    for each in latencies:
        # A clock that is not yet known well may put a picture a little before its capture.
        if isinstance(each, bool) or not isinstance(each, int | float) or not abs(each) <= _LONGEST_PAINT_S:
            raise BadMessageError(f"painted: expected numbers of seconds up to {_LONGEST_PAINT_S:g}")
    return Painted(tuple(float(each) for each in latencies))
