"""The kinds of scalar and list values: how each is checked, converted and printed (config.md 1, http.md 2.4).

A section annotates a field with a kind: `interval: Annotated[int, integer(minimum=1)] = 60`. The rules of
values are the validators of `firmware.core.validators`; a kind adds what only configuration has: null, text
as it was written, lists, commands, paths and permissions. It never knows which subsystem uses it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, override

from firmware.core.config.tree import Node
from firmware.core.errors import ValidatorError
from firmware.core.validators import (
    valid_bool,
    valid_coord,
    valid_float,
    valid_int,
    valid_key_name,
    valid_stream_resolution,
    valid_user,
)

TEXT_MAX_CHARS: Final = 4096
"""Longer text, paths and command items are refused (PATH_MAX, and the longest text of http.md)."""
_SHOWN_MAX_CHARS: Final = 60
_LIST_SEPARATORS: Final = re.compile(r"[,\t ]+")
_MODE: Final = re.compile(r"0o?([0-7]{1,4})")
_MODE_MAX: Final = 0o7777
# The key path of the value is in front of the message, so the validators' own name for it is cut off.
_NAME: Final = "value"


class MismatchError(Exception):
    """A value is not what its kind allows; `items` are (key path below the value, expected, node)."""

    def __init__(self, expected: str, node: Node) -> None:
        super().__init__(expected)
        self.items: list[tuple[str, str, Node]] = [("", expected, node)]

    @classmethod
    def of_list(cls, parts: list[tuple[int, MismatchError]], node: Node) -> MismatchError:
        """Combine the mismatches of a list's items, each named by its index."""
        combined = cls("a list without wrong items", node)
        combined.items = [
            (f"{index}/{below}" if below else str(index), expected, item_node)
            for index, mismatch in parts
            for below, expected, item_node in mismatch.items
        ]
        return combined


def show(node: Node) -> str:
    """Return a value for a message: text in quotes, anything else as it was written, never long."""
    match node.value:
        case dict():
            return "a section"
        case list():
            return "a list"
        case None:
            return "null"
        case str() as text:
            shown = repr(text)
        case _:
            shown = text_of(node) or ""
    return shown if len(shown) <= _SHOWN_MAX_CHARS else shown[: _SHOWN_MAX_CHARS - 3] + "..."


def text_of(node: Node) -> str | None:
    """Return a scalar as text, preferably as it was written; None for null, sections and lists."""
    match node.value:
        case None | dict() | list():
            return None
        case str() as text:
            return text
        case _ if node.text is not None:
            return node.text
        case bool() as truth:
            return str(truth).lower()
        case number:
            return str(number)


def is_empty(node: Node) -> bool:
    """Whether somebody gave the key and left its value out, or gave null or blank text."""
    return node.value is None or (isinstance(node.value, str) and not node.value.strip())


class Kind(ABC):
    """A kind of value; immutable."""

    @abstractmethod
    def parse(self, node: Node) -> Any:
        """Return the typed value of *node*. Raises MismatchError."""

    def plain(self, value: Any) -> object:
        """Return a typed value as it would stand in YAML."""
        match value:
            case None:
                return ""
            case tuple():
                return [self.plain(item) for item in value]
            case Path():
                return str(value)
            case _:
                return value


@dataclass(frozen=True, slots=True)
class Checked(Kind):
    """What a validator accepts: `validator(raw, name)` returns the value or raises ValidatorError.

    `as_text` gives it numbers as they were written, for text that may look like one. `empty` (if not None)
    is the value of null and blank text.
    """

    validator: Callable[[object, str], Any]
    as_text: bool = False
    empty: Any = None

    @override
    def parse(self, node: Node) -> Any:
        if self.empty is not None and is_empty(node):
            return self.empty
        raw = text_of(node) if self.as_text else node.value
        try:
            return self.validator(raw, _NAME)
        except ValidatorError as exc:
            expected = str(exc).removeprefix("expected ").partition(", got ")[0]
            raise MismatchError(expected if self.empty is None else f"{expected}, or empty", node) from None


