"""What the flattened device tree says about the board (Devicetree Specification 0.4, 2.3.1 and 2.3.2).

Only reads, blocking; a machine without a device tree, such as a PC, has an empty one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

DEVICE_TREE: Final = Path("/proc/device-tree")

# Real trees are some ten levels deep; a bound keeps a strange one from holding us up.
_DEEPEST: Final = 16
_NUL: Final = "\0"


class DeviceTree:
    """The tree below *root*."""

    def __init__(self, root: Path = DEVICE_TREE) -> None:
        self._root = root

    def model(self) -> str | None:
        """Return the root node's model, such as "Raspberry Pi 4 Model B Rev 1.4"; None without one."""
        words = _strings(self._root / "model")
        return words[0] if words else None

    def compatible(self) -> frozenset[str]:
        """Return what all enabled nodes are compatible with, such as {"toshiba,tc358743", ...}."""
        found: set[str] = set()
        for directory in _nodes(self._root, _DEEPEST):
            found.update(_strings(directory / "compatible"))
        return frozenset(found)


def _nodes(directory: Path, depth: int) -> Iterator[Path]:
    """Yield the nodes that are not disabled; what is below a disabled one is not there either."""
    status = _strings(directory / "status")
    if status and status[0] not in ("okay", "ok"):
        return
    yield directory
    if depth == 0:
        return
    try:
        with os.scandir(directory) as entries:
            children = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for child in children:
        yield from _nodes(child, depth - 1)


def _strings(path: Path) -> list[str]:
    """Return a <stringlist> property; empty if it is not there."""
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [word for word in text.split(_NUL) if word]
