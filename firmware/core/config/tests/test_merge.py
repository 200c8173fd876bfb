"""Merging trees and moving older forms."""

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from firmware.core.config.legacy import moved, nested, value_as_key, without
from firmware.core.config.merge import merge, merge_all, provenance
from firmware.core.config.tree import Node, Position, from_plain

NAMES = st.sampled_from("abcd")
SCALARS = st.one_of(st.integers(), st.text(max_size=3), st.booleans())
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
SECTIONS = st.dictionaries(NAMES, VALUES, max_size=4)


def tree(value: object, file: str = "f", line: int | None = 1) -> Node:
    return from_plain(value, Position(file, line))


def merged(*values: object) -> object:
    return merge_all([tree(value, f"{n}.yaml") for n, value in enumerate(values)], Position("all")).plain()


def test_sections_merge_key_by_key_and_everything_else_is_replaced() -> None:
    low = {"a": {"x": 1, "y": {"p": 1, "q": 1}, "l": [1, 2, 3]}, "b": 1}
    high = {"a": {"y": {"q": 2}, "l": [9]}, "c": 3}
    assert merged(low, high) == {"a": {"x": 1, "y": {"p": 1, "q": 2}, "l": [9]}, "b": 1, "c": 3}


def test_a_value_and_a_section_replace_each_other() -> None:
    assert merged({"a": {"x": 1}}, {"a": 5}) == {"a": 5}
    assert merged({"a": 5}, {"a": {"x": 1}}) == {"a": {"x": 1}}


def test_null_replaces_a_value_but_an_emptied_section_says_nothing() -> None:
    assert merged({"a": 5}, {"a": None}) == {"a": None}
    assert merged({"a": {"x": 1}}, {"a": None}) == {"a": {"x": 1}}


def test_the_last_file_is_the_source() -> None:
    whole = merge(tree({"a": {"x": 1, "y": 1}}, "low"), tree({"a": {"y": 2}, "b": [1]}, "high"))
    assert {path: str(position) for path, position in provenance(whole).items()} == {
        "a/x": "low:1",
        "a/y": "high:1",
        "b": "high:1",
    }


@hypothesis_settings(deadline=None)  # a busy machine
@given(SECTIONS, SECTIONS)
def test_the_stronger_wins_the_weaker_fills_and_neither_changes(weak: object, strong: object) -> None:
    low, high = tree(weak, "low"), tree(strong, "high")
    whole = merge(low, high)
    assert (low.plain(), high.plain()) == (weak, strong)
    for path, node in high.leaves():
        found = whole.find(path)
        assert found is not None
        assert found.plain() == node.plain()
    for path, node in whole.leaves():
        expected = high.find(path) or low.find(path)
        assert expected is not None
        assert (node.plain(), node.position) == (expected.plain(), expected.position)


@hypothesis_settings(deadline=None)  # a busy machine
@given(SECTIONS)
def test_merging_with_itself_or_nothing_changes_nothing(a: object) -> None:
    assert merged(a, a) == merged(a) == merged(a, {}) == merged({}, a) == a


def test_the_nearest_position_is_found() -> None:
    inner = Node({"x": Node(1, Position("f", 3))}, Position("f", 2))
    whole = Node({"a": inner}, Position("f", 1))
    assert [whole.position_of(path).line for path in ("a/x", "a/y", "b/c", "a/x/z")] == [3, 2, 1, 3]


def test_moving() -> None:
    old = {"s": {"max": 60, "keep": 1}}
    assert moved(tree(old), "s/max", "s/fps/max").plain() == {"s": {"keep": 1, "fps": {"max": 60}}}
    assert moved(tree(old), "s/none", "s/fps/max").plain() == old
    both = {"s": {"max": 60, "fps": {"max": 50, "min": 1}}}
    assert moved(tree(both), "s/max", "s/fps/max").plain() == {"s": {"fps": {"max": 50, "min": 1}}}


def test_a_moved_value_keeps_its_line() -> None:
    whole = moved(Node({"a": Node(1, Position("f", 7))}, Position("f", 1)), "a", "b/c")
    assert str(provenance(whole)["b/c"]) == "f:7"


def test_values_become_keys() -> None:
    scalar, section = {"a": {"fps": 30}}, {"a": {"fps": {"default": 30}}}
    assert value_as_key(tree(scalar), "a/fps", "default").plain() == section
    others: list[object] = [
        section,
        {"a": {"fps": {"max": 1}}},
        {"a": {"fps": None}},
        {"a": {}},
        {"a": 1},
        {},
    ]
    for unchanged in others:
        assert value_as_key(tree(unchanged), "a/fps", "default").plain() == unchanged


def test_without_and_nested() -> None:
    assert without(tree({"a": {"b": 1, "c": 2}}), "a/b").plain() == {"a": {"c": 2}}
    assert without(tree({"a": 1}), "a/b").plain() == {"a": 1}
    assert nested("a/b", tree(1)).plain() == {"a": {"b": 1}}
