"""The scalar validators: text, booleans, numbers, choices and lists (contract http.md 2.4, vectors.json).

Responsible for: reading one raw value, either text (query string, form, configuration) or a JSON scalar, and
saying in one sentence what was expected. Never does I/O, never keeps a value, never echoes a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Final, NoReturn, overload

from firmware.core.errors import ValidatorError

SCALAR_MAX_CHARS: Final = 16
"""How long the raw text of a number, a boolean or a short word may be."""

LIST_MAX_CHARS: Final = 4096
"""How long the raw text of a list may be."""

# An error message is for people and logs: a hostile value must not blow it up.
_SHOWN_MAX_CHARS: Final = 64
# An integer of more bits has more than SCALAR_MAX_CHARS digits; Python refuses to print very long ones.
_PRINTABLE_INT_MAX_BITS: Final = 64

_TRUE_WORDS: Final = frozenset({"1", "true", "yes"})
_FALSE_WORDS: Final = frozenset({"0", "false", "no"})
_LIST_SEPARATORS: Final = re.compile(r"[,\t ]+")


def show(raw: object) -> str:
    """Return a short, printable form of *raw* for an error message."""
    match raw:
        case None:
            return "nothing"
        case bool():
            return str(raw).lower()
        case int() if raw.bit_length() > _PRINTABLE_INT_MAX_BITS:
            return "a huge integer"
        case int() | float():
            return str(raw)
        case str() if len(raw) > _SHOWN_MAX_CHARS:
            return f"{raw[:_SHOWN_MAX_CHARS]!r}... ({len(raw)} characters)"
        case str():
            return repr(raw)
        case _:
            return f"a value of type {type(raw).__name__}"


def fail(expected: str, raw: object, name: str) -> NoReturn:
    """Raise the ValidatorError "expected X, got Y - at Z" that shows *raw*."""
    raise ValidatorError(f"expected {expected}, got {show(raw)} - at {name}")


def fail_secret(expected: str, raw: object, name: str) -> NoReturn:
    """Raise the same without showing *raw*: what is wrong about a secret is still a secret."""
    got = "nothing" if raw is None else "something else"
    raise ValidatorError(f"expected {expected}, got {got} - at {name}")


def stripped(raw: object, name: str, *, expected: str, max_chars: int | None) -> str:
    """Return text without surrounding white space.

    *max_chars* bounds the raw text, white space included (None = unbounded). Raises ValidatorError for
    anything that is not text and for text that is too long.
    """
    if not isinstance(raw, str):
        fail(expected, raw, name)
    if max_chars is not None and len(raw) > max_chars:
        fail(f"{expected} in at most {max_chars} characters", raw, name)
    return raw.strip()


def matching(pattern: re.Pattern[str], raw: object, name: str, *, expected: str, max_chars: int) -> str:
    """Return text without surrounding white space that is wholly of *pattern*; see `stripped`."""
    text = stripped(raw, name, expected=expected, max_chars=max_chars)
    if pattern.fullmatch(text) is None:
        fail(expected, raw, name)
    return text


def valid_choice(
    raw: object,
    name: str = "choice",
    *,
    allowed: Iterable[str],
    max_chars: int | None = SCALAR_MAX_CHARS,
    case_sensitive: bool = False,
) -> str:
    """Return which of the *allowed* words *raw* is.

    Unless *case_sensitive*, letter case is ignored and the word is returned as *allowed* spells it.
    """
    words = list(allowed)
    expected = f"one of {', '.join(word or repr(word) for word in words)}"
    text = stripped(raw, name, expected=expected, max_chars=max_chars)
    for word in words:
        if text == word or (not case_sensitive and text.lower() == word.lower()):
            return word
    fail(expected, raw, name)


def valid_bool(raw: object, name: str = "state") -> bool:
    """Return a boolean: `1 true yes` or `0 false no` in any case, or JSON `true false 1 0`."""
    expected = "a boolean (1 true yes, 0 false no)"
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int):
        if raw in (0, 1):
            return raw == 1
        fail(expected, raw, name)
    word = stripped(raw, name, expected=expected, max_chars=SCALAR_MAX_CHARS).lower()
    if word in _TRUE_WORDS:
        return True
    if word in _FALSE_WORDS:
        return False
    fail(expected, raw, name)


def valid_int(
    raw: object,
    name: str = "value",
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    max_chars: int = SCALAR_MAX_CHARS,
) -> int:
    """Return an integer: decimal or `0x` hexadecimal text with an optional sign, or a JSON integer.

    A fraction is refused even if it is zero (`1.0`), and so is a boolean. Out of range is an error.
    """
    expected = _range("an integer", minimum, maximum)
    value = _parse_int(raw, name, expected, max_chars)
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        fail(expected, raw, name)
    return value


def valid_clamped_int(raw: object, name: str = "value", *, minimum: int, maximum: int, max_chars: int) -> int:
    """Return an integer as `valid_int` does, but moved to the nearest bound if it is out of range."""
    return min(max(_parse_int(raw, name, "an integer", max_chars), minimum), maximum)


def valid_float(
    raw: object,
    name: str = "value",
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    max_chars: int = SCALAR_MAX_CHARS,
) -> float:
    """Return a finite number: decimal or exponent text with a decimal point, or a JSON number.

    `nan` and `inf` are refused (vectors.json `about`: a clone should), and so is a boolean.
    """
    expected = _range("a number", minimum, maximum)
    if isinstance(raw, bool):
        fail(expected, raw, name)
    if isinstance(raw, int | float):
        if isinstance(raw, int) and raw.bit_length() > _PRINTABLE_INT_MAX_BITS:
            fail(expected, raw, name)
        value = float(raw)
    else:
        text = stripped(raw, name, expected=expected, max_chars=max_chars)
        try:
            value = float(text)
        except ValueError:
            fail(expected, raw, name)
    if (
        not math.isfinite(value)
        or (minimum is not None and value < minimum)
        or (maximum is not None and value > maximum)
    ):
        fail(expected, raw, name)
    return value


@overload
def valid_list(raw: object, name: str = ..., *, max_chars: int = ...) -> list[str]: ...


@overload
def valid_list[T](
    raw: object, name: str = ..., *, item: Callable[[object, str], T], max_chars: int = ...
) -> list[T]: ...


def valid_list[T](
    raw: object,
    name: str = "list",
    *,
    item: Callable[[object, str], T] | None = None,
    max_chars: int = LIST_MAX_CHARS,
) -> list[T] | list[str]:
    """Return the items of a list: text separated by commas, spaces or tabs, or a JSON or YAML list.

    Empty items are dropped. Each remaining one goes through *item*, called with the item and *name*.
    """
    expected = "a list separated by commas or spaces"
    if isinstance(raw, list | tuple):
        words = [stripped(part, name, expected="text in the list", max_chars=max_chars) for part in raw]
    else:
        words = _LIST_SEPARATORS.split(stripped(raw, name, expected=expected, max_chars=max_chars))
    words = [word for word in words if word]
    return words if item is None else [item(word, name) for word in words]


def _parse_int(raw: object, name: str, expected: str, max_chars: int) -> int:
    if isinstance(raw, bool):
        fail(expected, raw, name)
    if isinstance(raw, int):
        if raw.bit_length() > _PRINTABLE_INT_MAX_BITS or len(str(raw)) > max_chars:
            fail(f"{expected} in at most {max_chars} characters", raw, name)
        return raw
    text = stripped(raw, name, expected=expected, max_chars=max_chars)
    is_hex = text.lstrip("+-")[:2].lower() == "0x"
    try:
        return int(text, 16 if is_hex else 10)
    except ValueError:
        fail(expected, raw, name)


def _range(kind: str, minimum: float | None, maximum: float | None) -> str:
    match minimum, maximum:
        case None, None:
            return kind
        case _, None:
            return f"{kind} >= {minimum}"
        case None, _:
            return f"{kind} <= {maximum}"
        case _:
            return f"{kind} in {minimum}..{maximum}"
