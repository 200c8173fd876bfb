"""The host's end of the agent's port: requests out, answers to whom they belong, every wait with a deadline.

One thread reads; a request's answers wait in a queue of its own. When the connection ends, whoever waits
learns that the guest is dead.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rig import protocol
from rig.errors import GuestDiedError, GuestTimeoutError, RigError
from rig.protocol import Decoder, Message, Output, ProtocolError

_READ_BYTES = 1 << 18
# A request is a few kilobytes into a socket's buffer; a guest that takes none of it for this long hangs.
_SEND_DEADLINE_S = 60
# What a command printed and nobody has read yet: a test's output is kilobytes, an appliance's log that is
# left alone for hours is this much. Beyond it the oldest goes.
MAX_PENDING_CHARS = 16 << 20


class Obituary(Protocol):
    """Adds to a sentence what the machine's console says."""

    def __call__(self, what: str, *, ended: bool = False) -> str:
        """*ended* says that the connection did, so that QEMU's own end is close."""
        ...


class Exchange:
    """The answers to one request."""

    def __init__(self, number: int, obituary: Obituary) -> None:
        self.id = number
        self._obituary = obituary
        self._changed = threading.Condition()
        self._answers: deque[Message] = deque()
        self._pending_chars = 0
        self._ended = False

    @property
    def waiting(self) -> bool:
        """Whether `next` would return, or raise, at once."""
        with self._changed:
            return bool(self._answers) or self._ended

    def put(self, message: Message) -> None:
        """Called by the reading thread, which serves everybody and so never waits here."""
        with self._changed:
            self._answers.append(message)
            if isinstance(message, Output):
                self._pending_chars += len(message.text)
                while self._pending_chars > MAX_PENDING_CHARS:
                    self._drop_oldest_output()
            self._changed.notify()

    def end(self) -> None:
        """Called by the reading thread: nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def next(self, deadline: float, what: str) -> Message:
        """The next answer, before *deadline* on the monotonic clock."""
        with self._changed:
            left_s = max(0.0, deadline - time.monotonic())
            if not self._changed.wait_for(lambda: self._answers or self._ended, left_s):
                raise GuestTimeoutError(self._obituary(f"expected the guest to answer in time: {what}"))
            if not self._answers:
                raise GuestDiedError(self._obituary(f"expected the guest to answer: {what}", ended=True))
            message = self._answers.popleft()
            if isinstance(message, Output):
                self._pending_chars -= len(message.text)
            return message

    def _drop_oldest_output(self) -> None:
        for index, message in enumerate(self._answers):
            if isinstance(message, Output):
                self._pending_chars -= len(message.text)
                del self._answers[index]
                return


class Channel:
    """A connection to the agent."""

    def __init__(self, path: Path, obituary: Obituary) -> None:
        self._obituary = obituary
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        # Apart, since the reading thread must go on while a sender waits for the guest to take something.
        self._sending = threading.Lock()
        self._open: dict[int, Exchange] = {}
        self._ended = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_SEND_DEADLINE_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise GuestDiedError(obituary(f"expected QEMU to accept a connection, got {error}")) from error
        self._thread = threading.Thread(target=self._read, name="rig-channel", daemon=True)
        self._thread.start()

    def begin(self, request: Callable[[int], Message]) -> Exchange:
        """Send what *request* makes of a fresh id; the exchange is to be given to `end`."""
        with self._lock:
            exchange = Exchange(next(self._ids), self._obituary)
            if self._ended:
                exchange.end()
            self._open[exchange.id] = exchange
        self.send(request(exchange.id))
        return exchange

    def send(self, message: Message) -> None:
        """Send a message that belongs to an exchange which is open, or that is not answered."""
        data = protocol.encode(message)
        try:
            with self._sending:
                self._socket.sendall(data)
        except TimeoutError:
            raise GuestTimeoutError(self._obituary("expected the guest to take a request")) from None
        except OSError as error:
            raise GuestDiedError(
                self._obituary(f"expected the guest to take a request, got {error}", ended=True)
            ) from error

    def end(self, exchange: Exchange) -> None:
        """Forget the exchange: what still comes for it is dropped."""
        with self._lock:
            self._open.pop(exchange.id, None)

    def close(self) -> None:
        """End the connection; whoever waits learns of it."""
        with contextlib.suppress(OSError):  # it may have ended already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_SEND_DEADLINE_S)
        if self._thread.is_alive():
            raise RigError("expected the reader of the rig's channel to end")
        self._socket.close()

    def _read(self) -> None:
        decoder = Decoder()
        try:
            while True:
                try:
                    data = self._socket.recv(_READ_BYTES)
                except TimeoutError:
                    # The time limit is for sending; a guest may have nothing to say for as long as it likes.
                    continue
                if not data:
                    return
                for message in decoder.feed(data):
                    with self._lock:
                        exchange = self._open.get(message.id)
                    if exchange is not None:
                        exchange.put(message)
        except (OSError, ProtocolError):
            # The connection is of no more use; those who wait say so, with the console's words.
            return
        finally:
            with self._lock:
                self._ended = True
                waiting = list(self._open.values())
            for exchange in waiting:
                exchange.end()
