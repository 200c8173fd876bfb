"""A microcontroller HID in software, written from its protocol and independent of the driver's codec.

It keeps what a host would have seen: `keyboards` are the sets of HID usages held down after each key event,
`mouse` the mouse events.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# The keys' numbers as runs: first number, last number, HID usage of the first.
KEY_RUNS = (
    (1, 46, 4),
    (47, 66, 51),
    (67, 76, 73),
    (77, 84, 224),
    (85, 85, 72),
    (86, 86, 71),
    (87, 87, 83),
    (88, 88, 101),
    (89, 104, 84),
    (105, 105, 102),
    (106, 106, 100),
    (107, 107, 137),
    (108, 109, 135),
    (110, 111, 138),
    (112, 114, 127),
    (115, 119, 111),
    (120, 126, 104),
)

USB_KEYBOARD, PS2_KEYBOARD = 1, 3
ABSOLUTE, RELATIVE, PS2_MOUSE, WIN98 = 0x08, 0x10, 0x18, 0x20


def usage_of(number: int) -> int:
    """Return the HID usage of a key number, 0 if there is no such key."""
    for first, last, usage in KEY_RUNS:
        if first <= number <= last:
            return usage + number - first
    return 0


def modbus_crc(data: bytes) -> bytes:
    """The CRC, high byte first, by long division of the bits in the order in which a line sends them."""
    bits = [byte >> index & 1 for byte in data for index in range(8)]
    register = [1] * 16  # Highest power first.
    for bit in bits:
        feedback = bit ^ register[0]
        register = [*register[1:], 0]
        # x^16 + x^15 + x^2 + 1
        for power in (15, 2, 0):
            register[15 - power] ^= feedback
    # Reflected: the highest power is the lowest bit.
    return sum(bit << index for index, bit in enumerate(register)).to_bytes(2, "big")


@dataclass
class McuChip:
    """The microcontroller.

    *dynamic* firmwares can switch outputs, after which they need a reset, or restart by themselves
    (*self_restarting*) and are mute for *restart_s*. *legacy* ones answer with 4 bytes.
    """

    dynamic: bool = True
    self_restarting: bool = False
    restart_s: float = 0.1
    legacy: bool = False
    connectable: bool = True
    connected: bool = True
    keyboard_online: bool = True
    mouse_online: bool = True
    leds: str = ""
    """The LEDs that are on: letters of N(um), C(aps), S(croll)."""
    keyboard_output: int = USB_KEYBOARD
    mouse_output: int = ABSOLUTE
    held: set[int] = field(default_factory=set)
    keyboards: list[frozenset[int]] = field(default_factory=list)
    mouse: list[tuple[object, ...]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    clears: int = 0
    restarts: int = 0
    _stored: dict[str, int] = field(default_factory=dict)
    _last: int = 0x24
    _mute_until: float = -math.inf
    _request: bytearray = field(default_factory=bytearray)

    @property
    def stale_after_s(self) -> float:
        """As the firmwares: 0.1 s from one byte of a request to the next."""
        return 0.1 if self._request else math.inf

    @property
    def reset_required(self) -> bool:
        """Whether outputs are stored that are not active yet."""
        return bool(self._stored)

    def restart(self) -> None:
        """Start anew, as after a reset."""
        self.restarts += 1
        self.keyboard_output = self._stored.get("keyboard", self.keyboard_output)
        self.mouse_output = self._stored.get("mouse", self.mouse_output)
        self._stored.clear()
        self.held.clear()
        self._last = 0x24
        self._request.clear()

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes in at the time *now* and return the answers."""
        if now < self._mute_until:
            return []
        if self.reset_required and self.self_restarting:
            self.restart()
        answers = []
        for byte in data:
            self._request.append(byte)
            if len(self._request) == 8:
                request = bytes(self._request)
                self._request.clear()
                answers.append(self._answer(self._handle(request)))
                if self.reset_required and self.self_restarting:
                    self._mute_until = now + self.restart_s
        return answers

    def expire(self) -> list[bytes]:
        """Half a request, and no more comes."""
        self._request.clear()
        self._last = 0x48
        return [self._answer(0x48)]

    def _handle(self, request: bytes) -> int:
        if request[0] != 0x33 or modbus_crc(request[:6]) != request[6:]:
            self._last = 0x40
        elif request[1] != 0x02:
            self.requests.append(request[1])
            self._last = 0x80 if self._carry_out(request[1], request[2:6]) else 0x45
        return self._last

    def _carry_out(self, command: int, arguments: bytes) -> bool:
        a, b, c, d = arguments
        match command:
            case 0x01:
                pass
            case 0x03 if self.dynamic:
                self._stored["keyboard"] = a & 0x07
            case 0x04 if self.dynamic:
                self._stored["mouse"] = a & 0x38
            case 0x05 if self.connectable:
                self.connected = a != 0
            case 0x10:
                self.clears += 1
                self.held.clear()
            case 0x11:
                self._key(usage_of(a), down=b != 0)
            case 0x12:
                self._pointer("move", _signed(a << 8 | b, 16), _signed(c << 8 | d, 16))
            case 0x13:
                self._buttons(a, b)
            case 0x14:
                self._pointer("wheel", _signed(a, 8), _signed(b, 8))
            case 0x15:
                self._pointer("by", _signed(a, 8), _signed(b, 8))
            case _:
                return False
        return True

    def _key(self, usage: int, *, down: bool) -> None:
        if usage:
            (self.held.add if down else self.held.discard)(usage)
            if self.keyboard_online:
                self.keyboards.append(frozenset(self.held))

    def _pointer(self, *event: object) -> None:
        kind = "move" if self.mouse_output in (ABSOLUTE, WIN98) else "by"
        if self.mouse_online and event[0] in ("wheel", "button", kind):
            self.mouse.append(event)

    def _buttons(self, main: int, extra: int) -> None:
        for byte, select, state, name in (
            (main, 0x80, 0x08, "left"),
            (main, 0x40, 0x04, "right"),
            (main, 0x20, 0x02, "middle"),
            (extra, 0x80, 0x08, "up"),
            (extra, 0x40, 0x04, "down"),
        ):
            if byte & select:
                self._pointer("button", name, bool(byte & state))

    def _answer(self, code: int) -> bytes:
        outputs1 = outputs2 = 0
        if code & 0x80:
            code |= ("C" in self.leds) * 1 | ("S" in self.leds) * 2 | ("N" in self.leds) * 4
            code |= (not self.keyboard_online) * 8 | (not self.mouse_online) * 16 | self.reset_required * 64
            outputs1 = self.dynamic * 0x80 | self.keyboard_output | self.mouse_output
            outputs2 = self.connectable * 0x80 | self.connected * 0x40 | 0x07
        if self.legacy:
            body = bytes((0x33, code if self.requests[-1:] in ([0x01], []) or not code & 0x80 else 0x20))
        else:
            body = bytes((0x34, code, outputs1, outputs2, 0, 0))
        return body + modbus_crc(body)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value
