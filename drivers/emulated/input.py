"""What the emulated PC makes of its keyboard and mice: key presses with characters, a pointer's position.

Must never know what is done with them, nor wait for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drivers.emulated import us_layout
from drivers.emulated.hid_host import (
    ALT,
    AXIS_MAX,
    CONTROL,
    META,
    SHIFT,
    KeyboardDecoder,
    PointerReport,
)

LED_NUM_LOCK = 0x01
LED_CAPS_LOCK = 0x02
LED_SCROLL_LOCK = 0x04

_LOCKS = {
    us_layout.NUM_LOCK: LED_NUM_LOCK,
    us_layout.CAPS_LOCK: LED_CAPS_LOCK,
    us_layout.SCROLL_LOCK: LED_SCROLL_LOCK,
}


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key went down: the usage that it acts as, what it types ("" if nothing), and what is held."""

    usage: int
    text: str
    control: bool
    alt: bool
    meta: bool


class KeyboardHost:
    """The keyboard as the PC's software knows it: held keys, locks and their LEDs."""

    def __init__(self, send_leds: Callable[[int], None]) -> None:
        self._decoder = KeyboardDecoder()
        self._send_leds = send_leds
        self.leds = 0

    @property
    def held(self) -> frozenset[int]:
        """The usages of the keys that are down."""
        return self._decoder.held

    def feed(self, report: bytes) -> Iterator[KeyPress]:
        """Yield the presses of a report, one at a time, so that the first may change what the rest meet."""
        events = self._decoder.feed(report)
        held = self._decoder.held
        for event in events:
            if not event.pressed:
                continue
            if event.usage in _LOCKS:
                self.set_leds(self.leds ^ _LOCKS[event.usage])
            usage, text = us_layout.translate(
                event.usage,
                shift=bool(held & SHIFT),
                caps_lock=bool(self.leds & LED_CAPS_LOCK),
                num_lock=bool(self.leds & LED_NUM_LOCK),
            )
            yield KeyPress(usage, text, bool(held & CONTROL), bool(held & ALT), bool(held & META))

    def set_leds(self, leds: int) -> None:
        """Send an LED report, as a host does also when nothing changes."""
        self.leds = leds
        self._send_leds(leds)

    def forget(self) -> None:
        """Forget what is held: the bus was reset or the keyboard unplugged."""
        self._decoder.forget()


class PointerHost:
    """The pointer that both mice move, as the PC's software knows it; it starts at (x_px, y_px)."""

    def __init__(self, x_px: int, y_px: int) -> None:
        self.x_px = x_px
        self.y_px = y_px
        self.clicks = 0
        self.wheel = 0
        self.pan = 0
        self.moved = False
        self._buttons = {True: 0, False: 0}  # by whether the mouse is absolute

    @property
    def buttons(self) -> int:
        """The bits of the buttons that are down on either mouse."""
        return self._buttons[True] | self._buttons[False]

    def feed(self, report: PointerReport, width_px: int, height_px: int) -> None:
        """Move and click on a screen of that size."""
        before = self.buttons
        self._buttons[report.absolute] = report.buttons
        self.clicks += (self.buttons & ~before).bit_count()
        self.wheel += report.wheel
        self.pan += report.pan
        if report.absolute:
            self.x_px = report.x * width_px // (AXIS_MAX + 1)
            self.y_px = report.y * height_px // (AXIS_MAX + 1)
        else:
            self.x_px += report.x
            self.y_px += report.y
        self.moved = True
        self.confine(width_px, height_px)

    def confine(self, width_px: int, height_px: int) -> None:
        """Keep the pointer on a screen of that size."""
        self.x_px = max(0, min(width_px - 1, self.x_px))
        self.y_px = max(0, min(height_px - 1, self.y_px))

    def release(self, *, absolute: bool) -> None:
        """Release the buttons of one mouse: it was unplugged."""
        self._buttons[absolute] = 0
