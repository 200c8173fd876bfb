"""What a client of the control socket can say, whichever dialect it speaks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ping:
    """The client wants to know whether we are alive."""


@dataclass(frozen=True, slots=True)
class KeyInput:
    """A key of the key table goes down or up."""

    key: str
    state: bool
    finish: bool = False


@dataclass(frozen=True, slots=True)
class ButtonInput:
    """A mouse button goes down or up."""

    button: str
    state: bool


@dataclass(frozen=True, slots=True)
class MoveInput:
    """The pointer goes to an absolute position, -32768..32767 on each axis."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class RelativeInput:
    """The pointer moves by deltas of -127..127."""

    deltas: list[tuple[int, int]]
    squash: bool = False


@dataclass(frozen=True, slots=True)
class WheelInput:
    """The wheel turns by deltas of -127..127; positive y scrolls up."""

    deltas: list[tuple[int, int]]
    squash: bool = False


type Input = Ping | KeyInput | ButtonInput | MoveInput | RelativeInput | WheelInput


class BadMessageError(Exception):
    """A message that is to be ignored, and why (contract websocket.md 1.7)."""
