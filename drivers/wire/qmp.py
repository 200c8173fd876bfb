"""QMP, QEMU's control protocol: one JSON object a line, bytes in, messages out.

Responsible for cutting the stream into messages, for telling greeting, answers and events apart and for
writing commands. It must never do I/O, wait, or know what any command means. Source: QEMU's QMP protocol
specification (docs/interop/qmp-spec).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from drivers.errors import BadReplyError

type Json = str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None

# The largest answer we ask for is query-blockstats, some tens of KiB for many drives; query-qmp-schema,
# the largest QEMU has, is 200 KiB. What is beyond this is no QMP.
MAX_MESSAGE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class QmpGreeting:
    """What QEMU says first; *version* is (major, minor, micro)."""

    version: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class QmpAnswer:
    """The result of the command with this id; an untyped JSON value."""

    command_id: int
    value: object


@dataclass(frozen=True, slots=True)
class QmpFailure:
    """The refusal of the command with this id (None if QEMU could not even read the id)."""

    command_id: int | None
    error_class: str
    description: str


@dataclass(frozen=True, slots=True)
class QmpEvent:
    """Something that happened in QEMU, such as SHUTDOWN."""

    name: str
    data: Mapping[str, object]


type QmpMessage = QmpGreeting | QmpAnswer | QmpFailure | QmpEvent


def encode_command(name: str, arguments: Mapping[str, Json] | None, command_id: int) -> bytes:
    """Return the line that asks for *name*."""
    command: dict[str, Json] = {"execute": name, "id": command_id}
    if arguments:
        command["arguments"] = arguments
    return msgspec.json.encode(command) + b"\n"


class QmpDecoder:
    """Cuts bytes into messages; the stream may be split anywhere."""

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._line = bytearray()

    def receive(self, data: bytes) -> list[QmpMessage]:
        """Take *data* and return the messages that are complete now.

        Raises BadReplyError if a line is no QMP message or longer than the limit.
        """
        messages: list[QmpMessage] = []
        # Each piece is looked at once: the unfinished line is never searched again.
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._append(end)
            line, self._line = self._line, bytearray()
            if line.strip():
                messages.append(_message(bytes(line)))
        self._append(rest)
        return messages

    def _append(self, piece: bytes) -> None:
        if len(self._line) + len(piece) > self._max_message_bytes:
            raise BadReplyError(
                f"expected a QMP message of at most {self._max_message_bytes} bytes, got a longer one"
            )
        self._line += piece


def _message(line: bytes) -> QmpMessage:
    try:
        fields = msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadReplyError(f"expected a JSON object from QEMU, got {_excerpt(line)}: {exc}") from exc
    match fields:
        case {"QMP": {"version": {"qemu": {"major": int(major), "minor": int(minor), "micro": int(micro)}}}}:
            return QmpGreeting((major, minor, micro))
        case {"event": str(name)}:
            data = fields.get("data", {})
            if isinstance(data, dict):
                return QmpEvent(name, data)
        case {"error": {"class": str(error_class), "desc": str(description)}}:
            command_id = fields.get("id")
            return QmpFailure(command_id if isinstance(command_id, int) else None, error_class, description)
        case {"return": value, "id": int(command_id)}:
            return QmpAnswer(command_id, value)
        case _:
            pass
    raise BadReplyError(f"expected a QMP greeting, answer, error or event, got {_excerpt(line)}")


def _excerpt(line: bytes) -> str:
    return repr(line[:80]) + ("..." if len(line) > 80 else "")
