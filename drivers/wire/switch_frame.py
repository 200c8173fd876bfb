"""Framing of the PiKVM Switch's serial line (contract subsystems.md 9.1).

A frame is `F1`, an escaped message, `F2`; the bytes F0, F1 and F2 of a message are sent as `F0` and the byte
with all its bits turned. There is no checksum: what breaks a frame is dropped with it, up to the next `F1`.
Knows nothing of what a message means.
"""

from __future__ import annotations

from typing import Final

ESCAPE: Final = 0xF0
START: Final = 0xF1
END: Final = 0xF2
MAX_MESSAGE_BYTES: Final = 512
"""The longest message, an EDID, has 262 bytes; what goes on for longer has lost its end."""

_ESCAPED: Final = frozenset((ESCAPE, START, END))
_TURNED: Final = 0xFF


def encode_frame(message: bytes) -> bytes:
    """Return the frame of *message*."""
    frame = bytearray((START,))
    for byte in message:
        if byte in _ESCAPED:
            frame += bytes((ESCAPE, byte ^ _TURNED))
        else:
            frame.append(byte)
    frame.append(END)
    return bytes(frame)


class FrameDecoder:
    """Finds messages in a stream of bytes that may have garbage between them; holds at most one message."""

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._message: bytearray | None = None
        self._escaping = False
        self._skipped_bytes = 0
        self._broken_frames = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in and return the messages that they complete."""
        return [message for byte in data if (message := self._take(byte)) is not None]

    def _take(self, byte: int) -> bytes | None:
        if byte == START:
            if self._message is not None:
                self._break()
            self._message, self._escaping = bytearray(), False
        elif self._message is None:
            self._skipped_bytes += 1
        elif byte == END:
            if self._escaping:
                self._break()
                return None
            message, self._message = bytes(self._message), None
            return message
        elif byte == ESCAPE and not self._escaping:
            self._escaping = True
        elif len(self._message) >= self._max_message_bytes or (byte == ESCAPE):
            self._break()
        else:
            self._message.append(byte ^ _TURNED if self._escaping else byte)
            self._escaping = False
        return None

    def _break(self) -> None:
        self._message = None
        self._broken_frames += 1

    def statistics(self) -> dict[str, int]:
        """Return how many bytes were outside of any frame and how many frames were broken."""
        return {"skipped_bytes": self._skipped_bytes, "broken_frames": self._broken_frames}
