"""JPEG encoding and detection of unchanged pictures, for frames.

Responsible for giving `Frame`s to the fastest engine that is installed: the C extension on libjpeg-turbo, or,
where that was not built or its library is missing, Pillow, which is several times slower; `backend()` says
which. Must never copy a picture on its way to the engine, and never holds on to a frame's buffer.
"""

from __future__ import annotations

import functools
from collections.abc import Buffer, Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.video.frame import Frame


class EncoderEngine(Protocol):
    """What `JpegEncoder` needs of an engine; the rules are those of `_jpeg.Encoder`."""

    def encode(  # noqa: PLR0917 - the extension takes positions: parsing names costs more than checking them
        self, buffer: Buffer, width: int, height: int, stride_bytes: int, pixel_format: str, quality: int, /
    ) -> bytes:
        """Encode one picture as a baseline JFIF file."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to encode and compare: the C extension or Pillow."""

    name: str
    encoder: Callable[[], EncoderEngine]
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


class JpegEncoder:
    """A JPEG encoder with reusable buffers, for one thread at a time: give each worker thread its own."""

    def __init__(self, using: Engine | None = None) -> None:
        """Use the engine *using*, by default the one of this installation."""
        self._engine = using or engine()
        self._encoder = self._engine.encoder()

    def encode(self, frame: Frame, quality: int) -> bytes:
        """Encode *frame* as a baseline JFIF file, *quality* 1..100 (blocking: call it in a thread).

        YUV frames are encoded without colour conversion, 4:2:2 or 4:2:0 as they come; RGB as 4:2:0. The
        frame's buffer is not used after the return. Raises ValueError or TypeError for a frame that
        contradicts itself and for a quality out of range, RuntimeError if another thread is encoding with
        this encoder.
        """
        return self._encoder.encode(
            frame.data, frame.width, frame.height, frame.stride_bytes, frame.format, quality
        )


def same_picture(a: Frame, b: Frame, *, using: Engine | None = None) -> bool:
    """Whether *a* and *b* look the same: geometry, format and all visible bytes; padding does not count.

    Blocking, at the speed of memcmp, and over at the first difference. False if the size or the format
    differ, whatever the bytes mean. Raises ValueError or TypeError as `JpegEncoder.encode` does.
    """
    if (a.width, a.height, a.format) != (b.width, b.height, b.format):
        return False
    return (using or engine()).same(
        a.data, b.data, a.width, a.height, a.stride_bytes, b.stride_bytes, a.format
    )
