"""The messages of the media socket (contract websocket.md 2): frames one way, wishes the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.ws.wire import json_dialect
from api.ws.wire.input_events import BadMessageError, Ping

_VIDEO_FRAME = 0x01
_PING, _KEY_FRAME = range(2)


@dataclass(slots=True, eq=False)
class MediaFrame:
    """One encoded frame, made once and shared by all clients.

    *key* is the flag of its header: it needs none of the frames before it. *independent* says that no frame
    of its format needs another one, as with JPEG, whose flag is 0 all the same.
    """

    format: str
    data: bytes
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
    """The client wants the frames of a format."""

    format: str


@dataclass(frozen=True, slots=True)
class KeyFrameWanted:
    """The client cannot go on without a key frame."""


type MediaWish = Start | KeyFrameWanted | Ping


def encode_offer(formats: Mapping[str, Mapping[str, object]]) -> str:
    """Return the event that tells which video *formats* there are, by name with their parameters."""
    return json_dialect.encode("media", {"video": formats})


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
    raise BadMessageError(f"unknown operation 0x{message[0]:02x}")


def _decode_text(text: str) -> Start:
    event_type, event = json_dialect.decode_envelope(text)
    if event_type != "start":
        raise BadMessageError(f"unknown event_type {event_type[:32]!r}")
    media_type, media_format = event.get("type"), event.get("format")
    if not isinstance(media_type, str) or not isinstance(media_format, str):
        raise BadMessageError("start: expected type and format as strings")
    if media_type.strip().lower() != "video":
        raise BadMessageError(f"start: expected the type video, got {media_type[:32]!r}")
    return Start(media_format.strip().lower())
