"""The shell at the emulated PC's console: line editing, history, one command at a time.

What commands do is in `commands`. Must never block: a command that waits is a coroutine, and what is typed
meanwhile is kept for later, up to a bound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import trio

from drivers.emulated import us_layout
from drivers.emulated.console import Console
from drivers.emulated.input import KeyPress
from drivers.emulated.media import UsbDrive

PROMPT = "farhand-pc:~$ "
# Enough for any command and three rows of the screen; further characters are not taken, as on a terminal.
INPUT_LIMIT = 400
# What a terminal keeps of what is typed while a command runs; further keys are lost.
TYPE_AHEAD_LIMIT = 4096
HISTORY_LIMIT = 50


class ShellHost(Protocol):
    """What the machine offers to commands."""

    @property
    def console(self) -> Console:
        """The screen."""
        ...

    @property
    def drive(self) -> UsbDrive:
        """The USB drive."""
        ...

    @property
    def leds(self) -> int:
        """The keyboard's LED byte."""
        ...

    @property
    def memory_mib(self) -> int:
        """How much memory there is."""
        ...

    @property
    def uptime_s(self) -> float:
        """How long it has been on."""
        ...

    def now(self) -> datetime:
        """The time of its clock, UTC."""
        ...

    def usb_devices(self) -> list[str]:
        """What is plugged in."""
        ...

    def edid(self) -> bytes:
        """What the monitor says of itself; empty without one."""
        ...

    def set_mode(self, width_px: int, height_px: int) -> None:
        """Change the screen's size."""
        ...

    def disk_activity(self, seconds: float) -> None:
        """Let the HDD LED blink for so long."""
        ...

    def request_soft_off(self) -> None:
        """Shut down and turn off."""
        ...

    def request_reboot(self) -> None:
        """Shut down and start again."""
        ...


class Shell:
    """Edits a line, runs it, and again."""

    def __init__(self, host: ShellHost, run_command: Callable[[Shell, str], Awaitable[None]]) -> None:
        self.host = host
        self._run_command = run_command
        self.console = host.console
        self._line = ""
        self._cursor = 0
        self._history: deque[str] = deque(maxlen=HISTORY_LIMIT)
        self._recalled = 0
        self._command: str | None = None
        self._command_scope = trio.CancelScope()
        self._entered = trio.lowlevel.ParkingLot()
        self._type_ahead: deque[KeyPress] = deque()
        self._show()

    async def run(self) -> None:
        """Run what is entered until cancelled; keys may come earlier."""
        while True:
            while self._command is None:
                await self._entered.park()
            with trio.CancelScope() as self._command_scope:
                await trio.lowlevel.checkpoint()
                await self._run_command(self, self._command)
            if self._command_scope.cancelled_caught:
                self.console.print("^C")
            self._command = None
            self._show()
            while self._type_ahead and self._command is None:
                self.key(self._type_ahead.popleft())

    def key(self, press: KeyPress) -> None:
        """Take a key press."""
        if self._command is not None:
            if press.control and press.text.lower() == "c":
                self._type_ahead.clear()
                self._command_scope.cancel()
            elif len(self._type_ahead) < TYPE_AHEAD_LIMIT:
                self._type_ahead.append(press)
            return
        if press.control and not press.alt:
            self._control(press.text.lower())
        elif press.text and not press.alt and not press.meta:
            self._insert(press.text)
        else:
            self._edit(press.usage)

    def _insert(self, text: str) -> None:
        if len(self._line) < INPUT_LIMIT:
            self._line = self._line[: self._cursor] + text + self._line[self._cursor :]
            self._cursor += len(text)
            self._show()

    def _control(self, text: str) -> None:
        match text:
            case "c":
                self._set_line(self._line + "^C")
                self.console.accept_input()
                self._set_line("")
            case "l":
                self.console.clear()
                self._show()
            case "u":
                self._set_line("")

    def _edit(self, usage: int) -> None:
        line, at = self._line, self._cursor
        match usage:
            case us_layout.ENTER:
                self._enter()
                return
            case us_layout.BACKSPACE:
                self._line, self._cursor = line[: max(0, at - 1)] + line[at:], max(0, at - 1)
            case us_layout.DELETE:
                self._line = line[:at] + line[at + 1 :]
            case us_layout.LEFT:
                self._cursor = max(0, at - 1)
            case us_layout.RIGHT:
                self._cursor = min(len(line), at + 1)
            case us_layout.HOME:
                self._cursor = 0
            case us_layout.END:
                self._cursor = len(line)
            case us_layout.UP if self._recalled < len(self._history):
                self._recall(self._recalled + 1)
            case us_layout.DOWN if self._recalled > 0:
                self._recall(self._recalled - 1)
            case us_layout.PAGE_UP:
                self.console.scroll(self.console.text_rows - 1)
                return
            case us_layout.PAGE_DOWN:
                self.console.scroll(1 - self.console.text_rows)
                return
            case _:
                return
        self._show()

    def _recall(self, back: int) -> None:
        self._recalled = back
        self._set_line(self._history[-back] if back else "")

    def _enter(self) -> None:
        command = self._line.strip()
        self._cursor = len(self._line)
        self._show()
        self.console.accept_input()
        self._line, self._cursor, self._recalled = "", 0, 0
        if not command:
            self._show()
            return
        if not self._history or self._history[-1] != command:
            self._history.append(command)
        self._command = command
        self._entered.unpark_all()

    def _set_line(self, line: str) -> None:
        self._line, self._cursor = line, len(line)
        self._show()

    def _show(self) -> None:
        self.console.set_input(PROMPT, self._line, self._cursor)
