"""RFB, the protocol behind VNC, from the viewer's side: bytes in, a framebuffer and events out.

Responsible for the handshake without authentication, for keeping the picture up to date from raw rectangles
and for following changes of the size. It must never do I/O or decide when to ask for an update. Pixels are
32 bit, byte order B G R x. Source: RFC 6143 (RFB 3.8); the DesktopSize pseudo-encoding is its section 7.8.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from drivers.errors import BadReplyError, NotSupportedError

MAX_SIDE_PX = 4096
"""The largest width and height accepted; at four bytes a pixel this bounds the framebuffer to 64 MiB."""

BYTES_PER_PIXEL = 4

_VERSION = b"RFB 003.008\n"
_SECURITY_NONE = 1
_ENCODING_RAW = 0
_ENCODING_DESKTOP_SIZE = -223
# Depth 24 in 32 bits, little endian, true colour, 8 bits each, red at bit 16, green at 8, blue at 0.
_PIXEL_FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_MAX_TEXT_BYTES = 1 << 20

_SET_PIXEL_FORMAT, _SET_ENCODINGS, _UPDATE_REQUEST = 0, 2, 3
_FRAMEBUFFER_UPDATE, _BELL, _SERVER_CUT_TEXT = 0, 2, 3


@dataclass(frozen=True, slots=True)
class RfbReady:
    """The handshake is over; the picture's size is known and its content still black."""

    name: str


@dataclass(frozen=True, slots=True)
class RfbResized:
    """The picture has another size from now on; its content is black until the next update."""

    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class RfbUpdated:
    """An update is complete, so the picture is consistent; *pixels* tells whether it brought any."""

    pixels: bool


type RfbEvent = RfbReady | RfbResized | RfbUpdated


