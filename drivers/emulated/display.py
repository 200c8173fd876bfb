"""The emulated PC's display and the capture of it: text screens as YUYV pictures, a pointer on top.

Nothing is drawn unless somebody captures; then only rows of text that changed are, and an unchanged screen
gives the same bytes object again. Must never know what is on the screen.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import trio

from drivers.emulated.faults import FaultKind, PortGate
from drivers.emulated.measured_picture import NOTHING, Additions
from drivers.emulated.records import Records
from drivers.errors import DeviceGoneError
from drivers.ports import NoSignal
from drivers.video.frame import Frame, PixelFormat
from drivers.video.text import Line, TextRenderer, line_text

if TYPE_CHECKING:
    from drivers.emulated.scaler import Scaler

# What a display is refreshed with when the capture sets no lower limit.
REFRESH_HZ = 60

# The pointer's hot spot is its top left corner; W is white, B black.
_POINTER = (
    "B",
    "BB",
    "BWB",
    "BWWB",
    "BWWWB",
    "BWWWWB",
    "BWWWWWB",
    "BWWWWWWB",
    "BWWWWWWWB",
    "BWWWWWWWWB",
    "BWWWWWWWWWB",
    "BWWWWWWBBBBB",
    "BWWWBWWB",
    "BWWBBWWWB",
    "BWB  BWWB",
    "BB   BWWWB",
    "B     BWWB",
    "      BWWWB",
    "       BBB",
)
_NEUTRAL_CHROMA = 128


class Screen(Protocol):
    """A grid of 8x16 cells on a screen of a given size, which must be even in both directions."""

    @property
    def width_px(self) -> int:
        """The screen's width."""
        ...

    @property
    def height_px(self) -> int:
        """The screen's height."""
        ...

    def lines(self) -> Sequence[Line]:
        """The rows of cells, from the top."""
        ...


