"""Whose the files on the data partition are: the appliance's user, or root alone. Blocking.

A card of a version that ran as root has everything of root's. Each start goes through all of it, so that one
that was cut off is finished by the next; the appliance does not run yet. No link is followed, and none
changes its owner: root follows those of its own (`firmware.core.files.replace`).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from firmware.prepare.places import Owner


def hand_over(directory: Path, owner: Owner) -> int:
    """Give *directory* and all that is in it to *owner*; return how many changed hands. Raises OSError."""
    changed = 0
    for _, folders, files, descriptor in os.fwalk(directory):
        for name in (".", *files, *(one for one in folders if not _is_link(one, descriptor))):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode) or (status.st_uid, status.st_gid) == owner:
                continue
            os.chown(name, *owner, dir_fd=descriptor, follow_symlinks=False)
            changed += 1
        os.fsync(descriptor)
    return changed


def adopt(old: Path, new: Path) -> bool:
    """Move root's file *old* out of the directory of the appliance's user to *new*; return whether it did.

    What that user could have put there is not taken. Raises OSError.
    """
    try:
        status = old.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        return False
    old.rename(new)
    return True


def _is_link(name: str, descriptor: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
