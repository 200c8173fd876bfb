"""Where a person would sit at the emulated PC: its keyboard and pointer, and what they do on its screen.

Must never know power: `restart` is all that it is told of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from drivers.emulated import boot, us_layout
from drivers.emulated.console import Console, TextScreen
from drivers.emulated.display import Display
from drivers.emulated.hid_host import decode_pointer
from drivers.emulated.input import (
    LED_CAPS_LOCK,
    LED_NUM_LOCK,
    LED_SCROLL_LOCK,
    KeyboardHost,
    KeyPress,
    PointerHost,
)

_LINES_A_NOTCH = 3
_BUTTON_LETTERS = "LRMBF"  # left, right, middle, back, forward
_LOCK_NAMES = (("Num", LED_NUM_LOCK), ("Caps", LED_CAPS_LOCK), ("Scroll", LED_SCROLL_LOCK))


class KeySink(Protocol):
    """Whoever takes key presses now."""

    def key(self, press: KeyPress) -> None:
        """Take one."""
        ...


class Seat:
    """Keyboard, pointer and screen. *on_ctrl_alt_del*: what these keys do, if not what other keys do."""

    def __init__(
        self, display: Display, drive_line: Callable[[], str], on_ctrl_alt_del: Callable[[], None] | None
    ) -> None:
        self._display = display
        self._drive_line = drive_line
        self._on_ctrl_alt_del = on_ctrl_alt_del
        self._leds_listener: Callable[[int], None] = lambda _leds: None
        self._key_sink: KeySink | None = None
        self.keyboard = KeyboardHost(self._send_leds)
        self.pointer = PointerHost(*_middle())
        self.console: Console | None = None

    def on_leds(self, listener: Callable[[int], None]) -> None:
        """Give LED reports to *listener*."""
        self._leds_listener = listener

    def restart(self) -> None:
        """Forget what is held and what is on the screen: the machine was reset or went off."""
        self._key_sink = None
        self.console = None
        self.keyboard.forget()
        self.pointer = PointerHost(*_middle())

    def take_keys(self, sink: KeySink | None) -> None:
        """Give key presses to *sink* from now on."""
        self._key_sink = sink

    def keyboard_report(self, report: bytes) -> None:
        """Take a keyboard report."""
        for press in self.keyboard.feed(report):
            if (
                press.control
                and press.alt
                and press.usage == us_layout.DELETE
                and self._on_ctrl_alt_del is not None
            ):
                self._on_ctrl_alt_del()
                return
            if self._key_sink is not None:
                self._key_sink.key(press)

    def pointer_report(self, report: bytes, *, absolute: bool) -> None:
        """Take a mouse report."""
        decoded = decode_pointer(report, absolute=absolute)
        console = self.console
        size_px = boot.CONSOLE_MODE_PX if console is None else (console.width_px, console.height_px)
        self.pointer.feed(decoded, *size_px)
        if console is not None:
            if decoded.wheel:
                console.scroll(decoded.wheel * _LINES_A_NOTCH)
            self._show_pointer()

    def open_screen(self, mode_px: tuple[int, int]) -> TextScreen:
        """Put out an empty screen of that size, the firmware's."""
        screen = TextScreen(*mode_px, self._display.touch)
        self._display.show(screen)
        return screen

    def open_console(self) -> None:
        """Put out the operating system's console."""
        self.console = Console(*boot.CONSOLE_MODE_PX, self._display.touch, self._status_line)
        self._display.show(self.console)

    def set_mode(self, width_px: int, height_px: int) -> None:
        """Change the size of the console's screen."""
        if self.console is not None:
            self.console.resize(width_px, height_px)
            self.pointer.confine(width_px, height_px)
            self._show_pointer()

    def tell(self, message: str) -> None:
        """Print a message of the operating system, if one runs."""
        if self.console is not None:
            self.console.print(message)

    def _send_leds(self, leds: int) -> None:
        self._leds_listener(leds)
        self._display.touch()  # the status line shows them

    def _show_pointer(self) -> None:
        pointer = self.pointer
        self._display.move_pointer((pointer.x_px, pointer.y_px) if pointer.moved else None)
        self._display.touch()  # the status line shows buttons and wheels, too

    def _status_line(self) -> str:
        pointer, leds = self.pointer, self.keyboard.leds
        buttons = "".join(
            letter if pointer.buttons >> bit & 1 else "-" for bit, letter in enumerate(_BUTTON_LETTERS)
        )
        locks = " ".join(f"{name}{'+' if leds & bit else '-'}" for name, bit in _LOCK_NAMES)
        scrolled = self.console.scrolled_lines if self.console is not None else 0
        back = f" | {scrolled} lines back" if scrolled else ""
        return (
            f" mouse {pointer.x_px},{pointer.y_px} [{buttons}] clicks {pointer.clicks}"
            f" wheel {pointer.wheel},{pointer.pan} | {locks} | {self._drive_line()}{back}"
        )


def _middle() -> tuple[int, int]:
    width_px, height_px = boot.CONSOLE_MODE_PX
    return width_px // 2, height_px // 2
