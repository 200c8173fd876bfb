"""Converts a tree into typed sections, and sections back into plain values.

It goes section by section and value by value and collects every error instead of stopping at the first. Keys
that nobody knows are warnings. It knows types (`section.Section` says which), never a key of its own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

from firmware.core.config.errors import ConfigurationError, Problem
from firmware.core.config.kinds import Kind, MismatchError, show
from firmware.core.config.schema import (
    MappingPlan,
    Plan,
    SectionPlan,
    UnionPlan,
    ValuePlan,
    key_paths,
    plan_of,
)
from firmware.core.config.section import Section
from firmware.core.config.tree import Node, Position

SECRET_KEYS: Final = frozenset({"passwd", "secret", "token"})
"""Values of these keys never stand in a message or a dump, nor does the password in a URL."""
MASK: Final = "***"
_URL_PASSWORD: Final = re.compile(r"(//[^/@:\s]*:)[^/@\s]+@")

type Relocate = Callable[[Path, bool], tuple[Path, str | None]]
"""Takes a path and whether a file sets it; returns the path to use and perhaps a warning."""


@dataclass(frozen=True, slots=True)
class Converted[S: Section]:
    """A section and what is odd about its source."""

    value: S
    warnings: tuple[Problem, ...]


def convert[S: Section](
    section: type[S],
    tree: Node,
    *,
    relocate: Relocate | None = None,
    foreign: Mapping[str, str] = MappingProxyType({}),
) -> Converted[S]:
    """Return *tree* as *section*.

    *foreign* are keys (paths) that are known to belong to somebody else, with what to say about them instead
    of calling them unknown. Raises ConfigurationError with all errors and warnings.
    """
    converter = _Converter(relocate or _keep, foreign, frozenset(key_paths(section)))
    value = converter.section(plan_of(section), tree, "", None)
    converter.warnings.sort(key=_order)
    if converter.errors:
        raise ConfigurationError(sorted(converter.errors, key=_order), converter.warnings)
    return Converted(cast("S", value), tuple(converter.warnings))


def _keep(path: Path, given: bool) -> tuple[Path, str | None]:
    del given
    return path, None


def _order(problem: Problem) -> tuple[str, int]:
    return problem.position.file, problem.position.line or 0


def _is_given(node: Node | None) -> bool:
    """Whether a file sets the value; what a board gives is a default like any other."""
    return node is not None and node.position.line is not None


class _Bad:
    """Stands for a value that could not be converted; its error is noted."""


_BAD: Final = _Bad()


def _join(path: str, key: str) -> str:
    return f"{path}/{key}" if path else key


@dataclass(slots=True)
class _Converter:
    relocate: Relocate
    foreign: Mapping[str, str]
    known: frozenset[str]
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def section(
        self,
        plan: SectionPlan,
        node: Node,
        path: str,
        default: Section | None,
        chosen_by: UnionPlan | None = None,
    ) -> Section | _Bad:
        """Convert one section; *default* gives the values of keys that are not there."""
        if not isinstance(node.value, dict):
            if node.value is None:
                node = Node({}, node.position)  # an emptied section says nothing
            else:
                return self._wrong(path, "a section", node)
        children = cast("dict[str, Node]", node.value)
        errors_before = len(self.errors)
        values: dict[str, Any] = {}
        for item in plan.fields:
            fallback = getattr(default, item.name) if default is not None else item.default
            child_path = _join(path, item.name)
            values[item.name] = self._field(item.plan, children.get(item.name), node, child_path, fallback)
        self._unknown(children, plan, path, chosen_by)
        if len(self.errors) > errors_before:
            return _BAD
        return plan.type(**values).settle(_SectionNotes(self, node, path))

    def _field(self, plan: Plan, node: Node | None, parent: Node, path: str, default: Any) -> Any:
        if isinstance(plan, ValuePlan):
            return self._value(plan.kind, node, parent, path, default)
        node = node or Node({}, parent.position)
        inherited = None if default is msgspec.NODEFAULT else default
        match plan:
            case SectionPlan():
                return self.section(plan, node, path, inherited)
            case UnionPlan():
                return self._variant(plan, node, path, inherited)
            case MappingPlan():
                return self._mapping(plan, node, path, inherited or {})

    def _value(self, kind: Kind, node: Node | None, parent: Node, path: str, default: Any) -> Any:
        if node is not None:
            try:
                value = kind.parse(node)
            except MismatchError as exc:
                for below, expected, wrong in exc.items:
                    self._wrong(_join(path, below) if below else path, expected, wrong)
                return _BAD
        elif default is msgspec.NODEFAULT:
            return self._missing(kind, parent.position, path)
        else:
            value = default
        if isinstance(value, Path):
            value, remark = self.relocate(value, _is_given(node))
            if remark:
                self._warning((node or parent).position, path, remark)
        return value

    def _variant(self, plan: UnionPlan, node: Node, path: str, default: Section | None) -> Section | _Bad:
        """Convert a section whose sort is chosen by one of its keys; only the default's own sort inherits."""
        if not isinstance(node.value, dict | None):
            return self._wrong(path, "a section", node)
        chosen = node.child(plan.key)
        if chosen is not None:
            try:
                word = plan.kind.parse(chosen)
            except MismatchError as exc:
                return self._wrong(_join(path, plan.key), str(exc), chosen)
        elif default is not None:
            word = getattr(default, plan.key)
        else:
            return self._missing(plan.kind, node.position, _join(path, plan.key))
        inherited = default if default is not None and getattr(default, plan.key) == word else None
        return self.section(plan.variants[word], node, path, inherited, plan)

    def _mapping(self, plan: MappingPlan, node: Node, path: str, default: Mapping[str, Section]) -> Any:
        if not isinstance(node.value, dict | None):
            return self._wrong(path, "a section", node)
        children = node.value or {}
        entries: dict[str, Any] = {}
        for name in dict.fromkeys((*default, *children)):
            child = children.get(name, Node({}, node.position))
            try:
                plan.key_kind.parse(Node(name, child.position, name))
            except MismatchError as exc:
                self._error(child.position, _join(path, name), f"expected {exc}, got {name!r} as the key")
                continue
            if isinstance(plan.entry, UnionPlan):
                entries[name] = self._variant(plan.entry, child, _join(path, name), default.get(name))
            else:
                entries[name] = self.section(plan.entry, child, _join(path, name), default.get(name))
        return MappingProxyType(entries)

    def _unknown(
        self, children: Mapping[str, Node], plan: SectionPlan, path: str, chosen_by: UnionPlan | None
    ) -> None:
        names = [item.name for item in plan.fields]
        for key, node in children.items():
            key_path = _join(path, key)
            if key in names:
                continue
            if key_path in self.foreign:
                self._warning(node.position, key_path, self.foreign[key_path])
            elif chosen_by is not None and chosen_by.knows(key):
                word = chosen_by.word_of(plan)
                self._warning(node.position, key_path, f"not used with {chosen_by.key} {word}, ignored")
            else:
                hint = self._suggestion(key, names, path)
                self._warning(node.position, key_path, f"unknown key, ignored{hint}")

    def _suggestion(self, key: str, names: list[str], path: str) -> str:
        close = difflib.get_close_matches(key, names, n=1)
        if close:
            return f"; did you mean {_join(path, close[0])}?"
        # The right name at the wrong place: only if there is one such place.
        elsewhere = [known for known in self.known if known.rpartition("/")[2] == key]
        return f"; did you mean {elsewhere[0]}?" if len(elsewhere) == 1 else ""

    def _missing(self, kind: Kind, position: Position, path: str) -> _Bad:
        expected = "a value"
        try:
            kind.parse(Node(None, position))
        except MismatchError as exc:
            expected = str(exc)
        self._error(position, path, f"expected {expected}, got nothing; it is required")
        return _BAD

    def _wrong(self, path: str, expected: str, node: Node) -> _Bad:
        secret = path.rpartition("/")[2] in SECRET_KEYS and not isinstance(node.value, dict | list | None)
        shown = MASK if secret else without_password(show(node))
        self._error(node.position, path, f"expected {expected}, got {shown}")
        return _BAD

    def _error(self, position: Position, path: str, message: str) -> None:
        self.errors.append(Problem(position, path, message))

    def _warning(self, position: Position, path: str, message: str) -> None:
        self.warnings.append(Problem(position, path, message))


