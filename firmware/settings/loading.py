"""Reads a configuration directory into `Settings`; never writes, and never starts anything.

Lowest first (config.md 1): the board's own defaults, `main.yaml`, `auth.yaml` (below `kvmd/auth`),
`override.d/*` in name order, `override.yaml`. Each may be missing; an empty directory gives the defaults.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from firmware.core.config.convert import convert, to_plain
from firmware.core.config.errors import ConfigurationError, Problem
from firmware.core.config.legacy import nested, without
from firmware.core.config.merge import merge, merge_all, provenance
from firmware.core.config.tree import Node, Position, from_plain
from firmware.core.config.yaml_reader import Budget, files_of, read_file, reason_of
from firmware.settings.legacy import modernised_file, modernised_whole
from firmware.settings.sections import Settings

PIKVM_DIRECTORY: Final = Path("/etc/kvmd")
"""Where PiKVM keeps its configuration; defaults below it mean our configuration directory."""
BOARD: Final = Position("the board's defaults")
NOWHERE: Final = Position("the configuration")

_ELSEWHERE: Final = "belongs to a part of PiKVM that is not here, ignored"
_FOREIGN: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        (
            "ipmi",
            "janus",
            "janus_static",
            "languages",
            "localhid",
            "logging",
            "oled",
            "otgnet",
            "vnc",
            "watchdog",
        ),
        _ELSEWHERE,
    )
)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """What a configuration directory says.

    `directory` is absolute; `warnings` are lines for people; `sources` tells for each key path that somebody
    set where that was; `files` were read, weakest first; `tree` is the merged configuration as written,
    unknown keys included.
    """

    directory: Path
    settings: Settings
    warnings: tuple[str, ...]
    sources: Mapping[str, Position]
    files: tuple[Path, ...]
    tree: Node

    def lookup(self, key_path: str) -> object | None:
        """Return the plain value at *key_path*, such as `vnc/server/port`, or None if there is none.

        Values that this version does not use are found if a file has them (extras name them,
        subsystems.md 12).
        """
        plain: object = to_plain(self.settings)
        for key in key_path.split("/"):
            plain = plain.get(key) if isinstance(plain, dict) else None
        if plain is not None:
            return plain
        node = self.tree.find(key_path)
        return None if node is None else node.plain()


def load(config_dir: Path, *, base: Mapping[str, object] | None = None) -> LoadedSettings:
    """Read *config_dir*; *base* is the board's own configuration, weaker than every file.

    Defaults below `/etc/kvmd`, ours and the board's, mean *config_dir*. A path that a file sets is kept, but
    `/etc/kvmd/X` which does not exist gives way to an existing `X` in *config_dir*, with a warning: that is a
    PiKVM configuration that was copied to another place together with its files.

    Raises ConfigurationError (a SetupError), one line for each error: for unreadable files and bad YAML
    first, and if there are none, for all wrong values. What a section checks between its values (a minimum
    above a maximum, a channel's pin against its driver) is checked once each of them is right by itself.
    """
    root = Path(os.path.normpath(config_dir.absolute()))
    budget = Budget()
    layers = [from_plain(base or {}, BOARD)]
    errors: list[Problem] = []
    paths = _files(root, errors)
    for path in paths:
        try:
            tree = read_file(path, root=root, budget=budget)
        except ConfigurationError as exc:
            errors.extend(exc.errors)
            continue
        if isinstance(tree.value, dict):
            layers.append(_at_its_place(path.relative_to(root), tree))
        else:
            message = "expected a section (key: value) as the whole file, got something else"
            errors.append(Problem(tree.position, "", message))
    if errors:
        raise ConfigurationError(errors)
    tree = modernised_whole(merge_all(map(modernised_file, layers), NOWHERE))
    converted = convert(Settings, tree, relocate=_relocation(root), foreign=_FOREIGN)
    return LoadedSettings(
        directory=root,
        settings=converted.value,
        warnings=tuple(map(str, converted.warnings)),
        sources=MappingProxyType(provenance(tree)),
        files=tuple(budget.files),
        tree=tree,
    )


def _files(root: Path, errors: list[Problem]) -> list[Path]:
    """Return the files to read, weakest first; what is in the way of finding them goes to *errors*."""
    if _is_there(root) and not root.is_dir():
        errors.append(Problem(Position(str(root)), "", "expected a directory, got something else"))
        return []
    fragments: list[Path] = []
    directory = root / "override.d"
    if _is_there(directory):
        try:
            fragments = files_of(directory)
        except OSError as exc:
            errors.append(Problem(Position(directory.name), "", reason_of(exc)))
    candidates = [root / "main.yaml", root / "auth.yaml", *fragments, root / "override.yaml"]
    return [path for path in candidates if _is_there(path)]


def _is_there(path: Path) -> bool:
    """Whether there is something to read; a dangling link and what may not be looked at count as there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # reading it will say what is wrong
    return True


def _at_its_place(name: Path, tree: Node) -> Node:
    if name == Path("auth.yaml"):
        return nested("kvmd/auth", tree)
    override = tree.child("override")
    if name == Path("main.yaml") and override is not None:
        # Older images' main.yaml includes the overrides itself, below this key.
        return merge(without(tree, "override"), override)
    return tree


def _relocation(root: Path) -> Callable[[Path, bool], tuple[Path, str | None]]:
    def relocate(path: Path, given: bool) -> tuple[Path, str | None]:
        if root == PIKVM_DIRECTORY or not path.is_relative_to(PIKVM_DIRECTORY):
            return path, None
        ours = root / path.relative_to(PIKVM_DIRECTORY)
        if not given:
            return ours, None
        if ours.exists() and not path.exists():
            return ours, f"{path} does not exist, using {ours}"
        return path, None

    return relocate
