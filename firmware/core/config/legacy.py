"""Moves values from where older configurations have them to where they belong now.

Generic moves only; which ones there are is told by `firmware.settings`. What stands at the new place already
wins over what comes from the old one. Nodes keep their positions, so messages name the line that was written.
"""

from __future__ import annotations

from dataclasses import replace

from firmware.core.config.merge import merge
from firmware.core.config.tree import Node


def without(tree: Node, key_path: str) -> Node:
    """Return *tree* without *key_path*."""
    key, _, rest = key_path.partition("/")
    if not isinstance(tree.value, dict) or key not in tree.value:
        return tree
    children = dict(tree.value)
    if rest:
        children[key] = without(children[key], rest)
    else:
        del children[key]
    return replace(tree, value=children)


def nested(key_path: str, node: Node) -> Node:
    """Return the tree that has nothing but *node* at *key_path*."""
    for key in reversed(key_path.split("/")):
        node = Node({key: node}, node.position)
    return node


def moved(tree: Node, old: str, new: str) -> Node:
    """Return *tree* with what stands at *old* moved to *new*, where the values that are there win."""
    node = tree.find(old)
    if node is None:
        return tree
    return merge(nested(new, node), without(tree, old))


def value_as_key(tree: Node, key_path: str, key: str) -> Node:
    """Return *tree* with a value at *key_path* that is no section put below it as *key*.

    `desired_fps: 30` becomes `desired_fps: {default: 30}`; an emptied section is left alone.
    """
    node = tree.find(key_path)
    if node is None or node.value is None or isinstance(node.value, dict):
        return tree
    section = Node({key: node}, node.position)
    return merge(without(tree, key_path), nested(key_path, section))
