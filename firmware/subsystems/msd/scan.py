"""One look at the whole storage: which images and which file systems there are (contract subsystems.md 5.1).

Blocking, so that it belongs into a thread. Never follows a symbolic link, never changes anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from firmware.state.msd import ImageState, PartState
from firmware.subsystems.msd.digest import digest_file_of, kept_digest

RESERVED_NAME: Final = "lost+found"
"""fsck's folder."""


def marker_of(file_name: str) -> str:
    """Return the name of the file that marks *file_name*, beside it, as incomplete."""
    return f".__{file_name}.incomplete"


@dataclass(slots=True)
class Scan:
    """What was found; keys are paths below the root."""

    images: dict[str, ImageState] = field(default_factory=dict)
    parts: dict[str, PartState] = field(default_factory=dict)


def scan(root: Path, *, entered: Callable[[Path], None] = lambda _: None) -> Scan:
    """Look at everything below *root*.

    *entered* is called for each directory before it is read, so that whoever watches misses nothing. What
    cannot be read is left out, unless it is the root: then OSError is raised.
    """
    found = Scan()
    entered(root)
    root_device = root.stat().st_dev
    found.parts[""] = part_state(root, is_root=True)
    # Directory, its path below the root, its device, and whether it is on the root's file system.
    todo = [(root, "", root_device, True)]
    while todo:
        directory, below, device, on_root = todo.pop()
        try:
            with os.scandir(directory) as entries:
                listed = {entry.name: entry for entry in entries}
        except OSError:
            if directory is root:
                raise
            continue
        removable = on_root or os.access(directory, os.W_OK)
        for name, entry in listed.items():
            # What is not UTF-8 cannot be told to anybody, since JSON is.
            if name.startswith(".") or name == RESERVED_NAME or not _is_utf8(name):
                continue
            path = Path(entry.path)
            try:
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    if status.st_dev != device:
                        found.parts[below + name] = part_state(path, is_root=False)
                    entered(path)
                    todo.append(
                        (path, f"{below}{name}/", status.st_dev, on_root and status.st_dev == root_device)
                    )
                elif entry.is_file(follow_symlinks=False):
                    complete = marker_of(name) not in listed
                    has_digest = complete and digest_file_of(name) in listed
                    found.images[below + name] = ImageState(
                        complete=complete,
                        removable=removable,
                        writable=not is_read_only_kind(name) and (on_root or os.access(path, os.W_OK)),
                        size=status.st_size,
                        mod_ts=status.st_mtime,
                        sha256=kept_digest(directory, name, status) if has_digest else None,
                    )
            except OSError:
                continue
    return found


def part_state(directory: Path, *, is_root: bool) -> PartState:
    """Return what there is room for on the file system of *directory*. Blocking; raises OSError."""
    facts = os.statvfs(directory)
    return PartState(
        size=facts.f_blocks * facts.f_frsize,
        free=facts.f_bavail * facts.f_frsize,
        # The root is made writable when it has to be.
        writable=is_root or os.access(directory, os.W_OK),
    )


def is_read_only_kind(name: str) -> bool:
    """Whether images of that name are never written to."""
    return name.lower().endswith(".iso")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
