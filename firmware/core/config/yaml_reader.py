"""Reads YAML files into trees with positions, including other files where `!include` asks for it.

What differs from plain YAML 1.1 (config.md 1): only true and false are booleans (on, off, yes and no are
text); there are no dates and no base-60 numbers (12:34:56 is text, as in hardware addresses); a key twice in
one mapping is an error. Keys are text as written. Every limit below turns a hostile or broken file into an
error with its place, never into memory or recursion. Only files below the given root are read.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from firmware.core.config.errors import ConfigurationError, Problem
from firmware.core.config.merge import merge
from firmware.core.config.tree import Node, Position

MAX_FILE_BYTES: Final = 256 << 10
"""A configuration is written by people; more is a wrong file."""
MAX_TOTAL_BYTES: Final = 1 << 20
"""All files together, so that includes cannot multiply without end."""
MAX_FILES: Final = 256
"""So that a few files which include each other many times end soon."""
MAX_NODES: Final = 50_000
"""Keys and values of all files together, aliases expanded: stops the "billion laughs"."""
MAX_DEPTH: Final = 32
"""Levels of nesting in a file; the deepest key path of config.md has seven."""
MAX_INCLUDE_DEPTH: Final = 8

_TAG: Final = "tag:yaml.org,2002:"
_INCLUDE: Final = "!include"
_DIGITS_MAX: Final = 64


@dataclass(slots=True)
class Budget:
    """What may still be read; one for a whole configuration."""

    bytes_left: int = MAX_TOTAL_BYTES
    nodes_left: int = MAX_NODES
    files: list[Path] = field(default_factory=list)
    """Every file that was read, in order."""


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return which plain scalars are not text, by their first character, as PyYAML wants it."""
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, pattern, first_characters in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)", "-+0123456789"),
        (
            "float",
            (
                r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
                r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
            ),
            "-+0123456789.",
        ),
        ("null", r"~|null|Null|NULL", "~nN"),
        ("merge", r"<<", "<"),
    ):
        for character in first_characters:
            table.setdefault(character, []).append((_TAG + name, re.compile(rf"(?:{pattern})\Z")))
    table[""] = [(_TAG + "null", re.compile(r"\Z"))]
    return table


class ConfigLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of config.md and a limit of depth; used to compose only."""

    # Our own table: that of SafeLoader is shared by all its users.
    yaml_implicit_resolvers = _resolvers()

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node; PyYAML recurses here, so this is where depth is limited."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # PyYAML has no types here
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_DEPTH} levels of nesting", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def read_file(path: Path, *, root: Path, budget: Budget | None = None) -> Node:
    """Return the tree of *path*; an empty file is an empty section.

    *root* is the directory that includes may not leave, and to which names in messages are relative.
    Raises ConfigurationError with file, line and reason.
    """
    return _Reader(_absolute(root), budget or Budget()).read(_absolute(path), asked_by=None, stack=())


def _absolute(path: Path) -> Path:
    """Return *path* without `..` and without resolving links: what "below the root" is decided by."""
    return Path(os.path.normpath(path.absolute()))


def display_name(path: Path, root: Path) -> str:
    """Return how messages call *path*: relative to *root* if it is below, else in full."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def reason_of(exc: OSError) -> str:
    """Return why a file cannot be read."""
    return f"cannot be read: {exc.strerror or exc}"