@dataclass(frozen=True, slots=True)
class Switchable(Kind):
    """A number of another kind, or 0, null or nothing for "off", which becomes 0."""

    number: Checked

    @override
    def parse(self, node: Node) -> Any:
        if is_empty(node):
            return 0
        try:
            if valid_int(node.value, _NAME) == 0:
                return 0
        except ValidatorError:
            pass  # the number's own kind says what is wrong
        try:
            return self.number.parse(node)
        except MismatchError as exc:
            raise MismatchError(f"{exc}, or 0 or empty for off", node) from None


@dataclass(frozen=True, slots=True)
class Nullable(Kind):
    """A value of another kind, or null for None; blank text is not null."""

    kind: Kind

    @override
    def parse(self, node: Node) -> Any:
        if node.value is None:
            return None
        try:
            return self.kind.parse(node)
        except MismatchError as exc:
            raise MismatchError(f"{exc}, or null", node) from None

    @override
    def plain(self, value: Any) -> object:
        return None if value is None else self.kind.plain(value)


@dataclass(frozen=True, slots=True)
class HexInteger(Kind):
    """A whole number that is printed as 0x1D6B."""

    number: Checked

    @override
    def parse(self, node: Node) -> Any:
        return self.number.parse(node)

    @override
    def plain(self, value: Any) -> object:
        return HexInt(value)


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Text as it was written, not stripped; with `empty`, null and nothing are ""."""

    empty: bool = False
    max_chars: int = TEXT_MAX_CHARS

    @override
    def parse(self, node: Node) -> str:
        text = "" if self.empty and node.value is None else text_of(node)
        if text is None or not (text or self.empty):
            raise MismatchError("text" if text is None else "text that is not empty", node)
        if len(text) > self.max_chars:
            raise MismatchError(f"text of at most {self.max_chars} characters", node)
        return text


@dataclass(frozen=True, slots=True)
class Pattern(Kind):
    """Stripped text that matches a pattern as a whole; `name` says in messages what it is."""

    pattern: re.Pattern[str]
    name: str
    max_chars: int = TEXT_MAX_CHARS

    @override
    def parse(self, node: Node) -> str:
        text = (text_of(node) or "").strip()
        if len(text) > self.max_chars or self.pattern.fullmatch(text) is None:
            raise MismatchError(self.name, node)
        return text


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of a few words, in any case."""

    words: tuple[str, ...]

    @override
    def parse(self, node: Node) -> str:
        word = "" if node.value is None else text_of(node)
        if word is None or word.strip().lower() not in self.words:
            raise MismatchError("one of " + ", ".join(word or "empty" for word in self.words), node)
        return word.strip().lower()


@dataclass(frozen=True, slots=True)
class PathKind(Kind):
    """An absolute path; with `empty`, nothing or null gives None."""

    empty: bool = False

    @override
    def parse(self, node: Node) -> Path | None:
        if self.empty and is_empty(node):
            return None
        text = (text_of(node) or "").strip()
        if not text.startswith("/") or "\0" in text or len(text) > TEXT_MAX_CHARS:
            raise MismatchError("an absolute path or empty" if self.empty else "an absolute path", node)
        return Path(text)


@dataclass(frozen=True, slots=True)
class ListOf(Kind):
    """A list of one kind, or text with the items separated by comma, space or tab; gives a tuple."""

    item: Kind

    @override
    def parse(self, node: Node) -> tuple[Any, ...]:
        values: list[Any] = []
        wrong: list[tuple[int, MismatchError]] = []
        for index, item in enumerate(self._items(node)):
            try:
                values.append(self.item.parse(item))
            except MismatchError as exc:
                wrong.append((index, exc))
        if wrong:
            raise MismatchError.of_list(wrong, node)
        return tuple(values)

    def _items(self, node: Node) -> list[Node]:
        if isinstance(node.value, list):
            return node.value
        text = text_of(node)
        if text is None:
            raise MismatchError("a list, or text with commas", node)
        return [Node(part, node.position, part) for part in _LIST_SEPARATORS.split(text) if part]


