"""Simple KVM switches at the far end of a serial line or socket, as their documents and captures tell.

Each plays one switch: its present port, what it does with commands, and what it says. They are sans-I/O, for
`serial_line.play` and `tcp_device.TcpDevice`, and share no code with the drivers. Ports count from 0.
"""

from __future__ import annotations

import math
import re


class KvmSwitch:
    """What all of them have: a port, and a fault script."""

    stale_after_s = math.inf

    def __init__(self, *, port: int = 0, ports: int = 4) -> None:
        self.port = port
        self.ports = ports
        self.stuck = False
        """Takes commands and stays where it is."""
        self.selections: list[int] = []
        """Every selection that was asked for, in order."""
        self._rest = b""

    def press(self, port: int) -> bytes:
        """Somebody presses a button; return what the switch says of it."""
        self.port = port
        return b""

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes and return the replies."""
        del now
        self._rest += data
        replies: list[bytes] = []
        while (command := self._next()) is not None:
            replies += [self._do(command)]
        return [reply for reply in replies if reply]

    def expire(self) -> list[bytes]:
        """Nothing is ever stale."""
        return []

    def _next(self) -> bytes | None:
        raise NotImplementedError

    def _do(self, command: bytes) -> bytes:
        raise NotImplementedError

    def _select(self, port: int) -> bool:
        """Return whether it is at *port* now."""
        self.selections.append(port)
        if not self.stuck and 0 <= port < self.ports:
            self.port = port
        return self.port == port

    def _cut(self, pattern: bytes) -> bytes | None:
        """Take the next command that matches; what is before it is noise to the switch."""
        found = re.search(pattern, self._rest, re.DOTALL)
        if not found:
            return None
        self._rest = self._rest[found.end() :]
        return found[0]


class TesmartSwitch(KvmSwitch):
    """TESmart; *tail* is the last byte of reports, None for 16 (hexadecimal) plus the port."""

    def __init__(self, *, port: int = 0, ports: int = 16, tail: int | None = None) -> None:
        super().__init__(port=port, ports=ports)
        self.tail = tail

    def report(self) -> bytes:
        """What it says of its port."""
        tail = 0x16 + self.port if self.tail is None else self.tail
        return bytes((0xAA, 0xBB, 0x03, 0x11, self.port, tail))

    def press(self, port: int) -> bytes:
        super().press(port)
        return self.report()

    def _next(self) -> bytes | None:
        return self._cut(rb"\xaa\xbb\x03..\xee")

    def _do(self, command: bytes) -> bytes:
        if command[3] == 0x01:
            self._select(command[4] - 1)
        return self.report() if command[3] == 0x10 else b""


class EzcooSwitch(KvmSwitch):
    """ezCoo; if *deaf*, it hears every second command only."""

    def __init__(self, *, port: int = 0, protocol: int = 1, deaf: bool = True) -> None:
        super().__init__(port=port)
        self._deaf = deaf
        self._verbs = {1: (b"SET", b"GET"), 2: (b"EZS", b"EZG")}[protocol]
        self._heard = False

    def _next(self) -> bytes | None:
        return self._cut(rb"[^\n]*\n")

    def _do(self, command: bytes) -> bytes:
        self._heard = not self._heard
        if self._heard and self._deaf:
            return b""
        set_verb, get_verb = self._verbs
        if found := re.fullmatch(set_verb + rb" OUT1 VS IN([1-4])\s*", command):
            self._select(int(found[1]) - 1)
            return b""
        if command.strip() == get_verb + b" OUT1 VS":
            return b"OUT1 VS IN%d\r\n" % (self.port + 1)
        return b"CMD ERR\r\n"


class Hk4401Switch(KvmSwitch):
    """XH-HK4401: says its port over and over."""

    stale_after_s = 0.05

    def expire(self) -> list[bytes]:
        return [b"G0%dgA" % (self.port + 1)]

    def press(self, port: int) -> bytes:
        super().press(port)
        return b"AG0%dgA" % (port + 1)

    def _next(self) -> bytes | None:
        return self._cut(rb"SW[1-4]\r\nAG0[1-4]gA")

    def _do(self, command: bytes) -> bytes:
        self._select(int(command[2:3]) - 1)
        return b"AG0%dgA" % (self.port + 1)


class PwaySwitch(KvmSwitch):
    """PWAY: a console that echoes, and says when it switches."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port, ports=16)

    def press(self, port: int) -> bytes:
        super().press(port)
        return b"\r\nVGA_SWITCH_CONTROL=%d\r\n->state:1, set led%d  0x8. \r\n" % (port, port)

    def _next(self) -> bytes | None:
        return self._cut(rb"[^\n]*\n")

    def _do(self, command: bytes) -> bytes:
        before = self.port
        if found := re.fullmatch(rb"PS (\d+)\r\n", command):
            self._select(int(found[1]) - 1)
        return b"> " + command + (self.press(self.port) if self.port != before else b"")


class ExtronSwitch(KvmSwitch):
    """Extron SW4 USB."""

    def press(self, port: int) -> bytes:
        super().press(port)
        return b"Chn%d\r\n" % (port + 1)

    def _next(self) -> bytes | None:
        return self._cut(rb"\d+[!^]|[A-Z]")

    def _do(self, command: bytes) -> bytes:
        if command == b"I":
            return b"Chn%d \xb7 InACT1010 \xb7 OutACT1000 \xb7 Emul11\r\n" % (self.port + 1)
        if command.endswith(b"!"):
            asked = int(command[:-1]) - 1
            return b"Chn%d\r\n" % (self.port + 1) if self._select(asked) or self.stuck else b"E01\r\n"
        return b"E10\r\n"
