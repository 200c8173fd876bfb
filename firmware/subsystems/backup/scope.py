"""Which files belong to the configuration and to the settings in the state, and reading them. It blocks.

In the state everything counts but what is listed here, so that what is added later is not forgotten.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from firmware.core.files import MAX_FILE_BYTES
from firmware.core.lock import LOCK_NAME
from firmware.subsystems.backup.errors import BackupTooLargeError

CONFIG: Final = "config"
STATE: Final = "state"
RESTORE: Final = "restore"
RESET: Final = "factory-reset"
NOT_OF_THE_STATE: Final = frozenset({LOCK_NAME, "images", "audit", "update", "slots", RESTORE, RESET})
"""Images, which are large; the trail, which must not be put back; and what belongs to the moment."""
MAX_BYTES: Final = 12 << 20
MAX_FILES: Final = 4096
_TEMPORARY: Final = re.compile(r"\..*\.tmp")


@dataclass(frozen=True, slots=True)
class Roots:
    """The two directories; *images* is where the images are, which may lie within the state."""

    config: Path
    state: Path
    images: Path | None = None

    def of(self, name: str) -> Path:
        """Return the directory that a path of a backup, such as `config/override.yaml`, lies in."""
        return {CONFIG: self.config, STATE: self.state}[name]


@dataclass(frozen=True, slots=True)
class Contents:
    """Files by their paths, `config/...` and `state/...`, and what was left out and why."""

    files: Mapping[str, bytes] = field(repr=False)
    left_out: tuple[str, ...] = ()


def read_all(roots: Roots) -> Contents:
    """Read everything that a backup has. Raises BackupTooLargeError, OSError."""
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    total = 0
    for name, path in _walk(roots):
        reason = _why_not(path)
        if reason is not None:
            left_out.append(f"{name}: {reason}")
            continue
        data = path.read_bytes()
        total += len(data)
        if total > MAX_BYTES or len(files) >= MAX_FILES:
            raise BackupTooLargeError(
                f"expected at most {MAX_BYTES} bytes in {MAX_FILES} files of configuration, got more"
                f" - at {path.parent}"
            )
        files[name] = data
    return Contents(files, tuple(left_out))


def present(roots: Roots) -> dict[str, Path]:
    """Return the files that are there now and belong to a backup, by their paths in one. Raises OSError."""
    return {name: path for name, path in _walk(roots) if _why_not(path) is None}


def _why_not(path: Path) -> str | None:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return "a link; what it leads to is not in the backup"
    if not stat.S_ISREG(status.st_mode):
        return "no regular file"
    return f"larger than {MAX_FILE_BYTES} bytes" if status.st_size > MAX_FILE_BYTES else None


def _walk(roots: Roots) -> Iterator[tuple[str, Path]]:
    """Yield everything but directories, in the order of the names."""
    for prefix in (CONFIG, STATE):
        root = roots.of(prefix)
        skipped = {root / name for name in NOT_OF_THE_STATE} if prefix == STATE else set()
        if roots.images is not None:
            skipped.add(roots.images)
        for directory, folders, names in os.walk(root):
            here = Path(directory)
            links = [name for name in folders if (here / name).is_symlink()]
            folders[:] = sorted(
                name
                for name in folders
                if name not in links
                and here / name not in skipped
                and not _TEMPORARY.fullmatch(name)
                and not _is_other_root(here / name, root, roots)
            )
            for name in sorted([*names, *links]):
                if here / name not in skipped and not _TEMPORARY.fullmatch(name):
                    yield f"{prefix}/{(here / name).relative_to(root)}", here / name


def _is_other_root(path: Path, root: Path, roots: Roots) -> bool:
    """Return whether *path* is the other directory, lying within this one."""
    return any(path == other for other in (roots.config, roots.state) if other != root)
