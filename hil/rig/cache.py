"""Where built things live: `.cache/rig/<kind>-<key>`, made in a temporary directory and renamed when whole.

An interrupted build is never used, two builds never race, and what a running rig uses is never removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import step
from rig.errors import RigError

TREE = Path(__file__).resolve().parents[2]
"""The project."""
CACHE = TREE / ".cache/rig"

# Another build of the same rig on a slow line; see the deadlines of its downloads.
_LOCK_DEADLINE_S = 3600
_LOCK_POLL_S = 0.2
_HERE = Path(__file__).parent

RECIPE_FILES = (
    *(
        "recipe.py",
        "packages.py",
        "modules.py",
        "initramfs.py",
        "rootfs.py",
        "build.py",
        "protocol.py",
        "__init__.py",
    ),
    *("guest/init", "guest/__init__.py", "guest/agent.py", "guest/system.py", "guest/pid1.py"),
)
"""The files whose contents make a guest what it is."""


def recipe_key(directory: Path = _HERE, files: Iterable[str] = RECIPE_FILES) -> str:
    """Hash of the recipe: names and contents of its files."""
    digest = hashlib.sha256()
    for name in files:
        data = (directory / name).read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:12]


def full_key(recipe: str, words: Iterable[str]) -> str:
    """The key of a guest: the recipe's, then that of the versions that it was resolved to."""
    return f"{recipe}-{hashlib.sha256('\0'.join(words).encode()).hexdigest()[:12]}"


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock; RigError if somebody else holds it for an hour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        end = time.monotonic() + _LOCK_DEADLINE_S
        waiting = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise RigError(f"expected {what} to become free within an hour - at {path}") from None
                if not waiting:
                    step.say(f"waiting for another process with {what}")
                    waiting = True
                time.sleep(_LOCK_POLL_S)
        yield


@contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """Keep *directory* from being removed as old."""
    with (directory / "in-use").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def build_once(kind: str, key: str, make: Callable[[Path], None], cache: Path = CACHE) -> Path:
    """The directory of that kind and key, made by *make* if need be; older ones of the kind go."""
    final = cache / f"{kind}-{key}"
    if final.exists():
        return final
    with locked(cache / f"{kind}.lock", f"the build of the rig's {kind}"):
        if final.exists():
            return final
        scratch = cache / f".{kind}-{os.getpid()}"
        # Whoever had this number before was interrupted.
        remove(scratch)
        scratch.mkdir(parents=True)
        try:
            make(scratch)
            scratch.rename(final)
        finally:
            remove(scratch)
        remove_old(kind, final, cache)
    return final


def newest(kind: str, prefix: str, cache: Path = CACHE) -> Path | None:
    """The newest finished directory of that kind whose key begins with *prefix*."""
    found = sorted(cache.glob(f"{kind}-{prefix}*/"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def remove_old(kind: str, keep: Path, cache: Path = CACHE) -> None:
    """Remove finished directories of that kind but *keep*, and what interrupted builds left."""
    for path in [*cache.glob(f"{kind}-*/"), *cache.glob(f".{kind}-*/")]:
        if path == keep:
            continue
        try:
            with (path / "in-use").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(path)
        except BlockingIOError:
            continue


def remove(path: Path) -> None:
    """Remove a directory if it is there."""
    if path.exists():
        shutil.rmtree(path)
