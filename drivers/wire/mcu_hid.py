"""Codec of the microcontroller HID: an Arduino, STM32 or Pico that is keyboard and mouse over a serial line.

Responsible for its frames, for what its answers say, and for turning reports into its key and mouse events.
It never waits, and never decides what to do about a fault.

The protocol, as its firmwares speak it: requests of 8 bytes, `33 command argument*4 crc*2`; answers of
8 bytes, `34 code outputs1 outputs2 00 00 crc*2`, or of 4 from old firmwares, `33 code crc*2`. The CRC is
CRC-16/MODBUS over all bytes before it, high byte first. A code with bit 7 set is an answer that tells the
state, any other one a fault.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from drivers.wire.crc import crc16
from drivers.wire.hid_to_qmp import key_changes, keys_of, parse_pointer
from drivers.wire.mcu_keys import MCU_KEYS

SPEED_BAUD: Final = 115200
REQUEST_BYTES: Final = 8
_MAGIC: Final = 0x33
_MAGIC_ANSWER: Final = 0x34
_LEGACY_BYTES: Final = 4
_ANSWER_BYTES: Final = 8


class Command(enum.IntEnum):
    """What the microcontroller can be told."""

    PING = 0x01
    REPEAT = 0x02
    """Say again how the last request went."""
    SET_KEYBOARD = 0x03
    SET_MOUSE = 0x04
    SET_CONNECTED = 0x05
    CLEAR = 0x10
    """Release all keys and buttons."""
    KEY = 0x11
    MOVE = 0x12
    BUTTONS = 0x13
    WHEEL = 0x14
    MOVE_BY = 0x15


class Fault(enum.IntEnum):
    """An answer that tells no state."""

    NOTHING_YET = 0x24
    """Asked to repeat, but there was no request since it started."""
    BAD_CRC = 0x40
    UNKNOWN = 0x45
    TIMEOUT = 0x48

    @property
    def meaning(self) -> str:
        """What it says, for people."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    Fault.NOTHING_YET: "it has restarted",
    Fault.BAD_CRC: "the request's checksum was wrong",
    Fault.UNKNOWN: "the request is unknown to this firmware",
    Fault.TIMEOUT: "a byte of the request came too late",
}

_LEGACY_DONE: Final = 0x20
_STATE: Final = 0x80
_CAPS: Final = 0x01
_SCROLL: Final = 0x02
_NUM: Final = 0x04
_KEYBOARD_OFFLINE: Final = 0x08
_MOUSE_OFFLINE: Final = 0x10
_RESET_REQUIRED: Final = 0x40

_DYNAMIC: Final = 0x80
_KEYBOARD_MASK: Final = 0x07
_MOUSE_MASK: Final = 0x38
_CONNECTABLE: Final = 0x80
_CONNECTED: Final = 0x40
_HAS_USB: Final = 0x01
_HAS_PS2: Final = 0x02
_HAS_WIN98: Final = 0x04

KEYBOARD_OUTPUTS: Final = {"usb": 0x01, "ps2": 0x03, "disabled": 0x00}
"""The keyboard's outputs by their names in the contract (subsystems.md 2.2), in its order."""

MOUSE_OUTPUTS: Final = {"usb": 0x08, "usb_rel": 0x10, "usb_win98": 0x20, "ps2": 0x18, "disabled": 0x00}
"""The mouse's outputs, likewise."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs that can be chosen, and the present one; empty and "" if there is no choice."""

    available: tuple[str, ...] = ()
    active: str = ""


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer that tells the state. *leds* are as in USB HID; *connected* is None if it cannot tell."""

    leds: int
    keyboard_online: bool
    mouse_online: bool
    reset_required: bool = False
    mouse_absolute: bool = True
    keyboard: Outputs = Outputs()
    mouse: Outputs = Outputs()
    connected: bool | None = None


@dataclass(frozen=True, slots=True)
class LegacyDone:
    """An old firmware's answer to anything but a ping: done, without a state."""


type Answer = Pong | Fault | LegacyDone


