"""Validators of video parameters (contract http.md 4.5)."""

from __future__ import annotations

import re
from typing import Final

from firmware.core.validators.basic import fail, stripped, valid_int

QUALITY_MIN: Final = 1
QUALITY_MAX: Final = 100
FPS_MAX: Final = 120
H264_BITRATE_MIN_KBPS: Final = 25
H264_BITRATE_MAX_KBPS: Final = 20000
H264_GOP_MAX: Final = 60

_RESOLUTION_MAX_CHARS: Final = 32
_RESOLUTION: Final = re.compile(r"([0-9]+)x([0-9]+)")


def valid_stream_quality(raw: object, name: str = "quality") -> int:
    """Return a JPEG quality, 1..100."""
    return valid_int(raw, name, minimum=QUALITY_MIN, maximum=QUALITY_MAX)


def valid_stream_fps(raw: object, name: str = "desired_fps") -> int:
    """Return a frame rate, 0..120; 0 means as fast as the source goes."""
    return valid_int(raw, name, minimum=0, maximum=FPS_MAX)


def valid_stream_resolution(raw: object, name: str = "resolution") -> str:
    """Return a picture size as "WIDTHxHEIGHT" in pixels, without leading zeros; neither side is zero."""
    expected = "a resolution such as 1280x720"
    text = stripped(raw, name, expected=expected, max_chars=_RESOLUTION_MAX_CHARS)
    match = _RESOLUTION.fullmatch(text)
    if match is None:
        fail(expected, raw, name)
    width_px, height_px = (int(side) for side in match.groups())
    if width_px == 0 or height_px == 0:
        fail(expected, raw, name)
    return f"{width_px}x{height_px}"


def valid_h264_bitrate(raw: object, name: str = "h264_bitrate") -> int:
    """Return an H.264 bit rate in kbit/s, 25..20000."""
    return valid_int(raw, name, minimum=H264_BITRATE_MIN_KBPS, maximum=H264_BITRATE_MAX_KBPS)


def valid_h264_gop(raw: object, name: str = "h264_gop") -> int:
    """Return a distance between key frames, 0..60 frames."""
    return valid_int(raw, name, minimum=0, maximum=H264_GOP_MAX)