@dataclass(frozen=True, slots=True)
class CommandKind(Kind):
    """A command: a list, or text with its items separated by commas; the first is an absolute path.

    `placeholder` must occur in it. With `empty`, nothing gives the empty tuple.
    """

    placeholder: str = ""
    empty: bool = False

    @override
    def parse(self, node: Node) -> tuple[str, ...]:
        if isinstance(node.value, list):
            parts = [text_of(item) for item in node.value]
        else:
            parts = [part.strip() for part in (text_of(node) or "").split(",") if part.strip()]
            if not parts and not is_empty(node):
                parts = [None]
        items = tuple(part for part in parts if part is not None)
        if self.empty and not parts:
            return ()
        if (
            len(items) != len(parts)
            or not items
            or not items[0].startswith("/")
            or any("\0" in item or len(item) > TEXT_MAX_CHARS for item in items)
            or not any(self.placeholder in item for item in items)
        ):
            rest = f" and which contains {self.placeholder}" if self.placeholder else ""
            raise MismatchError(f"a command, a list whose first item is an absolute path{rest}", node)
        return items


@dataclass(frozen=True, slots=True)
class ModeKind(Kind):
    """File permissions. YAML 1.1 reads 0660 as octal; the text "0660" and 0o660 are octal too.

    A number in a file without the leading zero is refused: 660 would not mean what it says.
    """

    @override
    def parse(self, node: Node) -> int:
        mode = -1
        match node.value:
            case bool():
                pass
            case int() as number if node.text is None:
                mode = number  # given by a board, not by a file
            case int() | str():
                match = _MODE.fullmatch((text_of(node) or "").strip())
                mode = int(match[1], 8) if match else -1
            case _:
                pass
        if not 0 <= mode <= _MODE_MAX:
            raise MismatchError("octal permissions with a leading zero such as 0660", node)
        return mode

    @override
    def plain(self, value: Any) -> object:
        return OctalInt(value)


class HexInt(int):
    """A number that is printed as 0x1D6B."""

    __slots__ = ()


class OctalInt(int):
    """A number that is printed as 0660."""

    __slots__ = ()


def integer(
    minimum: int | None = None, maximum: int | None = None, *, max_chars: int | None = None
) -> Checked:
    """Return the kind of a whole number, also as decimal or 0x text."""
    limits: dict[str, Any] = {"minimum": minimum, "maximum": maximum}
    if max_chars is not None:
        limits["max_chars"] = max_chars
    return Checked(partial(valid_int, **limits))


def number(minimum: float | None = None, maximum: float | None = None) -> Checked:
    """Return the kind of a finite number, also as text with a decimal point."""
    return Checked(partial(valid_float, minimum=minimum, maximum=maximum))


BOOLEAN: Final = Checked(valid_bool)
KEY_NAME: Final = Checked(valid_key_name, as_text=True)
OPTIONAL_KEY_NAME: Final = Checked(valid_key_name, as_text=True, empty="")
RESOLUTION: Final = Checked(valid_stream_resolution, as_text=True)
OPTIONAL_RESOLUTION: Final = Checked(valid_stream_resolution, as_text=True, empty="")
USER_NAME: Final = Checked(valid_user, as_text=True)

type Seconds = Annotated[float, number(0.0)]
"""Seconds, 0 allowed (config.md: float>=0)."""
type Interval = Annotated[float, number(0.1)]
"""Seconds, at least 0.1 (config.md: float>=0.1)."""
type Coordinate = Annotated[int, Checked(valid_coord)]
"""A position on an axis of the screen, clamped to -32768..32767."""
type Pin = Annotated[int, integer(0, max_chars=8)]
"""The offset of a line of a GPIO chip."""
type AbsolutePath = Annotated[Path, PathKind()]
type OptionalPath = Annotated[Path | None, PathKind(empty=True)]
type Command = Annotated[tuple[str, ...], CommandKind()]
type Mode = Annotated[int, ModeKind()]
type NonEmptyText = Annotated[str, Text()]
type OptionalText = Annotated[str, Text(empty=True)]
type UserName = Annotated[str, USER_NAME]
type UserList = Annotated[tuple[str, ...], ListOf(USER_NAME)]
type TextList = Annotated[tuple[str, ...], ListOf(Text())]
