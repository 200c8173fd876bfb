"""Where the images live: the line of /etc/fstab that says so (contract subsystems.md 5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT_OPTION: Final = "X-kvmd.otgmsd-root"
_OPTIONS: Final = frozenset({_ROOT_OPTION, "X-kvmd.otgmsd-user", "X-kvmd.otgmsd-group"})
# fstab(5): space, tab, newline and backslash in a field are octal.
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class StorageLocation:
    """The directory of the images.

    read_only: it rests mounted read-only, and is made writable only while it is written to. own: it is ours
    alone, and is made if it is missing; any other that is missing is a disk that is not there.
    """

    root: Path
    read_only: bool = False
    own: bool = False


def location_in_fstab(fstab: str) -> StorageLocation | None:
    """Return the location that the text of an fstab names, None if it names none."""
    for line in fstab.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[0].startswith("#"):
            continue
        mount_point, options = _unescape(fields[1]), _unescape(fields[3]).split(",")
        values = {name: value for name, _, value in (option.partition("=") for option in options)}
        if _OPTIONS & values.keys():
            root = Path(values.get(_ROOT_OPTION) or mount_point)
            if root.is_absolute():
                return StorageLocation(root, read_only="ro" in values)
    return None


def _unescape(field: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)
