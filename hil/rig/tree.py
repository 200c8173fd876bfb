"""The project's tree as a disk for the guest: what git would keep, and what was built, compiled and packed.

It is made anew for each run, from a copy below `.cache/rig` that only takes what changed. The tree itself is
never written to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from rig import bytecode, cache, rootfs, step
from rig.errors import BuildError
from rig.guest.system import TREE

IMAGE_BYTES = 64 << 20
"""A fixed size, so that a machine that was saved with one tree can be restored with another. (Sparse.)"""

BUILT = ("drivers/**/*.so", "api/console/dist/**/*", "*.egg-info/*")
"""What git ignores and the appliance needs: its extension, its console's assets, its metadata."""

_LIST_DEADLINE_S = 60


def make_tree_image(
    image: Path, python: str, project: Path = cache.TREE, directory: Path = cache.CACHE
) -> None:
    """Write the image of the *project* as it is now; compiled, if this Python's bytecode is the guest's."""
    compiled = bytecode.same_python(python)
    copy = directory / f"tree-{'compiled' if compiled else 'sources'}"
    with cache.locked(directory / "tree.lock", "the copy of the project's tree"):
        copy.mkdir(parents=True, exist_ok=True)
        synchronise(project, list_files(project), copy, compiled=compiled)
        rootfs.make_image(copy, image, IMAGE_BYTES)


def list_files(project: Path) -> list[str]:
    """Paths of the project's files: tracked, or new and not ignored, or built."""
    listed = subprocess.run(
        ["git", "-C", str(project), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        timeout=_LIST_DEADLINE_S,
        env=step.host_environment({"GIT_OPTIONAL_LOCKS": "0"}),
        check=False,
    )
    if listed.returncode:
        message = listed.stderr.decode("utf-8", "replace").strip()
        raise BuildError(f"expected a git work tree, got {message!r} - at {project}")
    names = set(listed.stdout.decode("utf-8", "surrogateescape").split("\0")) - {""}
    for pattern in BUILT:
        names.update(str(path.relative_to(project)) for path in project.glob(pattern) if path.is_file())
    # What was deleted and not yet committed is still listed.
    return sorted(name for name in names if (project / name).is_file())


def synchronise(project: Path, names: Iterable[str], copy: Path, *, compiled: bool) -> None:
    """Make *copy* hold exactly *names* as they are in *project*, and their bytecode if *compiled*."""
    wanted: set[Path] = set()
    for name in names:
        source, target = project / name, copy / name
        wanted.add(target)
        compiles = compiled and target.suffix == ".py"
        rewritten = bytecode.is_test(target.name)
        if compiles:
            wanted.add(bytecode.bytecode_path(target, rewritten=rewritten))
        if _same(source, target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # The time is copied last, so that an interrupted copy differs.
        shutil.copyfile(source, target)
        if compiles:
            bytecode.compile_source(target, f"{TREE}/{name}", rewritten=rewritten)
        shutil.copystat(source, target)
    _remove_others(copy, wanted)


def _same(source: Path, target: Path) -> bool:
    if not target.is_file():
        return False
    ours, theirs = target.stat(), source.stat()
    return (ours.st_size, ours.st_mtime_ns, ours.st_mode) == (
        theirs.st_size,
        theirs.st_mtime_ns,
        theirs.st_mode,
    )


def _remove_others(copy: Path, wanted: set[Path]) -> None:
    for top, directories, files in os.walk(copy, topdown=False):
        here = Path(top)
        for name in files:
            if here / name not in wanted:
                (here / name).unlink()
        for name in directories:
            if not any((here / name).iterdir()):
                (here / name).rmdir()
