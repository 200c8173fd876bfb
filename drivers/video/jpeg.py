"""JPEG encoding and detection of unchanged pictures, for frames.

Responsible for giving `Frame`s to the fastest engine that is installed: the C extension on libjpeg-turbo, or,
where that was not built or its library is missing, Pillow, which is several times slower; `backend()` says
which. Must never copy a picture on its way to the engine, and never holds on to a frame's buffer.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Buffer, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from drivers.video import mjpeg
from drivers.video.frame import ColourRange, Frame, PixelFormat


class EncoderEngine(Protocol):
    """What `JpegEncoder` needs of an engine; the rules are those of `_jpeg.Encoder`."""

    limited_range: bool
    """Whether YUV pictures have it, and are to become full-range ones."""

    def encode(  # noqa: PLR0917 - the extension takes positions: parsing names costs more than checking them
        self, buffer: Buffer, width: int, height: int, stride_bytes: int, pixel_format: str, quality: int, /
    ) -> bytes:
        """Encode one picture as a baseline JFIF file."""
        ...

    def encode_changes(  # noqa: PLR0917 - the signature of the extension
        self,
        buffer: Buffer,
        width: int,
        height: int,
        stride_bytes: int,
        pixel_format: str,
        quality: int,
        last: Buffer,
        last_stride_bytes: int,
        /,
    ) -> bytes | None:
        """Encode what has changed since the last picture; None if nothing has."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to encode and compare: the C extension or Pillow."""

    name: str
    encoder: Callable[..., EncoderEngine]
    """Makes one; its only argument is the number of threads, 1 by default."""
    same: Callable[[Buffer, Buffer, int, int, int, int, str], bool]


@functools.cache
def engine() -> Engine:
    """The engine in use, the same for the life of the process."""
    try:
        from drivers.video import _jpeg  # noqa: PLC0415 - chosen at first use, not at import
    except ImportError:
        from drivers.video import pillow_jpeg  # noqa: PLC0415 - loads numpy and Pillow only where needed

        return Engine("Pillow", pillow_jpeg.Encoder, pillow_jpeg.same)
    return Engine("libjpeg-turbo", _jpeg.Encoder, _jpeg.same)


def backend() -> str:
    """The engine's name for the state: "libjpeg-turbo", or "Pillow" if the extension is missing."""
    return engine().name


MOST_THREADS: Final = 4
"""More do not help: the caller's bands are done before a fifth thread has woken up."""


class JpegEncoder:
    """A JPEG encoder with reusable buffers and *threads* of its own, for one caller at a time.

    By default as many threads as there are processors, at most four. They start with the first picture that
    is large enough for them, and end with the encoder.
    """

    def __init__(self, *, threads: int | None = None, using: Engine | None = None) -> None:
        """Use the engine *using*, by default the one of this installation."""
        self._engine = using or engine()
        self._encoder = self._engine.encoder(threads or min(os.process_cpu_count() or 1, MOST_THREADS))

    def encode(self, frame: Frame, quality: int) -> bytes:
        """Encode *frame* as a baseline JFIF file, *quality* 1..100 (blocking: call it in a thread).

        YUV frames are encoded without colour conversion, 4:2:2 or 4:2:0 as they come, except that those of
        the limited range get the full one, which is the only one that JFIF knows; RGB as 4:2:0. JPEG
        frames are passed on as `mjpeg.repair` makes them whole, whatever the *quality*; one that cannot be
        shown raises DamagedPictureError. The frame's buffer is not used after the return. Raises ValueError
        or TypeError for a frame that contradicts itself and for a quality out of range, RuntimeError if
        another thread is encoding with this encoder.
        """
        if frame.format is PixelFormat.JPEG:
            return mjpeg.repair(frame)
        self._encoder.limited_range = frame.colour.range is ColourRange.LIMITED
        return self._encoder.encode(
            frame.data, frame.width, frame.height, frame.stride_bytes, frame.format, quality
        )

    def encode_changes(self, frame: Frame, quality: int, last: Frame | None) -> bytes | None:
        """Encode *frame* if it does not look the same as *last*, and of it no more than what has changed.

        *last* is the frame that was given to the last call, with the same bytes in its buffer; None if that
        one is gone. The result is the file of the whole picture, as `encode` makes it; None if nothing has
        changed. Blocking. Raises what `encode` raises.
        """
        if frame.format is PixelFormat.JPEG:
            unchanged = last is not None and same_picture(last, frame)
            return None if unchanged else mjpeg.repair(frame)
        if last is None or (last.width, last.height, last.format) != (
            frame.width,
            frame.height,
            frame.format,
        ):
            return self.encode(frame, quality)
        self._encoder.limited_range = frame.colour.range is ColourRange.LIMITED
        return self._encoder.encode_changes(
            frame.data,
            frame.width,
            frame.height,
            frame.stride_bytes,
            frame.format,
            quality,
            last.data,
            last.stride_bytes,
        )


def same_picture(a: Frame, b: Frame, *, using: Engine | None = None) -> bool:
    """Whether *a* and *b* look the same: geometry, format and all visible bytes; padding does not count.

    Blocking, at the speed of memcmp, and over at the first difference. False if the size or the format
    differ, whatever the bytes mean. Raises ValueError or TypeError as `JpegEncoder.encode` does.
    """
    if (a.width, a.height, a.format) != (b.width, b.height, b.format):
        return False
    if a.format is PixelFormat.JPEG:
        return bytes(a.data) == bytes(b.data)  # small, and compared much faster than views are
    return (using or engine()).same(
        a.data, b.data, a.width, a.height, a.stride_bytes, b.stride_bytes, a.format
    )
