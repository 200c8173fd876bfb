"""Restores and resets that wait for the next start, and carrying them out before anything is read. It blocks.

A restore is complete on the disk before it is named as pending, and is done file by file from there: cut off
anywhere, it goes on with the next start, and nobody reads a mixture. The same holds for a reset.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from firmware.core.files import observe, replace, sync_directory
from firmware.core.json_documents import read_json
from firmware.subsystems.backup.scope import CONFIG, RESET, RESTORE, STATE, Roots, present

_NEW: Final = ".restore-new.tmp"
_DONE: Final = ".restore-done.tmp"
_DIRECTORY_MODE: Final = 0o700
IMAGES: Final = "images"


class ResetRequest(msgspec.Struct, frozen=True):
    """A factory reset that was asked for; *images* are removed as well."""

    images: bool = False


# -- restoring ----------------------------------------------------------------------------------------------


def stage_restore(state: Path, files: Mapping[str, bytes]) -> None:
    """Have *files* wait for the next start, in the place of what waits already. Raises OSError."""
    cancel_restore(state)
    new = state / _NEW
    _remove(new)
    new.mkdir(mode=_DIRECTORY_MODE)
    for name, data in files.items():
        path = new / name
        path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        replace(path, data)
    _sync_tree(new)
    new.rename(state / RESTORE)
    sync_directory(state)


def cancel_restore(state: Path) -> bool:
    """Forget a restore that waits; return whether there was one. Raises OSError."""
    waiting = state / RESTORE
    if not waiting.exists():
        _forget_retired(state)
        return False
    _retire(waiting, state)
    return True


def is_restore_pending(state: Path) -> bool:
    """Return whether a restore waits for the next start."""
    return (state / RESTORE).is_dir()


def carry_out_restore(roots: Roots) -> bool:
    """Do what waits; return whether there was something. Raises OSError, and then the next start goes on."""
    _remove(roots.state / _NEW)
    _forget_retired(roots.state)
    waiting = roots.state / RESTORE
    if not waiting.is_dir():
        return False
    wanted: set[str] = set()
    for prefix in (CONFIG, STATE):
        for source in sorted((waiting / prefix).rglob("*")):
            if source.is_file():
                relative = source.relative_to(waiting / prefix)
                wanted.add(f"{prefix}/{relative}")
                _put(roots.of(prefix), relative, source.read_bytes())
    for name, path in present(roots).items():
        if name not in wanted:
            path.unlink()
    for prefix in (CONFIG, STATE):
        _sync_tree(roots.of(prefix))
    _retire(waiting, roots.state)
    return True


def _put(root: Path, relative: Path, data: bytes) -> None:
    root.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    for parent in reversed(relative.parents[:-1]):
        folder = root / parent
        if folder.is_symlink() or not folder.is_dir():
            # What stood in the way of a directory was no part of the backup.
            _remove(folder)
            folder.mkdir(mode=_DIRECTORY_MODE)
    target = root / relative
    if target.is_symlink() or target.is_dir():
        _remove(target)
    replace(target, data)


def _retire(waiting: Path, state: Path) -> None:
    """Remove what waited so that it is never seen half removed, and is not there again after a power cut."""
    _forget_retired(state)
    waiting.rename(state / _DONE)
    _forget_retired(state)


def _forget_retired(state: Path) -> None:
    """Remove what has been retired; if it is there, its retirement may not be on the disk yet."""
    done = state / _DONE
    if done.exists():
        sync_directory(state)
        _remove(done)


# -- resetting ----------------------------------------------------------------------------------------------


def request_reset(state: Path, request: ResetRequest) -> None:
    """Have everything forgotten at the next start. Raises OSError."""
    replace(state / RESET, msgspec.json.encode(request))


def cancel_reset(state: Path) -> bool:
    """Forget that; return whether it was asked for. Raises OSError."""
    marker = state / RESET
    if not marker.exists():
        _forget_retired(state)
        return False
    _retire(marker, state)
    return True


def pending_reset(state: Path) -> ResetRequest | None:
    """Return the reset that waits for the next start, None if there is none."""
    data = observe(state / RESET).data
    if data is None:
        return None
    try:
        return read_json(data, ResetRequest)
    except ValueError:
        # It was asked for, and the images are the part that cannot be made again.
        return ResetRequest()


def carry_out_reset(roots: Roots, also: Sequence[Path] = ()) -> ResetRequest | None:
    """Forget everything, if that waits, and what is in the directories *also*; return what was asked for.

    Raises OSError, and then the next start goes on. The request is removed last.
    """
    request = pending_reset(roots.state)
    if request is None:
        _forget_retired(roots.state)
        return None
    for directory in (roots.config, *also):
        _empty(directory, kept=frozenset())
    kept = {RESET, *(() if request.images else (IMAGES,))}
    _empty(roots.state, kept=frozenset(kept))
    cancel_reset(roots.state)
    return request


def _empty(directory: Path, *, kept: frozenset[str]) -> None:
    if not directory.is_dir():
        return
    for entry in directory.iterdir():
        if entry.name not in kept:
            _remove(entry)
    sync_directory(directory)


# -- files --------------------------------------------------------------------------------------------------


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_tree(directory: Path) -> None:
    for folder, _, _ in os.walk(directory):
        sync_directory(Path(folder))
