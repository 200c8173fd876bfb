"""The configuration as it was read: values that still know in which file and line they stand.

A tree is made of `Node`s only. It knows nothing of what the values mean; it never reads a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

type Scalar = str | int | float | bool | None
type Value = Scalar | dict[str, Node] | list[Node]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a value comes from: a file name for people and a line counted from 1 (None: no file)."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Node:
    """One value with its position, which is that of its key.

    `text` is a scalar exactly as it was written (None if it did not come from a file): a user name, a
    password or a revision such as `1.00` is text, whatever YAML makes of it.
    """

    value: Value
    position: Position
    text: str | None = None

    def child(self, key: str) -> Node | None:
        """Return what stands at *key*, or None if there is no such key or this is no section."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def find(self, key_path: str) -> Node | None:
        """Return what stands at *key_path* (keys joined by `/`), or None."""
        node: Node | None = self
        for key in key_path.split("/") if key_path else ():
            if node is None:
                return None
            node = node.child(key)
        return node

    def position_of(self, key_path: str) -> Position:
        """Return the position of *key_path*, or of the nearest section around it that exists."""
        node = self
        for key in key_path.split("/"):
            child = node.child(key)
            if child is None:
                break
            node = child
        return node.position

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """Yield the key path and node of everything below that is not a section with keys."""
        if isinstance(self.value, dict):
            for key, child in self.value.items():
                yield from child.leaves(f"{prefix}/{key}" if prefix else key)
        else:
            yield prefix, self

    def plain(self) -> object:
        """Return the value without positions: dictionaries, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


def from_plain(value: object, position: Position) -> Node:
    """Make a tree of plain mappings, sequences and scalars, such as a board's own defaults.

    Raises TypeError for anything else: that is a bug of the caller, not of a user.
    """
    if isinstance(value, Mapping):
        return Node({str(key): from_plain(child, position) for key, child in value.items()}, position)
    if isinstance(value, list | tuple):
        return Node([from_plain(child, position) for child in value], position)
    if value is None or isinstance(value, str | int | float):
        return Node(value, position)
    raise TypeError(f"expected a mapping, a sequence or a scalar, got {type(value).__name__} - at {position}")
