"""Builds the guest: kernel, initramfs and root image from Debian packages alone, cached by what went in."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from rig import cache, initramfs, modules, rootfs, step
from rig.errors import BuildError, IndexUnreachableError
from rig.mirror import find_mirror
from rig.packages import Index, Resolved
from rig.recipe import TRIXIE, UNPACK_EXCLUDES, Recipe

# A rig of yesterday's packages is as good; a look at the index costs 2 s.
INDEX_AGE_S = 24 * 3600
_UNPACK_DEADLINE_S = 300


_UNPACK_SCRIPT = (
    'dpkg-deb --fsys-tarfile "$1" | tar --extract --directory "$2" --keep-directory-symlink --no-same-owner'
)


@dataclass(frozen=True)
class Guest:
    """A finished build."""

    directory: Path

    @property
    def kernel(self) -> Path:
        """The kernel's image."""
        return self.directory / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        """The first stage."""
        return self.directory / "initramfs.zst"

    @property
    def root(self) -> Path:
        """The root image."""
        return self.directory / "root.erofs"

    @property
    def python(self) -> str:
        """Version of the guest's Python, as `3.13`."""
        version: str = json.loads((self.directory / "manifest.json").read_text())["python"]
        return version


def ensure_guest(recipe: Recipe = TRIXIE, *, refresh: bool = False, directory: Path = cache.CACHE) -> Guest:
    """The guest for the recipe and the packages of today, built if need be.

    A package index that cannot be reached does not stand in the way of a guest that is there.
    """
    kind = f"guest-{recipe.name}"
    key = cache.recipe_key()
    step.check_programs()
    index = Index(directory / f"index-{recipe.name}", recipe, find_mirror())
    stamp = directory / f"index-{recipe.name}" / "resolved.json"
    resolved = _read_resolved(stamp)
    fresh = resolved is not None and time.time() - stamp.stat().st_mtime < INDEX_AGE_S
    found = cache.newest(kind, cache.full_key(key, resolved.words), directory) if resolved else None
    if refresh or not fresh or not found:
        with cache.locked(directory / "index.lock", "the rig's package index"):
            try:
                index.update()
                resolved = index.resolve()
                stamp.write_text(json.dumps(resolved.__dict__))
            except IndexUnreachableError as error:
                older = found or cache.newest(kind, key, directory)
                if older is None:
                    raise
                step.say(f"{error}\nrig: the package index is out of reach: going on with {older.name}")
                return Guest(older)
    assert resolved is not None
    versions = resolved
    final = cache.build_once(
        kind,
        cache.full_key(key, versions.words),
        lambda scratch: _build(recipe, index, versions, scratch),
        directory,
    )
    return Guest(final)


def _read_resolved(path: Path) -> Resolved | None:
    try:
        fields = json.loads(path.read_text())
        return Resolved(fields["kernel_release"], fields["kernel_version"], tuple(fields["packages"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _build(recipe: Recipe, index: Index, resolved: Resolved, target: Path) -> None:
    """Build into *target*, whose `work` goes again."""
    started = time.monotonic()
    watch = step.Stopwatch()
    work = target / "work"
    release = resolved.kernel_release
    step.say(f"building {recipe.name} with Linux {release} ({resolved.kernel_version})")
    rootfs.bootstrap_mode()

    names = [name.format(release=release) for name in recipe.kernel_packages]
    packages = index.download(names, work / "packages")
    watch.lap("downloaded the kernel")
    kernel = work / "kernel"
    _unpack(packages, kernel)
    available = modules.read_index(kernel, release)
    watch.lap("unpacked the kernel")

    root = work / "root"
    rootfs.bootstrap(recipe, index.mirror, root)
    watch.lap("installed the root file system")

    chosen = available.closure([*recipe.modules, *recipe.early_modules])
    installed = modules.install(available, chosen, kernel, release, root)
    early = [installed[name] for name in available.load_order(recipe.early_modules)]
    initramfs.pack(early, work / "initramfs", target / "initramfs.zst")
    images = list(kernel.rglob("vmlinuz*"))
    if len(images) != 1:
        raise BuildError(f"expected one kernel image, got {[str(path) for path in images]}")
    images[0].rename(target / "vmlinuz")
    watch.lap(f"took {len(chosen)} modules")

    rootfs.add_agent(root)
    python = rootfs.guest_python(root)
    if python != recipe.python:
        raise BuildError(f"expected Python {recipe.python} in {recipe.suite}, got {python}")
    rootfs.make_image(root, target / "root.erofs")
    manifest = {"python": python, "kernel": resolved.kernel_version, "packages": resolved.packages}
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1))
    (target / "in-use").touch()
    cache.remove(work)
    watch.lap("packed the root image")
    step.say(f"built in {time.monotonic() - started:.0f} s")


def _unpack(packages: list[Path], target: Path) -> None:
    """Unpack kernel packages; the modules come to lie below lib, where depmod looks."""
    target.mkdir()
    (target / "usr/lib").mkdir(parents=True)
    (target / "lib").symlink_to("usr/lib")
    excludes = " ".join(f"'--exclude={pattern}'" for pattern in UNPACK_EXCLUDES)
    for package in packages:
        step.run(
            [
                *("bash", "-euo", "pipefail", "-c"),
                f"{_UNPACK_SCRIPT} {excludes}",
                *("unpack", package, target),
            ],
            f"unpacking {package.name}",
            _UNPACK_DEADLINE_S,
        )
