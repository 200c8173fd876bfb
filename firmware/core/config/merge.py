"""Merging trees: sections merge key by key, everything else (lists included) is replaced (config.md 1).

A merged tree keeps, for every value, the position of the file that set it last.
"""

from __future__ import annotations

from collections.abc import Iterable

from firmware.core.config.tree import Node, Position


def merge(base: Node, over: Node) -> Node:
    """Return *base* with what *over* sets. Neither is changed.

    An emptied section (a key with nothing behind it) leaves what is below alone: it says nothing.
    """
    if isinstance(base.value, dict):
        if over.value is None:
            return base
        if isinstance(over.value, dict):
            merged = dict(base.value)
            for key, node in over.value.items():
                merged[key] = merge(merged[key], node) if key in merged else node
            return Node(merged, over.position)
    return over


def merge_all(trees: Iterable[Node], position: Position) -> Node:
    """Merge *trees*, the strongest last; nothing gives an empty section at *position*."""
    result = Node({}, position)
    for tree in trees:
        result = merge(result, tree)
    return result


def provenance(tree: Node) -> dict[str, Position]:
    """Return where each value comes from, by key path; lists count as one value."""
    return {key_path: node.position for key_path, node in tree.leaves()}
