"""The binary dialect of the control socket (contract websocket.md 1.6); numbers are big-endian."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from api.ws.wire.input_events import (
    BadMessageError,
    ButtonInput,
    Input,
    KeyInput,
    MoveInput,
    Ping,
    RelativeInput,
    WheelInput,
)
from drivers.wire.hid_report import DELTA_MAX, DELTA_MIN, clamp
from drivers.wire.hid_usages import KEYS_BY_LINUX_CODE, MOUSE_BUTTONS_BY_LINUX_CODE, Key, MouseButton
from firmware.core.errors import ValidatorError
from firmware.core.validators import valid_key_name, valid_mouse_button

PONG = b"\xff"

_PING, _KEY, _BUTTON, _MOVE, _RELATIVE, _WHEEL = range(6)
_FLAG_STATE, _FLAG_FINISH, _FLAG_CODE = 0x01, 0x02, 0x80
_FLAG_SQUASH = 0x01
_LONGEST_NAME = 32


def decode(message: bytes) -> Input:
    """Return what *message* says. Raises BadMessageError for everything that is to be ignored."""
    if not message:
        raise BadMessageError("empty binary message")
    operation, payload = message[0], message[1:]
    if operation == _PING:
        return Ping()
    if operation == _KEY:
        flags, name = _named(payload, KEYS_BY_LINUX_CODE)
        return KeyInput(_valid(valid_key_name, name), bool(flags & _FLAG_STATE), bool(flags & _FLAG_FINISH))
    if operation == _BUTTON:
        flags, name = _named(payload, MOUSE_BUTTONS_BY_LINUX_CODE)
        return ButtonInput(_valid(valid_mouse_button, name), bool(flags & _FLAG_STATE))
    if operation == _MOVE:
        if len(payload) != 4:
            raise BadMessageError(f"expected 4 bytes of coordinates, got {len(payload)}")
        return MoveInput(*struct.unpack(">hh", payload))
    if operation == _RELATIVE:
        return RelativeInput(*_deltas(payload))
    if operation == _WHEEL:
        return WheelInput(*_deltas(payload))
    raise BadMessageError(f"unknown operation 0x{operation:02x}")


def _valid(validator: Callable[[object], str], name: str) -> str:
    try:
        return validator(name)
    except ValidatorError as exc:
        raise BadMessageError(str(exc)) from None


def _named(payload: bytes, by_code: Mapping[int, Key] | Mapping[int, MouseButton]) -> tuple[int, str]:
    """Return the flags and the name, which may be given as a Linux input event code."""
    if not payload:
        raise BadMessageError("expected flags, got nothing")
    flags, rest = payload[0], payload[1:]
    if not flags & _FLAG_CODE:
        if len(rest) > _LONGEST_NAME or not rest.isascii():
            raise BadMessageError(f"expected an ASCII name of at most {_LONGEST_NAME} bytes")
        return flags, rest.decode("ascii")
    if len(rest) != 2:
        raise BadMessageError(f"expected a code of 2 bytes, got {len(rest)}")
    (code,) = struct.unpack(">H", rest)
    entry = by_code.get(code)
    if entry is None:
        raise BadMessageError(f"unknown input event code {code}")
    return flags, entry.name


def _deltas(payload: bytes) -> tuple[list[tuple[int, int]], bool]:
    if len(payload) < 1 or len(payload) % 2 == 0:
        raise BadMessageError(f"expected flags and pairs of deltas, got {len(payload)} bytes")
    values = [
        clamp(value, DELTA_MIN, DELTA_MAX) for value in struct.unpack(f">{len(payload) - 1}b", payload[1:])
    ]
    return list(zip(values[::2], values[1::2], strict=True)), bool(payload[0] & _FLAG_SQUASH)
