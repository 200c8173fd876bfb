"""Codec of WCH's CH9329, a chip that turns serial frames into a USB keyboard and mouse.

Responsible for frames, their checksums and what their data mean; bytes in, values out. It never waits, and
never decides what to do about a bad reply.

Sources: WCH's "CH9329 serial communication protocol" and its published example frames. A frame is
`57 AB address command length data... sum`, the sum being that of all bytes before it modulo 256; a reply has
the command with bit 7 set, an error reply with bits 7 and 6 set and one byte of status.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, replace
from typing import Final

from drivers.wire.hid_to_qmp import PointerReport

HEAD: Final = b"\x57\xab"
MAX_DATA_BYTES: Final = 64
_OVERHEAD_BYTES: Final = 6
MAX_FRAME_BYTES: Final = MAX_DATA_BYTES + _OVERHEAD_BYTES
DEFAULT_ADDRESS: Final = 0x00
BROADCAST_ADDRESS: Final = 0xFF
"""A frame to it is carried out and not answered."""

FACTORY_SPEED_BAUD: Final = 9600
SPEEDS_BAUD: Final = (9600, 115200, 57600, 38400, 19200)
"""The speeds to look for a chip at, the likely ones first."""

COORD_MAX: Final = 0x0FFF
_REPORT_COORD_BITS: Final = 15
_COORD_BITS: Final = 12
BUTTONS_MASK: Final = 0x07
"""Left, right, middle, as in a USB report; the protocol has no more buttons."""

LEDS_MASK: Final = 0x07
_ABSOLUTE_ID: Final = 0x02
_RELATIVE_ID: Final = 0x01
_REPLY: Final = 0x80
_REPLY_ERROR: Final = 0xC0
_COMMAND_MASK: Final = 0x3F


class Command(enum.IntEnum):
    """What the chip can be told."""

    GET_INFO = 0x01
    SEND_KEYBOARD = 0x02
    SEND_MEDIA = 0x03
    SEND_ABSOLUTE = 0x04
    SEND_RELATIVE = 0x05
    SEND_CUSTOM_HID = 0x06
    READ_CUSTOM_HID = 0x07
    """Only ever comes from the chip, unasked, as 0x87."""
    GET_PARAMETERS = 0x08
    SET_PARAMETERS = 0x09
    GET_USB_STRING = 0x0A
    SET_USB_STRING = 0x0B
    SET_DEFAULTS = 0x0C
    RESET = 0x0F


class Status(enum.IntEnum):
    """How a command went."""

    OK = 0x00
    TIMEOUT = 0xE1
    BAD_HEAD = 0xE2
    BAD_COMMAND = 0xE3
    BAD_SUM = 0xE4
    BAD_PARAMETER = 0xE5
    FAILED = 0xE6

    @property
    def meaning(self) -> str:
        """What it says, for people."""
        return _MEANINGS[self]

    @property
    def is_noise(self) -> bool:
        """Whether the chip got the frame damaged and did nothing, so that it can be repeated."""
        return self in (Status.TIMEOUT, Status.BAD_HEAD, Status.BAD_SUM)


_MEANINGS: Final = {
    Status.OK: "done",
    Status.TIMEOUT: "a byte of the frame came too late",
    Status.BAD_HEAD: "the frame began with wrong bytes",
    Status.BAD_COMMAND: "the command is unknown",
    Status.BAD_SUM: "the frame's checksum was wrong",
    Status.BAD_PARAMETER: "a parameter was wrong",
    Status.FAILED: "the frame was right, but it could not be carried out",
}


class UsbString(enum.IntEnum):
    """The strings that the chip shows to the host."""

    MANUFACTURER = 0x00
    PRODUCT = 0x01
    SERIAL_NUMBER = 0x02


def encode(command: Command, data: bytes = b"", *, address: int = DEFAULT_ADDRESS) -> bytes:
    """Return the frame of *command*. Raises ValueError if *data* exceed 64 bytes."""
    return _frame(command, data, address)


def _frame(code: int, data: bytes, address: int) -> bytes:
    if len(data) > MAX_DATA_BYTES:
        raise ValueError(f"expected at most {MAX_DATA_BYTES} bytes of data, got {len(data)}")
    head = HEAD + bytes((address, code, len(data))) + data
    return head + bytes((sum(head) & 0xFF,))


@dataclass(frozen=True, slots=True)
class Reply:
    """A frame of the chip. *error* tells an error reply from a good one."""

    address: int
    command: int
    error: bool
    data: bytes

    @property
    def status(self) -> Status | None:
        """The status that it carries; OK if it carries other data, None if it is none of the known ones."""
        if not self.error and len(self.data) != 1:
            return Status.OK
        if len(self.data) == 1 and self.data[0] in Status:
            return Status(self.data[0])
        return None


class Decoder:
    """Finds replies in a stream of bytes that may have garbage between them; holds at most one frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped_bytes = 0
        self._bad_sums = 0

    def reset(self) -> None:
        """Forget a half-received frame."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Reply]:
        """Take bytes in and return the replies that they complete."""
        replies: list[Reply] = []
        # In pieces, so that the buffer stays within two frames whatever comes.
        for first in range(0, len(data), MAX_FRAME_BYTES):
            self._buffer += data[first : first + MAX_FRAME_BYTES]
            while (reply := self._next()) is not None:
                replies.append(reply)
        return replies

    def _next(self) -> Reply | None:
        buffer = self._buffer
        while self._align():
            if len(buffer) < _OVERHEAD_BYTES - 1:
                return None
            address, code, length = buffer[2:5]
            if length > MAX_DATA_BYTES or not code & _REPLY:
                self._skip(1)
                continue
            end = length + _OVERHEAD_BYTES
            if len(buffer) < end:
                return None
            if sum(buffer[: end - 1]) & 0xFF != buffer[end - 1]:
                # What looked like a frame may be garbage with the true one inside of it.
                self._bad_sums += 1
                self._skip(1)
                continue
            reply = Reply(
                address=address,
                command=code & _COMMAND_MASK,
                error=code & _REPLY_ERROR == _REPLY_ERROR,
                data=bytes(buffer[5 : end - 1]),
            )
            del buffer[:end]
            return reply
        return None

    def _align(self) -> bool:
        """Drop what cannot be the beginning of a frame; tell whether a whole head is there."""
        start = self._buffer.find(HEAD)
        if start < 0:
            # A last byte may be the first half of the head.
            start = len(self._buffer) - (1 if self._buffer.endswith(HEAD[:1]) else 0)
        self._skip(start)
        return self._buffer.startswith(HEAD)

    def _skip(self, count: int) -> None:
        self._skipped_bytes += count
        del self._buffer[:count]

    def statistics(self) -> dict[str, int]:
        """Return how many bytes were no frame and how many frames had a wrong sum."""
        return {"skipped_bytes": self._skipped_bytes, "bad_sums": self._bad_sums}


@dataclass(frozen=True, slots=True)
class Info:
    """The answer to GET_INFO. *enumerated* tells whether a host has set the chip up; *leds* as in USB HID."""

    version: int
    enumerated: bool
    leds: int

    @classmethod
    def parse(cls, data: bytes) -> Info:
        """Read the reply's 8 bytes. Raises ValueError if there are fewer."""
        if len(data) < 8:
            raise ValueError(f"expected 8 bytes of chip information, got {data.hex(' ') or 'none'}")
        return cls(version=data[0], enumerated=data[1] == 0x01, leds=data[2] & LEDS_MASK)

    @property
    def version_text(self) -> str:
        """The version for people: 0x30 is 1.0."""
        return f"{(self.version >> 4) - 2}.{self.version & 0x0F}"


