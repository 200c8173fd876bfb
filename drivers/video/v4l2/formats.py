"""Which of a device's formats to capture in: a pure choice between what it offers and what we encode well.

Responsible for the order of preference and for saying what was offered if nothing fits. Pictures that come as
JPEG (V4L2's MJPG and JPEG) are passed on as they are, with what the device's compression has left of them: so
they are taken only where they are larger or faster than what the device gives uncompressed, as they are from
USB 2 grabbers, or where there is nothing else with colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.errors import NotSupportedError
from drivers.video.frame import PixelFormat

PREFERENCE: Final[tuple[tuple[str, PixelFormat], ...]] = (
    # The cheapest on the way to a JPEG first: YUV needs no colour conversion, 4:2:2 keeps coloured text
    # legible, packed before planar because that is what receivers put out without converting.
    ("YUYV", PixelFormat.YUYV),
    ("UYVY", PixelFormat.UYVY),
    ("NV12", PixelFormat.NV12),
    ("YU12", PixelFormat.YUV420),
    # V4L2 names RGB24 "RGB3", in byte order R G B, and BGR24 "BGR3".
    ("BGR3", PixelFormat.BGR24),
    ("RGB3", PixelFormat.RGB24),
    # Byte order B G R and one unused or alpha byte, all three of them.
    ("XR24", PixelFormat.BGRX32),
    ("AR24", PixelFormat.BGRX32),
    ("BGR4", PixelFormat.BGRX32),
    # Compressed already, by a chip that knows neither our quality nor what has changed.
    ("MJPG", PixelFormat.JPEG),
    ("JPEG", PixelFormat.JPEG),
    # Better than nothing.
    ("GREY", PixelFormat.GREY),
)
"""V4L2 four-character codes that we encode, the best one first."""

PIXEL_FORMATS: Final = dict(PREFERENCE)
_COST: Final = {name: cost for cost, (name, _) in enumerate(PREFERENCE)}

USEFUL_FPS: Final = 10.0
"""A picture slower than this is hard to steer a mouse in: a smaller but faster one is preferred. (What
USB 2 carries uncompressed: 1280x720 at 10 frames a second, 1920x1080 at 5.)"""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to capture. *fps* is 0.0 where the device does not tell."""

    fourcc: str
    width: int
    height: int
    fps: float

    def __str__(self) -> str:
        """Return for example "YUYV 1280x720 at 30 fps"."""
        rate = f" at {self.fps:.4g} fps" if self.fps else ""
        return f"{self.fourcc} {self.width}x{self.height}{rate}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The largest picture and the highest rate that are of use; *fourccs*, if any, restricts the formats.

    *exact*: somebody chose this very size, so it is taken whatever its rate, if it is offered.
    """

    width: int = 1920
    height: int = 1080
    fps: float = 60.0
    fourccs: tuple[str, ...] = ()
    exact: bool = False


def choose_format(offered: Iterable[str], wanted: Wanted, device: str) -> str:
    """Return the best of the *offered* four-character codes, where size and rate are the signal's.

    Raises NotSupportedError that names what *device* offers if we encode none of it.
    """
    names = list(offered)
    usable = [name for name in names if is_usable(name, wanted)]
    if not usable:
        raise _nothing_usable(names, wanted, device)
    return min(usable, key=_COST.__getitem__)


def choose_mode(offered: Sequence[Mode], wanted: Wanted, device: str) -> Mode:
    """Return the best of the *offered* modes of a device that sets size and rate itself.

    In this order: exactly the wanted size if that was asked for, not larger than wanted (else the smallest),
    a useful rate, the largest picture, the wanted shape, the highest rate up to the one wanted, the cheapest
    format, with JPEG among the last. Of a picture of another shape only the part with the wanted one counts:
    grabbers squeeze what they get into it. Raises NotSupportedError as `choose_format`.
    """
    usable = [mode for mode in offered if is_usable(mode.fourcc, wanted)]
    if not usable:
        raise _nothing_usable(dict.fromkeys(mode.fourcc for mode in offered), wanted, device)
    fitting = [mode for mode in usable if mode.width <= wanted.width and mode.height <= wanted.height]
    if wanted.exact:
        size = (wanted.width, wanted.height)
        fitting = [mode for mode in usable if (mode.width, mode.height) == size] or fitting
    if not fitting:
        smallest = min(mode.width * mode.height for mode in usable)
        fitting = [mode for mode in usable if mode.width * mode.height == smallest]

    def merit(mode: Mode) -> tuple[float, int, int, float, int]:
        useful_fps = min(mode.fps, USEFUL_FPS, wanted.fps) if mode.fps else USEFUL_FPS
        shaped_px = _shaped_px(mode, wanted)
        waste_px = mode.width * mode.height - shaped_px
        return useful_fps, shaped_px, -waste_px, min(mode.fps, wanted.fps), -_COST[mode.fourcc]

    return max(fitting, key=merit)


def _shaped_px(mode: Mode, wanted: Wanted) -> int:
    """Return how many pixels the largest picture of the wanted shape has that fits into *mode*."""
    width = min(mode.width, mode.height * wanted.width // wanted.height)
    height = min(mode.height, mode.width * wanted.height // wanted.width)
    return width * height


def frame_bytes(pixel_format: PixelFormat, stride_bytes: int, height: int) -> int:
    """Return the least length of a whole picture; a shorter buffer is not one.

    Chroma planes of NV12 have the luma's stride, those of YUV420 half of it (`drivers.video.frame`). How long
    a JPEG picture is, only its contents tell (`drivers.video.mjpeg`): here it may be anything but empty.
    """
    chroma_rows = (height + 1) // 2
    match pixel_format:
        case PixelFormat.JPEG:
            return 1
        case PixelFormat.NV12:
            return stride_bytes * (height + chroma_rows)
        case PixelFormat.YUV420:
            return stride_bytes * height + 2 * ((stride_bytes + 1) // 2) * chroma_rows
        case _:
            return stride_bytes * height


def is_usable(name: str, wanted: Wanted) -> bool:
    """Return whether we can encode the format *name*, and are allowed to."""
    return name in _COST and (not wanted.fourccs or name in wanted.fourccs)


def _nothing_usable(offered: Iterable[str], wanted: Wanted, device: str) -> NotSupportedError:
    accepted = wanted.fourccs or tuple(name for name, _ in PREFERENCE)
    return NotSupportedError(
        f"expected one of the formats {', '.join(accepted)}, got {', '.join(offered) or 'none'} - at {device}"
    )


class RateLimit:
    """Decides which frames are dropped so that at most *max_fps* (0 = no limit) remain in the mean."""

    # A frame that is early by less than this share of the period is taken: a source of exactly the wanted
    # rate has jitter, and dropping for it would halve the rate.
    _EARLY: Final = 0.1

    def __init__(self, max_fps: float) -> None:
        self.period_s = 1 / max_fps if max_fps else 0.0
        """From one frame to the next; 0 without a limit."""
        self.due_s: float | None = None
        """When the next frame is due, None before the first."""

    def admits(self, time_s: float) -> bool:
        """Whether the frame captured at *time_s* is to be kept; times are those of one clock and ascend."""
        if self.due_s is None or time_s >= self.due_s + self.period_s:
            self.due_s = time_s + self.period_s
            return True
        if time_s < self.due_s - self._EARLY * self.period_s:
            return False
        self.due_s += self.period_s
        return True
