"""A CH9329 chip in software, from WCH's description of its protocol and independent of the driver's codec.

It keeps what a host would have seen of it: `keyboard` and `mouse` are the reports in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

GOOD, ERROR = 0x80, 0xC0
LATE_BYTE, UNKNOWN, WRONG_SUM, WRONG_PARAMETER, NOT_DONE = 0xE1, 0xE3, 0xE4, 0xE5, 0xE6

# The factory's parameters; speed at 3 to 6, packet interval at 9, vendor and product at 11.
FACTORY = bytes.fromhex("80 80 00 00 00 25 80 08 00 00 03 86 1a 29 e1 00 00 00 01 00 0d") + bytes(29)


@dataclass
class MouseReport:
    """One mouse report as the host sees it; *x* and *y* are a position (0..4095) or a way."""

    absolute: bool
    buttons: int
    x: int
    y: int
    wheel: int


@dataclass
class Ch9329Chip:
    """The chip. *line_speed* tells the speed of what comes; at another one than its own it hears noise."""

    version: int = 0x31
    enumerated: bool = True
    leds: int = 0
    speed: int = 9600
    line_speed: Callable[[], int] | None = None
    refuse_reports: bool = False
    wrong_status: int | None = None
    """A status that it answers next instead of its own."""
    keyboard: list[bytes] = field(default_factory=list)
    mouse: list[MouseReport] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)
    parameters: bytes = FACTORY
    strings: dict[int, bytes] = field(default_factory=dict)
    resets: int = 0
    _frame: bytearray = field(default_factory=bytearray)

    @property
    def stale_after_s(self) -> float:
        """Half a frame is given up; the real chip is stricter (3 ms) than a busy machine allows."""
        return 0.05 if self._frame else math.inf

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes in and return the replies."""
        if self.line_speed is not None and self.line_speed() != self.speed:
            return []
        replies = []
        for byte in data:
            self._frame.append(byte)
            position = len(self._frame) - 1
            if position < 2 and byte != (0x57, 0xAB)[position]:
                self._frame.clear()
                if byte == 0x57:
                    self._frame.append(byte)
            elif position >= 5 and position == 5 + self._frame[4]:
                frame = bytes(self._frame)
                self._frame.clear()
                replies += self._frame_done(frame)
        return replies

    def expire(self) -> list[bytes]:
        """Half a frame, and no more comes."""
        command = self._frame[3] if len(self._frame) > 3 else 0
        self._frame.clear()
        return [_frame(command | ERROR, bytes((LATE_BYTE,)))]

    def _frame_done(self, frame: bytes) -> list[bytes]:
        command, data = frame[3], frame[5:-1]
        checksum = 0
        for byte in frame[:-1]:
            checksum = (checksum + byte) % 256
        if checksum != frame[-1]:
            return [_frame(command | ERROR, bytes((WRONG_SUM,)))]
        self.commands.append(command)
        result = self._carry_out(command, data)
        if self.wrong_status is not None:
            result, self.wrong_status = self.wrong_status, None
        if isinstance(result, bytes):
            return [_frame(command | GOOD, result)]
        return [_frame(command | (ERROR if result else GOOD), bytes((result,)))]

    def _carry_out(self, command: int, data: bytes) -> int | bytes:
        match command:
            case 0x01:
                return bytes((self.version, int(self.enumerated), self.leds, 0, 0, 0, 0, 0))
            case 0x02 if len(data) == 8:
                return self._report(lambda: self.keyboard.append(data))
            case 0x04 if len(data) == 7 and data[0] == 2:
                x, y = data[2] + 256 * data[3], data[4] + 256 * data[5]
                if x > 4095 or y > 4095:
                    return WRONG_PARAMETER
                return self._report(
                    lambda: self.mouse.append(MouseReport(True, data[1], x, y, _signed(data[6])))
                )
            case 0x05 if len(data) == 5 and data[0] == 1:
                x, y, wheel = map(_signed, data[2:5])
                return self._report(lambda: self.mouse.append(MouseReport(False, data[1], x, y, wheel)))
            case 0x08:
                return self.parameters
            case 0x09 if len(data) == 50:
                self.parameters = data
                return 0
            case 0x0A if len(data) == 1:
                text = self.strings.get(data[0], b"")
                return bytes((data[0], len(text))) + text
            case 0x0B if len(data) >= 2 and len(data) == 2 + data[1]:
                self.strings[data[0]] = data[2:]
                return 0
            case 0x0C:
                self.parameters = FACTORY
                return 0
            case 0x0F:
                self.resets += 1
                self.speed = int.from_bytes(self.parameters[3:7])
                return 0
            case 0x02 | 0x04 | 0x05 | 0x09 | 0x0A | 0x0B:
                return WRONG_PARAMETER
            case _:
                return UNKNOWN

    def _report(self, deliver: Callable[[], None]) -> int:
        if self.refuse_reports:
            return NOT_DONE
        # Without a host the chip says "done" all the same.
        if self.enumerated:
            deliver()
        return 0


def _frame(command: int, data: bytes) -> bytes:
    body = bytes.fromhex("57ab00") + bytes((command, len(data))) + data
    return body + bytes((sum(body) % 256,))


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte
