"""What can be set of an H.264 encoder, and the names of those there are."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Final

HARDWARE: Final = "h264_v4l2m2m"
SOFTWARE: Final = "libx264"
CODECS: Final = (HARDWARE, SOFTWARE)
"""FFmpeg's names, the best one first."""

DEFAULT_FPS: Final = 30
"""The rate that bits are shared out for where the frame rate has no limit."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user sets.

    *bitrate_kbps* is in kbit/s; *gop* is the number of pictures from one key frame to the next, 0 = only on
    demand; *fps* is the limit of the frame rate, 0 = none.
    """

    bitrate_kbps: int
    gop: int
    fps: int

    @property
    def nominal_fps(self) -> int:
        """The frame rate to reckon with."""
        return self.fps or DEFAULT_FPS


def missing_package() -> str | None:
    """Return the name of what has to be installed for H.264, None if it is there.

    It is not loaded: that it is there does not say that it works.
    """
    for module, name in (("av", "PyAV"), ("drivers.video._i420", "our C extension for I420")):
        if importlib.util.find_spec(module) is None:
            return name
    return None