@dataclass(frozen=True, slots=True)
class _SectionNotes:
    """What a section says while it settles, put at the right key path and position."""

    converter: _Converter
    node: Node
    path: str

    def error(self, key_path: str, message: str) -> None:
        problem = Problem(self.node.position_of(key_path), _join(self.path, key_path), message)
        self.converter.errors.append(problem)

    def warning(self, key_path: str, message: str) -> None:
        problem = Problem(self.node.position_of(key_path), _join(self.path, key_path), message)
        self.converter.warnings.append(problem)

    def given(self, key_path: str) -> bool:
        return _is_given(self.node.find(key_path))


def to_plain(section: Section) -> dict[str, object]:
    """Return a section as dictionaries, lists and scalars at its key paths, ready to be YAML again."""
    return dict(_plain_items(plan_of(type(section)), section))


def _plain_items(plan: SectionPlan, section: Section) -> Iterator[tuple[str, object]]:
    for item in plan.fields:
        value = getattr(section, item.name)
        match item.plan:
            case ValuePlan(kind):
                yield item.name, kind.plain(value)
            case MappingPlan():
                yield item.name, {name: to_plain(entry) for name, entry in value.items()}
            case _:
                yield item.name, to_plain(value)


def masked(value: object, key: str = "") -> object:
    """Return plain values with the secrets in them replaced by `MASK`; empty ones stay visible as empty."""
    if isinstance(value, dict):
        return {name: masked(child, name) for name, child in value.items()}
    if isinstance(value, list):
        return [masked(item, key) for item in value]
    if key in SECRET_KEYS and value not in {"", None}:
        return MASK
    return without_password(value) if isinstance(value, str) else value


def without_password(text: str) -> str:
    """Return *text* with the password of a URL in it replaced by `MASK`."""
    return _URL_PASSWORD.sub(rf"\g<1>{MASK}@", text)
