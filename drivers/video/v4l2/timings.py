"""The signal at a digital video input: its timings as a value, and why there is none, in words for people.

Pure: nothing here talks to a device. Sources: V4L2's VIDIOC_QUERY_DV_TIMINGS and VIDIOC_ENUMINPUT
documentation for the errors and the status bits, struct v4l2_bt_timings for the arithmetic.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import Final

from drivers.ports import NoSignal
from drivers.video.v4l2 import uapi

NOTHING_THERE: Final = "no signal: the cable is not plugged or the target is off"
NOT_STABLE: Final = "the signal is not stable"
OUT_OF_RANGE: Final = "the target's resolution or rate is out of the range of the capture: choose a lower one"
NO_POWER: Final = "the capture's input has no power"

_REASONS: Final = {errno.ENOLINK: NOTHING_THERE, errno.ENOLCK: NOT_STABLE, errno.ERANGE: OUT_OF_RANGE}

# A receiver measures the pixel clock, with a little noise: 60 and 59.94 Hz are 0.1 % apart and count as the
# same signal, 60 and 50 Hz are not.
_PIXEL_CLOCK_TOLERANCE: Final = 0.01


@dataclass(frozen=True, slots=True)
class DvTimings:
    """What the target puts out. *fps* counts frames, two fields each if *interlaced*."""

    width: int
    height: int
    fps: float
    interlaced: bool
    pixel_clock_hz: int
    raw: bytes = field(repr=False)
    """The kernel's v4l2_dv_timings, to be given back to it as they are."""

    @classmethod
    def parse(cls, raw: bytes) -> DvTimings:
        """Read a v4l2_dv_timings structure (132 bytes)."""
        bt = uapi.DvTimingsStruct.from_buffer_copy(raw).bt
        total_width = bt.width + bt.hfrontporch + bt.hsync + bt.hbackporch
        total_height = bt.height + bt.vfrontporch + bt.vsync + bt.vbackporch
        if bt.interlaced:
            total_height += bt.il_vfrontporch + bt.il_vsync + bt.il_vbackporch
        pixels = total_width * total_height
        clock_hz = bt.pixelclock
        if bt.flags & uapi.DV_FL_REDUCED_FPS:
            clock_hz = clock_hz * 1000 // 1001
        fps = clock_hz / pixels if pixels else 0.0
        return cls(bt.width, bt.height, fps, bool(bt.interlaced), clock_hz, bytes(raw))

    def same_signal(self, other: DvTimings) -> bool:
        """Whether a capture set up for *other* gives right pictures of this one."""
        if (self.width, self.height, self.interlaced) != (other.width, other.height, other.interlaced):
            return False
        difference_hz = abs(self.pixel_clock_hz - other.pixel_clock_hz)
        return difference_hz <= _PIXEL_CLOCK_TOLERANCE * max(self.pixel_clock_hz, other.pixel_clock_hz)

    def __str__(self) -> str:
        """Return the usual short form, "1920x1080p60" or "1920x1080i30" (frames, not fields)."""
        return f"{self.width}x{self.height}{'i' if self.interlaced else 'p'}{self.fps:.4g}"


def unusable(timings: DvTimings) -> NoSignal | None:
    """Say why pictures with these timings cannot be shown; None if they can.

    The two fields of an interlaced frame would have to be woven together; no graphics card uses it unless
    it is told to, and the capture chips of our boards refuse it.
    """
    if timings.interlaced:
        return NoSignal(
            f"interlaced {timings.width}x{timings.height} is not supported: choose a progressive mode"
        )
    if not timings.width or not timings.height:
        return NoSignal(NOT_STABLE)
    return None


def no_signal_of_errno(number: int | None) -> NoSignal | None:
    """Translate the errno of a timings query; None if it is not about the signal."""
    reason = _REASONS.get(number) if number is not None else None
    return NoSignal(reason) if reason else None


def no_signal_of_status(status: int) -> NoSignal | None:
    """Translate an input's status bits; None if there is a signal, or the device does not tell."""
    if status & uapi.IN_ST_NO_POWER:
        return NoSignal(NO_POWER)
    if status & uapi.IN_ST_NO_SIGNAL:
        return NoSignal(NOTHING_THERE)
    if status & uapi.IN_ST_NO_LOCK:
        return NoSignal(NOT_STABLE)
    return None
