"""What the host and the guest's agent say to each other: one message a line, JSON. Bytes in, messages out.

It runs on both sides, so it knows only the standard library, and little of that: each import costs the
guest's slow processor. It never does I/O. Output of commands is text in which bytes that are no UTF-8 are
surrogate escapes (PEP 383), so that nothing is lost; a character in two pieces is kept until it is whole.
"""

from __future__ import annotations

import base64
import codecs
import json
from typing import Any, NamedTuple

MAX_LINE_BYTES = 1 << 20
"""A longer line is a broken peer. Files travel in chunks far below it."""
CHUNK_BYTES = 192 * 1024
"""Bytes of a file in one message: base64 makes 256 KiB of it."""


class ProtocolError(ValueError):
    """The peer sent something that is no message."""


# --- asked by the host; `id` is the host's and comes back in every answer -----------------------------------


class Hello(NamedTuple):
    """Are you there? Answered by `Ready`."""

    id: int


class Run(NamedTuple):
    """Start a command. Answered by any number of `Output`, then `Exited`; or by `Failed`, if it cannot."""

    id: int
    argv: list[str]
    environment: dict[str, str]
    directory: str
    timeout_s: float


class Signal(NamedTuple):
    """Send a signal to the process group of the command of that id. Not answered."""

    id: int
    number: int


class Put(NamedTuple):
    """Write a chunk of a file; the first has offset 0 and truncates. The last one is answered by `Done`."""

    id: int
    path: str
    offset: int
    data: bytes
    mode: int
    last: bool


class Get(NamedTuple):
    """Read a file. Answered by `Data` until one is the last."""

    id: int
    path: str


class Settle(NamedTuple):
    """The machine was restored or has booted: set the clock, stir the random numbers, mount the tree."""

    id: int
    unix_s: float
    entropy: bytes


class Shell(NamedTuple):
    """Start a shell on a terminal behind the second port. Answered by `Exited`."""

    id: int
    rows: int
    columns: int
    term: str


class Resize(NamedTuple):
    """The person's terminal has another size now. Not answered."""

    id: int
    rows: int
    columns: int


class PowerOff(NamedTuple):
    """End the machine. Answered by its end."""

    id: int


# --- answered by the guest ----------------------------------------------------------------------------------


class Ready(NamedTuple):
    """The agent is up."""

    id: int
    uptime_s: float
    kernel: str
    python: str


class Output(NamedTuple):
    """What a command printed, standard output and error as one."""

    id: int
    text: str


class Exited(NamedTuple):
    """A command ended; *status* is negative for a signal, as in `subprocess`."""

    id: int
    status: int
    seconds: float
    timed_out: bool


class Data(NamedTuple):
    """A chunk of a file that was asked for."""

    id: int
    data: bytes
    last: bool


class Done(NamedTuple):
    """It is done."""

    id: int


class Failed(NamedTuple):
    """It could not be done."""

    id: int
    message: str


Message = (
    Hello | Run | Signal | Put | Get | Settle | Shell | Resize | PowerOff
    | Ready | Output | Exited | Data | Done | Failed
)  # fmt: skip

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Hello,
        Run,
        Signal,
        Put,
        Get,
        Settle,
        Shell,
        Resize,
        PowerOff,
        Ready,
        Output,
        Exited,
        Data,
        Done,
        Failed,
    )
}
_BYTES_FIELDS = frozenset({"data", "entropy"})


def encode(message: Message) -> bytes:
    """One message as a line."""
    fields = message._asdict()
    for name in _BYTES_FIELDS & fields.keys():
        fields[name] = base64.b64encode(fields[name]).decode("ascii")
    line = (
        json.dumps({"kind": type(message).__name__, **fields}, separators=(",", ":")).encode("ascii") + b"\n"
    )
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"expected a message of at most {MAX_LINE_BYTES} bytes, got {len(line)}")
    return line


def decode(line: bytes) -> Message:
    """The message of one line."""
    try:
        fields = json.loads(line)
        kind = _KINDS[fields.pop("kind")]
        for name in _BYTES_FIELDS & fields.keys():
            fields[name] = base64.b64decode(fields[name], validate=True)
        message: Message = kind(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProtocolError(f"expected a message, got {line[:80]!r}: {error}") from error
    if not isinstance(message.id, int):
        raise ProtocolError(f"expected a whole number as id, got {message.id!r}")
    return message


class Decoder:
    """Collects bytes as they come and gives the messages that are whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that *data* completes; ProtocolError for a line that is none or never ends."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        if len(rest) > MAX_LINE_BYTES:
            raise ProtocolError(f"expected the end of a line within {MAX_LINE_BYTES} bytes, got {len(rest)}")
        return [decode(bytes(line)) for line in lines]


class TextDecoder:
    """Bytes of a command to text, without tearing a character that comes in two pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """The text that is whole now."""
        return self._decoder.decode(data, last)


def text_bytes(text: str) -> bytes:
    """The very bytes that a command printed."""
    return text.encode("utf-8", "surrogateescape")