def keyboard_data(report: bytes) -> bytes:
    """Return the data of SEND_KEYBOARD, which are a boot keyboard's report. Raises ValueError."""
    if len(report) != 8:
        raise ValueError(f"expected a keyboard report of 8 bytes, got {len(report)}")
    return bytes((report[0], 0, *report[2:]))


def absolute_data(report: PointerReport) -> bytes:
    """Return the data of SEND_ABSOLUTE: the position at the chip's 12 bits, the vertical wheel.

    The protocol has neither thumb buttons nor a horizontal wheel: they are left out.
    """
    x, y = (min(axis >> _REPORT_COORD_BITS - _COORD_BITS, COORD_MAX) for axis in (report.x, report.y))
    return struct.pack("<BBHHb", _ABSOLUTE_ID, report.buttons & BUTTONS_MASK, x, y, _delta(report.wheel_y))


def relative_data(report: PointerReport) -> bytes:
    """Return the data of SEND_RELATIVE; what the protocol lacks is left out as in `absolute_data`."""
    return struct.pack(
        "<BBbbb",
        _RELATIVE_ID,
        report.buttons & BUTTONS_MASK,
        _delta(report.x),
        _delta(report.y),
        _delta(report.wheel_y),
    )


def _delta(value: int) -> int:
    # The byte 0x80 means nothing to the chip.
    return max(value, -127)


def without_motion(report: PointerReport, *, absolute: bool) -> PointerReport:
    """Return *report* with what must not happen twice taken out: deltas and wheel steps."""
    if absolute:
        return replace(report, wheel_y=0, wheel_x=0)
    return replace(report, x=0, y=0, wheel_y=0, wheel_x=0)


def usb_string_data(which: UsbString, text: str) -> bytes:
    """Return the data of SET_USB_STRING. Raises ValueError unless *text* is up to 23 ASCII characters."""
    if not text.isascii() or len(text) > 23:
        raise ValueError(f"expected up to 23 ASCII characters, got {text!r}")
    return bytes((which, len(text))) + text.encode("ascii")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The chip's 50 bytes of settings, which take effect at its next reset; the unnamed ones are kept."""

    raw: bytes

    @classmethod
    def parse(cls, data: bytes) -> Parameters:
        """Read the reply of GET_PARAMETERS. Raises ValueError if it is not 50 bytes long."""
        if len(data) != 50:
            raise ValueError(f"expected 50 bytes of parameters, got {len(data)}")
        return cls(bytes(data))

    @property
    def work_mode(self) -> int:
        """What it is on USB: 0 keyboard and mouse, 1 keyboard, 2 mouse, 3 custom; 0x80 if set by pins."""
        return self.raw[0]

    @property
    def serial_mode(self) -> int:
        """How it is talked to: 0 this protocol, 1 ASCII, 2 transparent; 0x80 if set by pins."""
        return self.raw[1]

    @property
    def address(self) -> int:
        """The address that it answers to; 0 = any."""
        return self.raw[2]

    @property
    def speed_baud(self) -> int:
        """Its speed."""
        return int.from_bytes(self.raw[3:7], "big")

    def with_speed(self, speed_baud: int) -> Parameters:
        """Return the same with another speed."""
        return Parameters(self.raw[:3] + speed_baud.to_bytes(4, "big") + self.raw[7:])