def encode(command: Command, arguments: bytes = b"") -> bytes:
    """Return the 8 bytes of a request. Raises ValueError if there are more than 4 bytes of arguments."""
    if len(arguments) > 4:
        raise ValueError(f"expected at most 4 bytes of arguments, got {len(arguments)}")
    body = bytes((_MAGIC, command)) + arguments.ljust(4, b"\0")
    return body + crc16(body).to_bytes(2, "big")


class Decoder:
    """Finds answers in a stream of bytes that may have garbage between them; holds at most one answer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped_bytes = 0

    def reset(self) -> None:
        """Forget a half-received answer."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Answer]:
        """Take bytes in and return the answers that they complete."""
        answers: list[Answer] = []
        for byte in data:
            self._buffer.append(byte)
            while self._buffer:
                answer = self._first()
                if answer is _MORE:
                    break
                if answer is None:
                    del self._buffer[0]
                    self._skipped_bytes += 1
                else:
                    assert not isinstance(answer, _More)
                    answers.append(answer)
        return answers

    def _first(self) -> Answer | _More | None:
        """Take the answer at the buffer's start; None if there is none and never will be."""
        length = {_MAGIC_ANSWER: _ANSWER_BYTES, _MAGIC: _LEGACY_BYTES}.get(self._buffer[0])
        if length is None:
            return None
        if len(self._buffer) < length:
            return _MORE
        frame = bytes(self._buffer[:length])
        if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "big"):
            return None
        answer = _parse(frame)
        if answer is not None:
            del self._buffer[:length]
        return answer

    def statistics(self) -> dict[str, int]:
        """Return how many bytes were no answer."""
        return {"skipped_bytes": self._skipped_bytes}


class _More(enum.Enum):
    MORE = enum.auto()


_MORE: Final = _More.MORE


def _parse(frame: bytes) -> Answer | None:
    code = frame[1]
    if code & _STATE:
        outputs1, outputs2 = frame[2:4] if len(frame) == _ANSWER_BYTES else (0, 0)
        return _pong(code, outputs1, outputs2)
    if code == _LEGACY_DONE:
        return LegacyDone()
    return Fault(code) if code in Fault else None


def _pong(code: int, outputs1: int, outputs2: int) -> Pong:
    leds = (code & _NUM and 0x01) | (code & _CAPS and 0x02) | (code & _SCROLL and 0x04)
    mouse_bits = outputs1 & _MOUSE_MASK
    keyboard, mouse = Outputs(), Outputs()
    if outputs1 & _DYNAMIC:
        has_usb, has_ps2 = bool(outputs2 & _HAS_USB), bool(outputs2 & _HAS_PS2)
        has = {"usb": has_usb, "usb_rel": has_usb, "usb_win98": bool(outputs2 & _HAS_WIN98), "ps2": has_ps2}
        has["disabled"] = any(has.values())
        keyboard = _outputs(KEYBOARD_OUTPUTS, has, outputs1 & _KEYBOARD_MASK)
        mouse = _outputs(MOUSE_OUTPUTS, has, mouse_bits)
    return Pong(
        leds=leds,
        keyboard_online=not code & _KEYBOARD_OFFLINE,
        mouse_online=not code & _MOUSE_OFFLINE,
        reset_required=bool(code & _RESET_REQUIRED),
        mouse_absolute=mouse_bits not in (MOUSE_OUTPUTS["usb_rel"], MOUSE_OUTPUTS["ps2"]),
        keyboard=keyboard,
        mouse=mouse,
        connected=bool(outputs2 & _CONNECTED) if outputs2 & _CONNECTABLE else None,
    )


def _outputs(codes: dict[str, int], has: dict[str, bool], active: int) -> Outputs:
    available = tuple(name for name in codes if has[name])
    names = {code: name for name, code in codes.items()}
    return Outputs(available, names.get(active, "") if available else "")


@dataclass(frozen=True, slots=True)
class Step:
    """One request on the way from one report to the next.

    *repeatable* tells whether it can be sent again if nobody knows whether it arrived.
    """

    request: bytes
    repeatable: bool = True


