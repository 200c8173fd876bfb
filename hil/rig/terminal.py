"""A person's terminal as the terminal of a shell in the guest, until the shell ends or Ctrl-] is pressed."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import termios
import time
import tty
from collections.abc import Callable
from types import FrameType

from rig import protocol
from rig.errors import GuestDiedError, RigError
from rig.rig import Rig

ESCAPE = b"\x1d"
"""Ctrl-], as telnet has it."""
# The shell hangs up at once when it is left.
_END_DEADLINE_S = 60
_READ_BYTES = 65536
# How soon the end of the shell is seen, which comes by the other port.
_LOOK_MS = 200


def interact(rig: Rig) -> int:
    """Give the terminal of standard input to a shell in the guest; its exit status."""
    terminal = sys.stdin.fileno()
    if not os.isatty(terminal):
        raise RigError("expected a terminal as standard input, got none: use `python -m rig exec -- COMMAND`")
    size = os.get_terminal_size(terminal)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(rig.machine.wait_for_socket("hil-shell")))
    exchange = rig.channel.begin(
        lambda number: protocol.Shell(number, size.lines, size.columns, os.environ.get("TERM", "linux"))
    )

    def resized(_number: int, _frame: FrameType | None) -> None:
        now = os.get_terminal_size(terminal)
        rig.channel.send(protocol.Resize(exchange.id, now.lines, now.columns))

    saved = termios.tcgetattr(terminal)
    before = signal.signal(signal.SIGWINCH, resized)
    try:
        tty.setraw(terminal)
        left = _carry(terminal, connection, lambda: exchange.waiting)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, saved)
        signal.signal(signal.SIGWINCH, before)
        connection.close()
    print("\r", flush=True)
    try:
        answer = exchange.next(time.monotonic() + _END_DEADLINE_S, "the end of the shell")
    except GuestDiedError:
        if left:
            return 0
        raise
    finally:
        rig.channel.end(exchange)
    if isinstance(answer, protocol.Failed):
        raise RigError(f"the guest could not start a shell: {answer.message}")
    return 0 if left or not isinstance(answer, protocol.Exited) else answer.status & 255


def _carry(terminal: int, connection: socket.socket, ended: Callable[[], bool]) -> bool:
    """Carry bytes both ways; True if the person left, False if the shell ended."""
    poll = select.poll()
    poll.register(terminal, select.POLLIN)
    poll.register(connection, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(_LOOK_MS)}
        if connection.fileno() in ready:
            data = connection.recv(_READ_BYTES)
            if not data:
                return False
            _write_all(data)
        elif ended():
            return False
        if terminal in ready:
            typed = os.read(terminal, _READ_BYTES)
            kept, escape, _ = typed.partition(ESCAPE)
            connection.sendall(kept)
            if escape or not typed:
                return True


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]
