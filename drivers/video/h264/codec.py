"""One codec of FFmpeg, set up for a screen that somebody works at: no picture is held back or reordered.

The only module that imports PyAV; it runs in the process of `worker` alone. Must never look at a picture:
that is the codec's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from drivers.video.frame import Colour, ColourMatrix, ColourRange
from drivers.video.h264.annexb import ParameterSets, is_key_frame
from drivers.video.h264.settings import SOFTWARE

# ITU-T H.273: range, matrix, primaries, transfer. Screens are sRGB, whatever the matrix.
_SRGB_PRIMARIES, _SRGB_TRANSFER = 1, 13
_RANGES: Final[Mapping[ColourRange, int]] = {ColourRange.LIMITED: 1, ColourRange.FULL: 2}
_MATRICES: Final[Mapping[ColourMatrix, int]] = {
    ColourMatrix.BT709: 1,
    ColourMatrix.BT601: 5,
    ColourMatrix.BT2020: 9,
}


# Key frames are asked for; the codec's own come when nobody will be there: after a week at 60 frames a
# second.
_NO_PERIOD: Final = 60 * 7 * 24 * 3600


class CodecError(Exception):
    """The codec cannot be used, or could not encode a picture."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What cannot change within a stream: even sides in pixels, and what its numbers mean."""

    width: int
    height: int
    colour: Colour


def available(name: str) -> bool:
    """Whether this FFmpeg was built with a codec; whether that works is another matter."""
    try:
        av.Codec(name, "w")
    except UnknownCodecError:
        return False
    return True


class Codec:
    """An open codec; the first picture becomes a key frame."""

    def __init__(self, name: str, geometry: Geometry, *, bitrate_kbps: int, fps: int) -> None:
        """Open it. Raises CodecError."""
        self._name = name
        self._geometry = geometry
        self._sets = ParameterSets()
        self._number = 0
        try:
            self._context = _opened(name, geometry, bitrate_kbps, fps)
        except (FFmpegError, ValueError) as exc:
            raise CodecError(f"{name} cannot be opened: {exc}") from exc

    def encode(self, image: NDArray[np.uint8], *, key: bool) -> tuple[bool, bytes]:
        """Return whether it is a key frame, and the access unit of *image* (I420, as rows of the full width).

        The image is not read any more after the return. Raises CodecError, also for a codec that holds
        pictures back: whoever watches would always be late.
        """
        picture = av.VideoFrame.from_numpy_buffer(image, format="yuv420p")
        picture.pts = self._number
        self._number += 1
        if key:
            picture.pict_type = PictureType.I
        try:
            data = b"".join(bytes(packet) for packet in self._context.encode(picture))
        except FFmpegError as exc:
            raise CodecError(f"{self._name} failed: {exc}") from exc
        if not data:
            raise CodecError(f"expected a packet of {self._name} for each picture, got none")
        data = self._sets.complete(data)
        return is_key_frame(data), data


def _opened(name: str, geometry: Geometry, bitrate_kbps: int, fps: int) -> VideoCodecContext:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = geometry.width, geometry.height
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(fps)
    context.time_base = Fraction(1, fps)
    context.gop_size = _NO_PERIOD
    context.max_b_frames = 0
    # One thread: a picture that is cut into slices for several is larger, and others need the processor too.
    context.thread_count = 1
    context.color_range = _RANGES[geometry.colour.range]
    context.colorspace = _MATRICES[geometry.colour.matrix]
    context.color_primaries, context.color_trc = _SRGB_PRIMARIES, _SRGB_TRANSFER
    if name == SOFTWARE:
        context.options = _x264_options(bitrate_kbps)
    else:
        context.bit_rate = bitrate_kbps * 1000
        # Drivers have defaults of their own, high profile as a rule.
        context.profile = "Constrained Baseline"
    context.open()
    return context


def _x264_options(bitrate_kbps: int) -> dict[str, str]:
    x264 = {
        # Nothing may be larger than half a second at the bit rate: a key frame must not take the line for
        # long.
        "vbv-maxrate": bitrate_kbps,
        "vbv-bufsize": max(bitrate_kbps // 2, 1),
        # A key frame comes when it is due or asked for, and not because a window was opened.
        "scenecut": 0,
        "min-keyint": 1,
        "sliced-threads": 0,
    }
    return {
        "preset": "ultrafast",
        # A quality that is good enough for text, and the bit rate as its limit: a bit rate that is to be met
        # would be spent on pictures that need none of it, and be missing when something moves.
        "crf": "20",
        "tune": "zerolatency",
        "profile": "baseline",
        "forced-idr": "1",
        "x264-params": ":".join(f"{key}={value}" for key, value in x264.items()),
    }
