"""A cheap client of MJPEG streams that notes when each picture came: the same one for every server.

Responsible for reading the parts of a stream over a plain socket, in a thread, and for what they say of time:
the server's own headers, and the time stripe in the picture. Looks at pictures only after it has ended, so
that it costs the machine as little as it can while it measures.
"""

from __future__ import annotations

import io
import math
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from PIL import Image, ImageFile

from drivers.video import time_stripe

ANSWER_DEADLINE_S: Final = 60.0
# Far more than the first rows of a picture take.
_KEPT_BYTES: Final = 96 * 1024
_BASELINE_HEADER: Final = 0xC0


class NoStreamError(Exception):
    """The server answers, but with no stream."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stream."""

    arrived_s: float
    """When its last byte had come, by the monotonic clock."""
    headers: Mapping[str, str]
    size_bytes: int
    head: bytes
    """The picture's beginning."""

    def drawn_s(self) -> float | None:
        """When the picture was drawn, by the time stripe in it; None if that cannot be read."""
        return stripe_of_jpeg(self.head, near_s=self.arrived_s)


def latencies(parts: Sequence[Part]) -> tuple[list[float], int]:
    """Return how old the pictures were when they had come, in order, and how many had no readable stripe."""
    drawn = [(part, part.drawn_s()) for part in parts]
    known = sorted(part.arrived_s - drawn_s for part, drawn_s in drawn if drawn_s is not None)
    return known, len(parts) - len(known)


def quantile_ms(ordered_s: Sequence[float], share: float) -> float:
    """Return the value below which a share of *ordered_s* is, in milliseconds; NaN if there is none."""
    if not ordered_s:
        return math.nan
    return ordered_s[min(len(ordered_s) - 1, int(len(ordered_s) * share))] * 1000


def stripe_of_jpeg(jpeg: bytes, *, near_s: float) -> float | None:
    """Read the time stripe of a baseline JPEG picture, of which its first rows are enough."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # all of these are cut off
    with Image.open(io.BytesIO(_cropped(jpeg, time_stripe.STRIPE_HEIGHT_PX))) as image:
        image.draft("L", None)
        luma = image.convert("L")
    return time_stripe.read(luma.tobytes(), luma.width, near_s=near_s)


def _cropped(jpeg: bytes, height_px: int) -> bytes:
    """Return the picture with another height in its header, so that no decoder goes on behind that."""
    at = 2
    while jpeg[at + 1] != _BASELINE_HEADER:
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if at + 9 > len(jpeg):
            raise ValueError("expected a baseline JPEG picture, got no such header")
    return jpeg[: at + 5] + height_px.to_bytes(2) + jpeg[at + 7 :]


@dataclass
class MjpegClient:
    """Reads a stream until `close`. Raises what went wrong from there."""

    host: str
    port: int
    path: str
    request_headers: Mapping[str, str] = field(default_factory=dict)
    keep_heads: bool = True
    parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin."""
        self._socket = socket.create_connection((self.host, self.port), timeout=ANSWER_DEADLINE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"GET {self.path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in self.request_headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._file = io.BufferedReader(socket.SocketIO(self._socket, "r"), 1 << 18)
        self._buffer = bytearray(8 << 20)
        status = self._file.readline().decode().strip()
        if " 200" not in status:
            self._socket.close()
            raise NoStreamError(f"expected a stream, got {status!r} - at {self.path}")
        self._closing = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> list[Part]:
        """Stop reading; return what came."""
        self._closing = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(ANSWER_DEADLINE_S)
        self._file.close()
        self._socket.close()
        if self._failure is not None:
            raise self._failure
        return self.parts

    def _read(self) -> None:
        try:
            while True:
                headers = self._next_headers()
                if "content-length" not in headers:
                    continue  # the answer's own, or the line between parts
                size_bytes = int(headers["content-length"])
                body = memoryview(self._buffer)[:size_bytes]
                if self._file.readinto(body) != size_bytes:
                    raise EOFError("the stream ended within a picture")
                arrived_s = time.monotonic()
                head = bytes(body[:_KEPT_BYTES]) if self.keep_heads else b""
                self.parts.append(Part(arrived_s, headers, size_bytes, head))
        except (OSError, EOFError) as exc:
            if not self._closing:
                self._failure = exc

    def _next_headers(self) -> dict[str, str]:
        """Return the next lines up to an empty one, names in small letters."""
        headers: dict[str, str] = {}
        while line := self._file.readline():
            if line == b"\r\n":
                return headers
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        raise EOFError("the stream ended")