@dataclass(slots=True)
class _Reader:
    root: Path
    budget: Budget

    def read(self, path: Path, *, asked_by: Position | None, stack: tuple[Path, ...]) -> Node:
        name = display_name(path, self.root)
        start = Position(name, 1)
        text = self._text(path, asked_by or Position(name))
        loader: ConfigLoader | None = None
        try:
            loader = ConfigLoader(text)
            composed = loader.get_single_node()
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            _fail(Position(name, mark.line + 1 if mark else 1), "invalid YAML: " + _one_line(exc.problem))
        except yaml.reader.ReaderError as exc:
            line = text.count("\n", 0, exc.position) + 1
            shown = f"U+{_code(exc.character):04X}"
            _fail(Position(name, line), f"invalid YAML: expected a printable character, got {shown}")
        except ValueError as exc:
            # PyYAML lets numbers beyond Unicode and beyond Python's limits through to chr() and int().
            _fail(start, f"invalid YAML somewhere in this file: {_one_line(str(exc))}")
        finally:
            if loader is not None:
                loader.dispose()
        self.budget.files.append(path)
        if composed is None:
            return Node({}, start)
        return _Builder(self, path, name, (*stack, path.resolve())).build(composed, start)

    def _text(self, path: Path, blame: Position) -> str:
        """Return the content; errors before there is a line name *blame*: the file, or who includes it."""
        name = display_name(path, self.root)
        where = "" if blame.line is None else f"{name} "
        try:
            if path.is_fifo():
                _fail(blame, f"{where}expected a regular file, got a pipe")
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as exc:
            _fail(blame, where + reason_of(exc))
        if len(data) > MAX_FILE_BYTES:
            _fail(blame, f"{where}expected at most {MAX_FILE_BYTES} bytes of YAML, got more")
        if len(self.budget.files) >= MAX_FILES:
            _fail(blame, f"{where}expected at most {MAX_FILES} files in all, got more")
        self.budget.bytes_left -= len(data)
        if self.budget.bytes_left < 0:
            _fail(blame, f"{where}expected at most {MAX_TOTAL_BYTES} bytes in all files together, got more")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = data.count(b"\n", 0, exc.start) + 1
            _fail(Position(name, line), f"expected UTF-8 text, got the byte 0x{data[exc.start]:02x}")


def _code(character: str | bytes | int) -> int:
    return ord(character) if isinstance(character, str | bytes) else character


def _one_line(problem: str | None) -> str:
    return " ".join((problem or "cannot be parsed").split())


def _fail(position: Position, message: str) -> NoReturn:
    raise ConfigurationError([Problem(position, "", message)])