class RfbClient:
    """One connection's viewer side.

    Hand it what arrives with `receive`, send what `data_to_send` returns, ask for pictures with
    `request_update`. `framebuffer` is consistent whenever `receive` ends with the connection between two
    updates (`in_update` is False).
    """

    def __init__(self, *, max_side_px: int = MAX_SIDE_PX) -> None:
        self._max_side_px = max_side_px
        self._outgoing = bytearray()
        self._events: list[RfbEvent] = []
        self._buffer = bytearray()
        self._wanted_bytes = len(_VERSION)
        self._step: Callable[[bytes], None] = self._on_version
        self._skip_bytes = 0
        self._rectangle: _Rectangle | None = None
        self._rectangles_left = 0
        self._pixels_seen = False
        self.width_px = 0
        self.height_px = 0
        self.framebuffer = bytearray()

    @property
    def in_update(self) -> bool:
        """Whether the framebuffer is being written, thus between two states."""
        return self._rectangle is not None or self._rectangles_left > 0

    def data_to_send(self) -> bytes:
        """Return and forget what has to be sent to the server."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def request_update(self, *, incremental: bool) -> None:
        """Ask for the changes since the last update, or for the whole picture."""
        self._outgoing += struct.pack(
            ">BBHHHH", _UPDATE_REQUEST, incremental, 0, 0, self.width_px, self.height_px
        )

    def receive(self, data: bytes) -> list[RfbEvent]:
        """Take *data* and return what it completes.

        Raises BadReplyError if the server breaks the protocol, NotSupportedError if it wants a password.
        """
        view = memoryview(data)
        while view:
            if self._skip_bytes:
                skipped = min(self._skip_bytes, len(view))
                self._skip_bytes -= skipped
                view = view[skipped:]
            elif self._rectangle is not None:
                # Pixels go straight from the received bytes to their place; only headers are collected.
                view = view[self._rectangle.write(self.framebuffer, view) :]
                if self._rectangle.complete:
                    self._rectangle = None
                    self._next_rectangle()
            else:
                missing = self._wanted_bytes - len(self._buffer)
                self._buffer += view[:missing]
                view = view[missing:]
                if len(self._buffer) == self._wanted_bytes:
                    piece = bytes(self._buffer)
                    self._buffer.clear()
                    self._step(piece)
        events, self._events = self._events, []
        return events

    def _expect(self, wanted_bytes: int, step: Callable[[bytes], None]) -> None:
        self._wanted_bytes, self._step = wanted_bytes, step

    # The handshake (RFC 6143 section 7.1 to 7.3)

    def _on_version(self, version: bytes) -> None:
        if version != _VERSION:
            raise BadReplyError(f"expected the RFB version {_VERSION!r}, got {version!r}")
        self._outgoing += _VERSION
        self._expect(1, self._on_security_count)

    def _on_security_count(self, count: bytes) -> None:
        if count[0] == 0:
            self._expect(4, self._on_reason_length)
        else:
            self._expect(count[0], self._on_security_types)

    def _on_security_types(self, types: bytes) -> None:
        if _SECURITY_NONE not in types:
            raise NotSupportedError(
                f"expected a VNC server without authentication, got security types {list(types)}"
            )
        self._outgoing.append(_SECURITY_NONE)
        self._expect(4, self._on_security_result)

    def _on_security_result(self, result: bytes) -> None:
        if any(result):
            self._expect(4, self._on_reason_length)
            return
        self._outgoing.append(1)  # shared: other viewers may stay
        self._expect(24, self._on_server_init)

    def _on_reason_length(self, length: bytes) -> None:
        (reason_bytes,) = struct.unpack(">I", length)
        if not 0 < reason_bytes <= _MAX_TEXT_BYTES:
            raise BadReplyError(f"expected a reason of 1 to {_MAX_TEXT_BYTES} bytes, got {reason_bytes}")
        self._expect(reason_bytes, self._on_reason)

    def _on_reason(self, reason: bytes) -> None:
        raise BadReplyError(f"the VNC server refused us: {reason.decode(errors='replace')}")

    def _on_server_init(self, init: bytes) -> None:
        width_px, height_px, name_bytes = struct.unpack(">HH16xI", init)
        if name_bytes > _MAX_TEXT_BYTES:
            raise BadReplyError(f"expected a name of at most {_MAX_TEXT_BYTES} bytes, got {name_bytes}")
        self._resize(width_px, height_px)
        self._outgoing += struct.pack(">B3x", _SET_PIXEL_FORMAT) + _PIXEL_FORMAT
        encodings = (_ENCODING_RAW, _ENCODING_DESKTOP_SIZE)
        self._outgoing += struct.pack(f">BxH{len(encodings)}i", _SET_ENCODINGS, len(encodings), *encodings)
        if name_bytes:
            self._expect(name_bytes, self._on_name)
        else:
            self._on_name(b"")

    def _on_name(self, name: bytes) -> None:
        self._events.append(RfbReady(name.decode(errors="replace")))
        self._expect(1, self._on_message_type)

    # Messages (RFC 6143 section 7.6)

    def _on_message_type(self, message_type: bytes) -> None:
        if message_type[0] == _FRAMEBUFFER_UPDATE:
            self._expect(3, self._on_update)
        elif message_type[0] == _SERVER_CUT_TEXT:
            self._expect(7, self._on_cut_text)
        elif message_type[0] == _BELL:
            self._expect(1, self._on_message_type)
        else:
            raise BadReplyError(f"expected an RFB update, bell or cut text, got type {message_type[0]}")

    def _on_cut_text(self, header: bytes) -> None:
        (text_bytes,) = struct.unpack(">3xI", header)
        if text_bytes > _MAX_TEXT_BYTES:
            raise BadReplyError(f"expected a cut text of at most {_MAX_TEXT_BYTES} bytes, got {text_bytes}")
        self._skip_bytes = text_bytes
        self._expect(1, self._on_message_type)

    def _on_update(self, header: bytes) -> None:
        (self._rectangles_left,) = struct.unpack(">xH", header)
        self._pixels_seen = False
        self._next_rectangle()

    def _next_rectangle(self) -> None:
        if self._rectangles_left:
            self._expect(12, self._on_rectangle)
        else:
            self._events.append(RfbUpdated(self._pixels_seen))
            self._expect(1, self._on_message_type)

    def _on_rectangle(self, header: bytes) -> None:
        x, y, width_px, height_px, encoding = struct.unpack(">HHHHi", header)
        self._rectangles_left -= 1
        if encoding == _ENCODING_DESKTOP_SIZE:
            self._resize(width_px, height_px)
            self._events.append(RfbResized(width_px, height_px))
            self._next_rectangle()
        elif encoding == _ENCODING_RAW:
            if x + width_px > self.width_px or y + height_px > self.height_px:
                raise BadReplyError(
                    f"expected a rectangle inside {self.width_px}x{self.height_px}, "
                    f"got {width_px}x{height_px} at {x},{y}"
                )
            self._pixels_seen = True
            if width_px and height_px:
                self._rectangle = _Rectangle(self.width_px, x, y, width_px, height_px)
            else:
                self._next_rectangle()
        else:
            raise BadReplyError(f"expected raw pixels or a new size, got encoding {encoding}")

    def _resize(self, width_px: int, height_px: int) -> None:
        if not (0 < width_px <= self._max_side_px and 0 < height_px <= self._max_side_px):
            raise BadReplyError(
                f"expected a picture of 1x1 to {self._max_side_px}x{self._max_side_px}, "
                f"got {width_px}x{height_px}"
            )
        self.width_px, self.height_px = width_px, height_px
        self.framebuffer = bytearray(width_px * height_px * BYTES_PER_PIXEL)


class _Rectangle:
    """A raw rectangle on its way into the framebuffer."""

    def __init__(self, picture_width_px: int, x: int, y: int, width_px: int, height_px: int) -> None:
        self._stride_bytes = picture_width_px * BYTES_PER_PIXEL
        self._row_bytes = width_px * BYTES_PER_PIXEL
        self._left_in_row_bytes = self._row_bytes
        self._position = y * self._stride_bytes + x * BYTES_PER_PIXEL
        self._rows_left = height_px
        if self._row_bytes == self._stride_bytes:
            # Rows that touch each other are one long row.
            self._left_in_row_bytes = self._row_bytes = self._row_bytes * height_px
            self._rows_left = 1

    @property
    def complete(self) -> bool:
        return self._rows_left == 0

    def write(self, framebuffer: bytearray, data: memoryview) -> int:
        """Copy what belongs to this rectangle and return how many bytes that were."""
        taken = 0
        while self._rows_left and taken < len(data):
            piece = data[taken : taken + self._left_in_row_bytes]
            framebuffer[self._position : self._position + len(piece)] = piece
            taken += len(piece)
            self._position += len(piece)
            self._left_in_row_bytes -= len(piece)
            if not self._left_in_row_bytes:
                self._rows_left -= 1
                self._position += self._stride_bytes - self._row_bytes
                self._left_in_row_bytes = self._row_bytes
        return taken