@dataclass(slots=True)
class KeySteps:
    """Turns keyboard reports into key events. *held* are the usages that the microcontroller holds down."""

    held: frozenset[int] = field(default_factory=frozenset)

    def to(self, report: bytes, *, afresh: bool = False) -> Iterator[Step]:
        """Yield the steps from what is held to *report*, each noted as done when the next is asked for.

        *afresh* first releases everything, for a host that may have missed some of it. Keys that have no
        number are left out. Raises ValueError if it is no keyboard report.
        """
        wanted = keys_of(report) & MCU_KEYS.keys()
        if afresh:
            yield from self._change(frozenset())
        yield from self._change(wanted)

    def _change(self, wanted: frozenset[int]) -> Iterator[Step]:
        for change in key_changes(self.held, wanted):
            yield Step(encode(Command.KEY, bytes((MCU_KEYS[change.usage], change.down))))
            self.held = self.held | {change.usage} if change.down else self.held - {change.usage}


# Report bit, which argument byte, select bit, state bit.
_BUTTON_BITS: Final = (
    (0x01, 0, 0x80, 0x08),
    (0x02, 0, 0x40, 0x04),
    (0x04, 0, 0x20, 0x02),
    (0x08, 1, 0x80, 0x08),
    (0x10, 1, 0x40, 0x04),
)


@dataclass(slots=True)
class PointerSteps:
    """Turns reports of one mouse into its events; *buttons* and *position* are what it was told last."""

    absolute: bool
    buttons: int = 0
    position: tuple[int, int] | None = None

    def forget(self) -> None:
        """Take note that the microcontroller starts afresh."""
        self.buttons, self.position = 0, None

    def to(self, report: bytes, *, afresh: bool = False) -> Iterator[Step]:
        """Yield the steps for *report*, each noted as done when the next is asked for.

        *afresh* tells all buttons and the position again. Raises ValueError if it is no such report.
        """
        parsed = parse_pointer(report, absolute=self.absolute)
        if self.absolute:
            position = coordinate(parsed.x), coordinate(parsed.y)
            if afresh or position != self.position:
                yield Step(encode(Command.MOVE, struct.pack(">hh", *position)))
                self.position = position
        elif parsed.x or parsed.y:
            yield Step(encode(Command.MOVE_BY, struct.pack("bb", parsed.x, parsed.y)), repeatable=False)
        changed = 0x1F if afresh else self.buttons ^ parsed.buttons
        if changed & 0x1F:
            yield Step(encode(Command.BUTTONS, _button_bytes(changed, parsed.buttons)))
            self.buttons = parsed.buttons
        if parsed.wheel_x or parsed.wheel_y:
            wheel = struct.pack("bb", parsed.wheel_x, parsed.wheel_y)
            yield Step(encode(Command.WHEEL, wheel), repeatable=False)


def check_keyboard(report: bytes) -> None:
    """Raise ValueError unless `KeySteps.to` can take *report*."""
    keys_of(report)


def check_pointer(report: bytes, *, absolute: bool) -> None:
    """Raise ValueError unless `PointerSteps.to` can take *report*."""
    parsed = parse_pointer(report, absolute=absolute)
    if absolute:
        coordinate(parsed.x)
        coordinate(parsed.y)


def coordinate(value: int) -> int:
    """Return a report's 0..32767 as the protocol's -32768..32767, so that halving it gives the same again.

    Raises ValueError beyond 32767: doubled coordinates are for the gadget, this chip has its own Windows 98
    output.
    """
    if not 0 <= value <= 0x7FFF:
        raise ValueError(f"expected a coordinate of 0 to 32767, got {value}")
    return -(-value * 0xFFFF // 0x7FFF) - 0x8000


def _button_bytes(selected: int, held: int) -> bytes:
    arguments = bytearray(2)
    for bit, index, select, state in _BUTTON_BITS:
        if selected & bit:
            arguments[index] |= select | (state if held & bit else 0)
    return bytes(arguments)
