"""Parts of an MJPEG stream: frames in, bytes out (contract http.md 6).

Two ways of writing: plainly, each part with its headers in front, or with the headers of the next part sent
along behind each picture, for browsers that show a picture only once the next part has begun.
"""

from __future__ import annotations

from dataclasses import dataclass

BOUNDARY = "boundarydonotcross"
CONTENT_TYPE = f"multipart/x-mixed-replace;boundary={BOUNDARY}"


@dataclass(frozen=True, slots=True)
class PartInfo:
    """What the extra headers of a part tell; times are seconds of the appliance's monotonic clock."""

    online: bool
    width: int
    height: int
    dropped: int
    client_fps: int
    grab_begin: float
    grab_end: float
    encode_begin: float
    encode_end: float
    expose_begin: float
    send: float


class PartWriter:
    """Writes the parts of one stream in the way that its client asked for."""

    def __init__(self, *, extra_headers: bool, advance_headers: bool, zero_data: bool) -> None:
        self._extra_headers = extra_headers and not advance_headers
        self._advance_headers = advance_headers
        self._zero_data = zero_data
        self._started = False

    def part(self, jpeg: bytes, timestamp: float, info: PartInfo) -> list[bytes]:
        """Return the pieces of one part; the picture itself is passed on without a copy."""
        pieces: list[bytes] = []
        body = b"" if self._zero_data else jpeg
        if self._advance_headers:
            if not self._started:
                pieces.append(self._advance(timestamp))
            pieces += [body, b"\r\n", self._advance(timestamp)]
        else:
            pieces += [self._head(len(body), timestamp, info), body, b"\r\n"]
        self._started = True
        return pieces

    def _advance(self, timestamp: float) -> bytes:
        return (f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nX-Timestamp: {timestamp:.6f}\r\n\r\n").encode()

    def _head(self, length: int, timestamp: float, info: PartInfo) -> bytes:
        head = (
            f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
            f"Content-Length: {length}\r\nX-Timestamp: {timestamp:.6f}\r\n"
        )
        if self._extra_headers:
            head += "".join(f"X-UStreamer-{name}: {value}\r\n" for name, value in _extra(info))
        return (head + "\r\n").encode()


def _extra(info: PartInfo) -> list[tuple[str, str]]:
    return [
        ("Online", "true" if info.online else "false"),
        ("Dropped", str(info.dropped)),
        ("Width", str(info.width)),
        ("Height", str(info.height)),
        ("Client-FPS", str(info.client_fps)),
        ("Grab-Begin-Time", f"{info.grab_begin:.6f}"),
        ("Grab-End-Time", f"{info.grab_end:.6f}"),
        ("Encode-Begin-Time", f"{info.encode_begin:.6f}"),
        ("Encode-End-Time", f"{info.encode_end:.6f}"),
        ("Expose-Begin-Time", f"{info.expose_begin:.6f}"),
        ("Expose-Cmp-Time", f"{info.expose_begin:.6f}"),
        ("Expose-End-Time", f"{info.expose_begin:.6f}"),
        ("Send-Time", f"{info.send:.6f}"),
        ("Latency", f"{info.send - info.grab_end:.6f}"),
    ]
