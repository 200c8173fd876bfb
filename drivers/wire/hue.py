"""Codec of the Philips Hue bridge's CLIP API v1: the lights' states, and what became of a change.

Source: the "Hue Configuration and Lights API" of developers.meethue.com. `GET /api/<token>/lights` answers an
object of lights by id, `PUT /api/<token>/lights/<id>/state` a list of successes and errors; both answer with
status 200 and a list of errors when something is wrong. It never decides what to do about an error.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec


class HueErrorType(enum.IntEnum):
    """Those that mean something to us."""

    UNAUTHORIZED = 1
    NOT_AVAILABLE = 3


class HueError(ValueError):
    """The bridge says that something is wrong."""

    def __init__(self, number: int, description: str) -> None:
        super().__init__(f"{description} (error {number})")
        self.number = number


class _State(msgspec.Struct):
    on: bool
    reachable: bool = True


class _Light(msgspec.Struct):
    state: _State


class _Error(msgspec.Struct):
    type: int
    description: str = ""


class _Outcome(msgspec.Struct):
    error: _Error | None = None
    success: Any = None


_LIGHTS = msgspec.json.Decoder(Mapping[str, _Light] | list[_Outcome])
_OUTCOMES = msgspec.json.Decoder(list[_Outcome])


def lights(answer: bytes) -> dict[str, bool]:
    """Return which lights are on, by id; one without power is off. Raises HueError, ValueError."""
    answered = _LIGHTS.decode(answer)
    if not isinstance(answered, list):
        return {key: light.state.on and light.state.reachable for key, light in answered.items()}
    _check(answered)
    raise ValueError("expected an object of lights, got a list without an error")


def switch(level: bool) -> bytes:
    """Return the body that switches a light."""
    return msgspec.json.encode({"on": level})


def check_switched(answer: bytes) -> None:
    """Raise HueError if the bridge did not take the change, ValueError if it said something else."""
    outcomes = _OUTCOMES.decode(answer)
    _check(outcomes)
    if not any(outcome.success is not None for outcome in outcomes):
        raise ValueError("expected a success or an error, got neither")


def _check(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error is not None:
            raise HueError(outcome.error.type, outcome.error.description)