@dataclass(slots=True)
class _Builder:
    """Turns the composed nodes of one file into our tree."""

    reader: _Reader
    path: Path
    name: str
    stack: tuple[Path, ...]
    # Ids of the collections that are being built: an alias to one of them would never end.
    _open: set[int] = field(default_factory=set)

    def build(self, source: yaml.Node, position: Position) -> Node:
        budget = self.reader.budget
        budget.nodes_left -= 1
        if budget.nodes_left < 0:
            _fail(position, f"expected at most {MAX_NODES} values in all (aliases expanded), got more")
        if source.tag == _INCLUDE:
            return self._include(source, position)
        if isinstance(source, yaml.ScalarNode):
            return self._scalar(source, position)
        plain_tag = "map" if isinstance(source, yaml.MappingNode) else "seq"
        if source.tag != _TAG + plain_tag:
            _fail(position, f"expected no YAML tag but !include here, got {_tag_name(source.tag)}")
        if id(source) in self._open:
            _fail(position, "expected a value, got an alias of something that contains it")
        if len(self._open) >= MAX_DEPTH:
            _fail(position, f"expected at most {MAX_DEPTH} levels of nesting (aliases expanded), got more")
        self._open.add(id(source))
        try:
            if isinstance(source, yaml.MappingNode):
                return Node(self._mapping(source), position)
            return Node([self.build(item, self._at(item)) for item in source.value], position)
        finally:
            self._open.discard(id(source))

    def _at(self, source: yaml.Node) -> Position:
        mark = source.start_mark
        return Position(self.name, mark.line + 1 if mark else 1)

    def _mapping(self, source: yaml.MappingNode) -> dict[str, Node]:
        own: dict[str, Node] = {}
        inherited: dict[str, Node] = {}
        for key_source, value_source in source.value:
            position = self._at(key_source)
            if not isinstance(key_source, yaml.ScalarNode) or key_source.tag == _INCLUDE:
                _fail(position, "expected a key that is text, got something else")
            key = self._text(key_source.value, position)
            if key_source.tag == _TAG + "merge":
                # YAML's merge key: what is written here wins, then the first of the merged.
                for merged in self._merged(value_source, position):
                    inherited = {**merged, **inherited}
                continue
            if key in own:
                first = own[key].position.line
                _fail(position, f"expected each key once, got {key!r} again (first in line {first})")
            own[key] = self.build(value_source, position)
        return {**inherited, **own}

    def _merged(self, source: yaml.Node, position: Position) -> list[dict[str, Node]]:
        node = self.build(source, position)
        parts = node.value if isinstance(node.value, list) else [node]
        mappings = [part.value for part in parts if isinstance(part.value, dict)]
        if len(mappings) != len(parts):
            _fail(position, "expected a section or a list of sections to merge with <<, got something else")
        return mappings

    def _scalar(self, source: yaml.ScalarNode, position: Position) -> Node:
        text = self._text(source.value, position)
        kind = source.tag.removeprefix(_TAG)
        try:
            match kind:
                case "str" | "merge":
                    return Node(text, position, text)
                case "null":
                    return Node(None, position, text)
                case "bool":
                    return Node({"true": True, "false": False}[text.lower()], position, text)
                case "int":
                    return Node(_integer(text), position, text)
                case "float":
                    return Node(_number(text), position, text)
        except (ValueError, KeyError, OverflowError):
            _fail(position, f"expected a value of the YAML type {kind}, got {text[:60]!r}")
        _fail(position, f"expected no YAML tag but !include here, got {_tag_name(source.tag)}")

    def _text(self, text: str, position: Position) -> str:
        # A lone half of a UTF-16 pair ("\\ud800") can be neither printed nor part of a file name.
        if any("\ud800" <= character <= "\udfff" for character in text):
            _fail(position, "expected Unicode text, got half of a surrogate pair")
        return text

    def _include(self, source: yaml.Node, position: Position) -> Node:
        if len(self.stack) > MAX_INCLUDE_DEPTH:
            _fail(position, f"expected at most {MAX_INCLUDE_DEPTH} levels of !include, got more")
        if isinstance(source, yaml.ScalarNode):
            names = [source.value]
        elif isinstance(source, yaml.SequenceNode):
            names = [item.value for item in source.value if isinstance(item, yaml.ScalarNode)]
            if len(names) != len(source.value):
                _fail(position, "!include: expected a list of file names, got something else in it")
        else:
            _fail(position, "!include: expected a file, a directory or a list of them, got a section")
        paths = [path for name in names if name for path in self._files(name, position)]
        trees = [self.reader.read(path, asked_by=position, stack=self.stack) for path in paths]
        if len(trees) == 1:
            # The key stands here, whatever the file's first line is.
            return Node(trees[0].value, position, trees[0].text)
        result = Node({}, position)
        for tree in trees:
            if not isinstance(tree.value, dict):
                _fail(tree.position, "expected a section, as it is included together with others")
            result = merge(result, tree)
        return result

    def _files(self, name: str, position: Position) -> list[Path]:
        """Return the files that *name* means, in order: itself, or the files of a directory."""
        if "\0" in name:
            _fail(position, "!include: expected a file name, got a NUL character in it")
        path = _absolute(self.path.parent / name)
        # By name, not by link target: links that the owner of the directory put there are welcome.
        if not path.is_relative_to(self.reader.root):
            _fail(position, f"!include: expected a file below {self.reader.root}, got {name!r}")
        try:
            paths = files_of(path) if path.is_dir() else [path]
            looped = [child for child in paths if child.resolve() in self.stack]
        except (OSError, RuntimeError) as exc:
            _fail(position, f"!include: {display_name(path, self.reader.root)} cannot be read: {exc}")
        if looped:
            shown = display_name(looped[0], self.reader.root)
            _fail(position, f"!include: expected no circle of files, got {shown} including itself")
        return paths


def files_of(directory: Path) -> list[Path]:
    """Return the regular files and links in *directory* in name order. Raises OSError."""
    return sorted((path for path in directory.iterdir() if path.is_symlink() or path.is_file()), key=str)


def _tag_name(tag: str) -> str:
    return tag.replace(_TAG, "!!")[:60]


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    if len(digits) > _DIGITS_MAX:
        raise ValueError("too long")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith("0x"):
        return sign * int(digits, 16)
    if digits.startswith("0b"):
        return sign * int(digits, 2)
    if digits.startswith("0"):
        return sign * int(digits.replace("0o", "", 1), 8)
    return sign * int(digits)


def _number(text: str) -> float:
    lowered = text.replace("_", "").lower()
    return float(lowered.replace(".inf", "inf").replace(".nan", "nan"))
