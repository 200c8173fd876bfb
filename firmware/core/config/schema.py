"""Reads the annotations of sections once and says how each field is converted.

A type that no rule covers is a bug of whoever wrote the section and raises TypeError at once, with its name.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeAliasType, Union, get_args, get_origin, get_type_hints

import msgspec

from firmware.core.config.kinds import BOOLEAN, Choice, Kind, Text, integer, number
from firmware.core.config.section import Keys, Section


@dataclass(frozen=True, slots=True)
class ValuePlan:
    """A value of a kind."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class SectionPlan:
    """A section with its fields."""

    type: type[Section]
    fields: tuple[FieldPlan, ...]


@dataclass(frozen=True, slots=True)
class UnionPlan:
    """One of several sections; the value of `key` chooses."""

    key: str
    kind: Choice
    variants: Mapping[str, SectionPlan]

    def knows(self, key: str) -> bool:
        """Whether any of the sections has *key*."""
        return any(item.name == key for plan in self.variants.values() for item in plan.fields)

    def word_of(self, plan: SectionPlan) -> str:
        """Return the word that chooses *plan*, which is one of the variants."""
        return next(word for word, variant in self.variants.items() if variant is plan)


@dataclass(frozen=True, slots=True)
class MappingPlan:
    """Named sections or unions."""

    key_kind: Kind
    entry: SectionPlan | UnionPlan


type Plan = ValuePlan | SectionPlan | UnionPlan | MappingPlan


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """A key of a section; `default` is msgspec.NODEFAULT if it is required."""

    name: str
    plan: Plan
    default: Any


_PLAIN_KINDS: Final[Mapping[type, Kind]] = types.MappingProxyType(
    {bool: BOOLEAN, int: integer(), float: number(), str: Text(empty=True)}
)


@cache
def plan_of(section: type[Section]) -> SectionPlan:
    """Return how *section* is converted. Raises TypeError for a field that no rule covers."""
    hints = get_type_hints(section, include_extras=True)
    fields = tuple(
        FieldPlan(item.name, _plan(hints[item.name], f"{section.__name__}.{item.name}"), item.default)
        for item in msgspec.structs.fields(section)
    )
    return SectionPlan(section, fields)


def key_paths(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Yield every key path that can be known without names that users choose, sections included."""
    for item in plan_of(section).fields:
        path = f"{prefix}/{item.name}" if prefix else item.name
        yield path
        if isinstance(item.plan, SectionPlan):
            yield from key_paths(item.plan.type, path)
        elif isinstance(item.plan, UnionPlan):
            for variant in item.plan.variants.values():
                yield from key_paths(variant.type, path)


def _plan(hint: Any, where: str) -> Plan:
    hint = _unaliased(hint)
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        for mark in marks:
            if isinstance(mark, Kind):
                return ValuePlan(mark)
            if isinstance(mark, Keys):
                return MappingPlan(mark.kind, _entry(get_args(_unaliased(inner))[1], where))
        hint = _unaliased(inner)
    if get_origin(hint) is Literal:
        return ValuePlan(Choice(get_args(hint)))
    if hint in _PLAIN_KINDS:
        return ValuePlan(_PLAIN_KINDS[hint])
    return _entry(hint, where)


def _entry(hint: Any, where: str) -> SectionPlan | UnionPlan:
    hint = _unaliased(hint)
    if isinstance(hint, type) and issubclass(hint, Section):
        return plan_of(hint)
    if get_origin(hint) in {Union, types.UnionType}:
        return _union([plan_of(member) for member in _members(hint, where)], where)
    raise TypeError(f"expected a type that section.Section names, got {hint} - at {where}")


def _members(hint: Any, where: str) -> Iterator[type[Section]]:
    for member in map(_unaliased, get_args(hint)):
        if get_origin(member) in {Union, types.UnionType}:
            yield from _members(member, where)
        elif isinstance(member, type) and issubclass(member, Section):
            yield member
        else:
            raise TypeError(f"expected a union of sections, got {member} in it - at {where}")


def _union(plans: list[SectionPlan], where: str) -> UnionPlan:
    """Find the key whose single allowed word tells the sections apart."""
    words: list[dict[str, str]] = []
    for plan in plans:
        single: dict[str, str] = {}
        for item in plan.fields:
            kind = item.plan.kind if isinstance(item.plan, ValuePlan) else None
            if isinstance(kind, Choice) and len(kind.words) == 1:
                single[item.name] = kind.words[0]
        words.append(single)
    for key in words[0]:
        variants = {single[key]: plan for single, plan in zip(words, plans, strict=True) if key in single}
        if len(variants) == len(plans):
            return UnionPlan(key, Choice(tuple(variants)), types.MappingProxyType(variants))
    raise TypeError(f"expected a union whose sections differ in one Literal key, got none - at {where}")


def _unaliased(hint: Any) -> Any:
    while isinstance(hint, TypeAliasType):
        hint = hint.__value__
    return hint
