"""Which kernel modules there are, of the running kernel: loaded, built in, loadable, or not at all."""

from __future__ import annotations

import enum
import os
from pathlib import Path


class ModulePresence(enum.StrEnum):
    """Where a module is."""

    LOADED = "loaded"
    BUILT_IN = "built in"
    LOADABLE = "loadable"
    MISSING = "missing"


def module_presence(name: str, *, root: Path = Path("/")) -> ModulePresence:
    """Say where module *name* is; *root* is where /sys and /lib/modules are. Blocking, reads files only."""
    name = name.replace("-", "_")
    libraries = root / "lib/modules" / os.uname().release
    # A built-in one may have a directory below /sys/module too, but no file `initstate` in it.
    if (root / "sys/module" / name / "initstate").exists():
        return ModulePresence.LOADED
    if _listed(libraries / "modules.builtin", name):
        return ModulePresence.BUILT_IN
    if _listed(libraries / "modules.dep", name):
        return ModulePresence.LOADABLE
    return ModulePresence.MISSING


def _listed(index: Path, name: str) -> bool:
    try:
        text = index.read_text()
    except OSError:
        return False
    paths = (line.partition(":")[0] for line in text.splitlines())
    return any(path.rpartition("/")[2].partition(".ko")[0].replace("-", "_") == name for path in paths)
