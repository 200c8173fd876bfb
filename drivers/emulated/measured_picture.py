"""What a capture can add to the emulated display's pictures for measurements: a time stripe, motion.

Responsible for making each captured picture a new one with the time of that moment in it, or with all rows
moved on. Must never change a picture that somebody else may hold: what it changes is a copy.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Final

from drivers.video import time_stripe
from drivers.video.frame import Frame

# No divisor of the height of a row of text, so that a picture is seldom like an earlier one.
_ROWS_PER_PICTURE: Final = 5


@dataclass(frozen=True, slots=True)
class Additions:
    """What is added."""

    time_stripe: bool = False
    """The time of drawing (`drivers.video.time_stripe`), on pictures that are large enough for it."""
    moving: bool = False
    """The whole picture moves up by a few rows each time; those at the top go to the bottom."""

    def __bool__(self) -> bool:
        """Whether anything is."""
        return self.time_stripe or self.moving

    def added_to(self, frame: Frame, number: int) -> Frame:
        """Return the capture's picture *number* with what is to be added, a YUYV picture like *frame*.

        One that is too short for its own size is returned as it is.
        """
        stride_bytes, height_px = frame.stride_bytes, frame.height
        if len(frame.data) < stride_bytes * height_px:
            return frame  # a broken picture stays broken, for whoever has to notice
        data = bytearray(frame.data)
        if self.moving:
            at = number * _ROWS_PER_PICTURE % height_px * stride_bytes
            data = data[at:] + data[:at]
        made = dataclasses.replace(frame, data=data)
        if self.time_stripe and time_stripe.fits(frame.width, height_px):
            time_stripe.paint(made, time.monotonic())
        return dataclasses.replace(made, grab_end=time.monotonic())


NOTHING: Final = Additions()
"""The screen as it is."""
