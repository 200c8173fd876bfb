"""The JSON dialect of the control socket (contract websocket.md 1.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

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
from firmware.core.errors import ValidatorError
from firmware.core.validators import valid_bool, valid_coord, valid_delta, valid_key_name, valid_mouse_button


def encode(event_type: str, event: object) -> str:
    """Return the text message of one event; keys are sorted so that equal events are equal texts."""
    return msgspec.json.encode({"event_type": event_type, "event": event}, order="sorted").decode()


def decode_envelope(text: str) -> tuple[str, Mapping[str, object]]:
    """Return the event's type and members. Raises BadMessageError for everything that is to be ignored."""
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadMessageError(f"not JSON: {exc}") from None
    if not isinstance(message, dict):
        raise BadMessageError(f"expected an object, got {type(message).__name__}")
    event_type, event = message.get("event_type"), message.get("event")
    if not isinstance(event_type, str) or not isinstance(event, dict):
        raise BadMessageError("expected event_type as a string and event as an object")
    return event_type, event


def decode(text: str) -> Input:
    """Return what *text* says. Raises BadMessageError for everything that is to be ignored."""
    event_type, event = decode_envelope(text)
    decoder = _DECODERS.get(event_type)
    if decoder is None:
        raise BadMessageError(f"unknown event_type {event_type[:32]!r}")
    try:
        return decoder(event)
    except ValidatorError as exc:
        raise BadMessageError(f"{event_type}: {exc}") from None


def _key(event: Mapping[str, object]) -> KeyInput:
    finish = event.get("finish")
    return KeyInput(
        key=valid_key_name(event.get("key")),
        state=valid_bool(event.get("state")),
        finish=False if finish is None else valid_bool(finish, "finish"),
    )


def _button(event: Mapping[str, object]) -> ButtonInput:
    return ButtonInput(valid_mouse_button(event.get("button")), valid_bool(event.get("state")))


def _move(event: Mapping[str, object]) -> MoveInput:
    to = _member(event, "to")
    return MoveInput(valid_coord(to.get("x"), "to.x"), valid_coord(to.get("y"), "to.y"))


def _deltas(event: Mapping[str, object]) -> tuple[list[tuple[int, int]], bool]:
    squash = event.get("squash")
    raw = event.get("delta")
    items = raw if isinstance(raw, list) else [_member(event, "delta")]
    deltas = [_delta(item) for item in items]
    return deltas, False if squash is None else valid_bool(squash, "squash")


def _delta(item: object) -> tuple[int, int]:
    if not isinstance(item, dict):
        raise ValidatorError(f"expected an object with x and y, got {type(item).__name__} - at delta")
    return valid_delta(item.get("x"), "delta.x"), valid_delta(item.get("y"), "delta.y")


def _relative(event: Mapping[str, object]) -> RelativeInput:
    return RelativeInput(*_deltas(event))


def _wheel(event: Mapping[str, object]) -> WheelInput:
    return WheelInput(*_deltas(event))


def _ping(_event: Mapping[str, object]) -> Ping:
    return Ping()


def _member(event: Mapping[str, object], name: str) -> Mapping[str, object]:
    member = event.get(name)
    if not isinstance(member, dict):
        raise ValidatorError(f"expected an object, got {type(member).__name__} - at {name}")
    return member


_DECODERS: Mapping[str, Callable[[Mapping[str, object]], Input]] = {
    "ping": _ping,
    "key": _key,
    "mouse_button": _button,
    "mouse_move": _move,
    "mouse_relative": _relative,
    "mouse_wheel": _wheel,
}