class Display:
    """What the graphics card puts out, and its capture (`drivers.ports.VideoSource`)."""

    def __init__(self, gate: PortGate, records: Records, additions: Additions = NOTHING) -> None:
        self._gate = gate
        self._additions = additions
        self._records = records
        self._renderer = TextRenderer(PixelFormat.YUYV)
        self._bands: dict[Line, bytes] = {}
        self._bands_width_px = 0
        self._screen: Screen | None = None
        self._pointer_px: tuple[int, int] | None = None
        self._picture: bytes | None = None
        self._drawn = 0
        self.no_signal = NoSignal("target is off")
        self.signal_version = 0
        self.signal_changed = trio.lowlevel.ParkingLot()

    @property
    def name(self) -> str:
        """What it is, for people."""
        return "emulated display"

    @property
    def screen(self) -> Screen | None:
        """What is shown; None without a signal."""
        return self._screen

    def show(self, screen: Screen) -> None:
        """Put out a screen; call `touch` when it has changed."""
        had_signal = self._screen is not None
        self._screen = screen
        self._pointer_px = None
        if not had_signal:
            self._signal_has_changed()
        self.touch()

    def blank(self, reason: str) -> None:
        """Stop putting out a signal."""
        self._screen = None
        self._bands = {}
        if self.no_signal.reason != reason:
            self.no_signal = NoSignal(reason)
        self._signal_has_changed()
        self.touch()

    def touch(self) -> None:
        """Take note that the screen is different from what was last drawn."""
        self._picture = None
        self._records.touch()

    def move_pointer(self, position_px: tuple[int, int] | None) -> None:
        """Draw the pointer there, or not at all."""
        if position_px != self._pointer_px:
            self._pointer_px = position_px
            self.touch()

    def text(self) -> list[str]:
        """Return the rows of text on the screen; empty without a signal."""
        return [] if self._screen is None else [line_text(line).rstrip() for line in self._screen.lines()]

    @asynccontextmanager
    async def open(
        self, *, max_fps: int, size: tuple[int, int] | None = None
    ) -> AsyncGenerator[CaptureStream]:
        """Start capturing; see `drivers.ports.VideoSource.open`. Any number of captures at the same time.

        Each scales to its own *size*, as a grabber does.
        """
        await self._gate.call(trio.lowlevel.checkpoint)
        rate_hz = min(max_fps or REFRESH_HZ, REFRESH_HZ)
        yield CaptureStream(self, self._gate, rate_hz, _scaler(size), self._additions)

    def statistics(self) -> dict[str, int]:
        """Return how many pictures and how many rows of text were kept and drawn."""
        return {"pictures_drawn": self._drawn, "rows_kept": len(self._bands)}

    def capture(self) -> Frame | NoSignal:
        """Return what the display shows now."""
        screen = self._screen
        if screen is None:
            return self.no_signal
        begin = time.monotonic()
        if self._picture is None:
            self._picture = self._draw(screen)
            self._drawn += 1
        data = self._picture
        if self._gate.has(FaultKind.CORRUPT):
            data = data[: len(data) // 2]
        stride_bytes = screen.width_px * self._renderer.bytes_per_pixel
        end = time.monotonic()
        return Frame(data, screen.width_px, screen.height_px, stride_bytes, PixelFormat.YUYV, begin, end)

    def _draw(self, screen: Screen) -> bytes:
        width_px, height_px = screen.width_px, screen.height_px
        if width_px != self._bands_width_px:
            self._bands, self._bands_width_px = {}, width_px
        rows = height_px // self._renderer.cell_height_px
        kept = self._bands
        bands: dict[Line, bytes] = {}
        parts: list[bytes] = []
        for line in screen.lines()[:rows]:
            band = kept.get(line) or bands.get(line) or self._renderer.band(line, width_px)
            bands[line] = band
            parts.append(band)
        self._bands = bands  # only what is on the screen, so that scrolled-out rows are forgotten
        rest_px = height_px - len(parts) * self._renderer.cell_height_px
        parts.append(self._renderer.blank(width_px, rest_px))
        if self._pointer_px is None:
            return b"".join(parts)
        picture = bytearray().join(parts)
        _draw_pointer(picture, width_px, height_px, self._pointer_px)
        return bytes(picture)

    def _signal_has_changed(self) -> None:
        self.signal_version += 1
        self.signal_changed.unpark_all()


def _draw_pointer(picture: bytearray, width_px: int, height_px: int, position_px: tuple[int, int]) -> None:
    """Draw the pointer into a YUYV picture."""
    left, top = position_px
    for y, row in enumerate(_POINTER[: max(0, height_px - top)], top):
        for x, dot in enumerate(row[: max(0, width_px - left)], left):
            if dot != " ":
                at = (y * width_px + x) * 2
                pair = at - at % 4
                picture[at] = 255 if dot == "W" else 0
                picture[pair + 1] = picture[pair + 3] = _NEUTRAL_CHROMA


def _scaler(size: tuple[int, int] | None) -> Scaler | None:
    if size is None:
        return None
    from drivers.emulated import scaler  # noqa: PLC0415 - loads numpy, which a start does not wait for

    return scaler.Scaler(size)


class CaptureStream:
    """One capture: a picture for every period, as capture hardware gives them, static screens too."""

    def __init__(
        self, display: Display, gate: PortGate, rate_hz: int, scaler: Scaler | None, additions: Additions
    ) -> None:
        self._display = display
        self._scaler = scaler
        self._additions = additions
        self._pictures = 0
        self._gate = gate
        self._plug_count = gate.plug_count
        self._period_s = 1 / rate_hz
        self._due = trio.current_time()
        self._signal_version = -1
        self._had_signal = True

    def hurry(self) -> None:
        """Do nothing: every picture is given."""

    async def next(self, unlike: Frame | None = None) -> Frame | NoSignal:  # noqa: ARG002 - changes cost nothing here
        """Wait for the next picture or a change of the signal; see `drivers.ports.VideoStream.next`."""
        return await self._gate.call(self._next, repeatable=True)

    async def _next(self) -> Frame | NoSignal:
        if self._gate.plug_count != self._plug_count:
            raise DeviceGoneError("the emulated display was unplugged meanwhile: open it again")
        await trio.lowlevel.checkpoint()
        with trio.move_on_at(self._due if self._had_signal else math.inf):
            while self._signal_version == self._display.signal_version:
                await self._display.signal_changed.park()
        self._signal_version = self._display.signal_version
        picture = self._display.capture()
        self._had_signal = isinstance(picture, Frame)
        # The next tick of the display's own beat: ticks that nobody fetched are lost.
        missed = math.floor((trio.current_time() - self._due) / self._period_s)
        self._due += (max(0, missed) + 1) * self._period_s
        if isinstance(picture, Frame):
            if self._scaler is not None:
                picture = await self._scaler.scale(picture)
            if self._additions:
                self._pictures += 1
                picture = self._additions.added_to(picture, self._pictures)
        return picture
