"""Older forms of the configuration that PiKVM still accepts (config.md 2, 4), rewritten to present ones."""

from __future__ import annotations

from typing import Final

from firmware.core.config.kinds import is_empty
from firmware.core.config.legacy import moved, nested, value_as_key, without
from firmware.core.config.merge import merge
from firmware.core.config.tree import Node

_VALUES_TO_KEYS: Final = (
    ("kvmd/streamer/desired_fps", "default"),
    ("kvmd/streamer/resolution", "default"),
)
_MOVES: Final = (
    ("kvmd/streamer/max_fps", "kvmd/streamer/desired_fps/max"),
    ("kvmd/streamer/available_resolutions", "kvmd/streamer/resolution/available"),
    ("otg/msd", "otg/devices/msd"),
    ("otg/acm", "otg/devices/serial"),
    ("otg/drives", "otg/devices/drives"),
)
_SCHEME: Final = "kvmd/gpio/scheme"
_WOL: Final = "kvmd/wol"
_WOL_NAME: Final = "__wol__"
"""The web console looks for this channel (subsystems.md 6.1)."""


def modernised_file(tree: Node) -> Node:
    """Rewrite one file, before it is merged: what it leaves out then comes from the files below it."""
    for key_path, key in _VALUES_TO_KEYS:
        tree = value_as_key(tree, key_path, key)
    for old, new in _MOVES:
        tree = moved(tree, old, new)
    return _pulse_sections(tree)


def _pulse_sections(tree: Node) -> Node:
    """`pulse: false` of a channel means a delay of 0."""
    scheme = tree.find(_SCHEME)
    for name in scheme.value if scheme and isinstance(scheme.value, dict) else ():
        key_path = f"{_SCHEME}/{name}/pulse"
        pulse = tree.find(key_path)
        if pulse is not None and pulse.value is False:
            delay = nested(f"{key_path}/delay", Node(0.0, pulse.position, pulse.text))
            tree = merge(without(tree, key_path), delay)
    return tree


def modernised_whole(tree: Node) -> Node:
    """Rewrite what takes all files together: `kvmd/wol` becomes the driver and the channel `__wol__`."""
    wol = tree.find(_WOL)
    if wol is None or not isinstance(wol.value, dict):
        return tree if wol is None or wol.value is not None else without(tree, _WOL)
    tree = without(tree, _WOL)
    mac = wol.child("mac")
    if mac is None or is_empty(mac):
        return tree  # it was never in use
    at = wol.position
    driver = Node({"type": Node("wol", at), **wol.value}, at)
    channel = Node(
        {
            "driver": Node(_WOL_NAME, at),
            "pin": Node("0", at),
            "mode": Node("output", at),
            "switch": Node(False, at),
        },
        at,
    )
    made = merge(nested(f"kvmd/gpio/drivers/{_WOL_NAME}", driver), nested(f"{_SCHEME}/{_WOL_NAME}", channel))
    return merge(made, tree)
