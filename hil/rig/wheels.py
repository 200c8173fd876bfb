"""Python packages for the guest: a part of the project's lock, for the guest's Python, as an image.

What is taken: all that the appliance needs, and what the tests that run inside import. Versions and hashes
are the lock's; nothing is resolved anew. They are compiled here, since the guest is slow at it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rig import bytecode, cache, rootfs, step
from rig.errors import BuildError
from rig.guest.system import SITE
from rig.recipe import Recipe

TEST_PACKAGES = (
    "pytest",
    "pytest-trio",
    "pytest-timeout",
    "hypothesis",
    "coverage",
    "httpx",
    "trio-websocket",
    "trustme",
)
"""What tests import, on top of what the appliance needs."""

# 40 MB of wheels; a minute on a slow line, more behind a slow index.
_INSTALL_DEADLINE_S = 900
_LOCK_ENTRY = re.compile(r"^([A-Za-z0-9_.\-]+)==(\S+)((?:[^\\\n]*\\?\n?)(?:^\s+--hash=.*\n?)*)", re.MULTILINE)


def guest_markers(recipe: Recipe) -> dict[str, str]:
    """The environment that markers are judged by (PEP 508)."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{recipe.python}.0",
        "os_name": "posix",
        "platform_machine": recipe.architecture.host_machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{recipe.python}.0",
        "python_version": recipe.python,
        "sys_platform": "linux",
    }


def parse_lock(text: str) -> dict[str, str]:
    """Each entry of a hash lock by canonical name, as pip reads it."""
    return {canonicalize_name(found[1]): found[0].rstrip() + "\n" for found in _LOCK_ENTRY.finditer(text)}


def closure(
    names: Iterable[str],
    requirements_of: Callable[[str], list[str] | None],
    markers: Mapping[str, str],
) -> list[str]:
    """The packages and all that they require under *markers*, by canonical name, sorted."""
    todo = [Requirement(name) for name in names]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for line in requirements_of(name) or []:
            needed = Requirement(line)
            choices = [{**markers, "extra": extra} for extra in ("", *extras)]
            if needed.marker is None or any(needed.marker.evaluate(choice) for choice in choices):
                todo.append(needed)
    return sorted({name for name, _ in seen})


def select(lock: str, recipe: Recipe, project: Path = cache.TREE) -> str:
    """The part of the development lock that the guest gets."""
    entries = parse_lock(lock)
    wanted = [*_declared(project / "requirements/runtime.in"), *TEST_PACKAGES]
    names = closure(wanted, _installed_requirements, guest_markers(recipe))
    unlocked = [name for name in names if name not in entries]
    if unlocked:
        raise BuildError(f"expected {', '.join(unlocked)} in requirements/dev.txt: run `just lock`")
    return "".join(entries[name] for name in names)


def ensure_site(recipe: Recipe, directory: Path = cache.CACHE) -> Path:
    """The image with the packages, built if need be."""
    chosen = select((cache.TREE / "requirements/dev.txt").read_text(), recipe)
    words = [
        chosen,
        recipe.name,
        recipe.python,
        sys.version.split()[0],
        Path(__file__).read_text(),
        Path(bytecode.__file__).read_text(),
    ]
    key = hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
    final = cache.build_once(
        f"site-{recipe.name}", key, lambda scratch: _install(recipe, chosen, scratch), directory
    )
    return final / "site.erofs"


def _install(recipe: Recipe, chosen: str, target: Path) -> None:
    watch = step.Stopwatch()
    (target / "lock.txt").write_text(chosen)
    site = target / "site"
    platforms = [word for name in recipe.architecture.wheel_platforms for word in ("--platform", name)]
    step.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--target", site, "--no-compile", "--no-deps", "--only-binary=:all:", "--require-hashes"),
            *(*platforms, "--implementation", "cp", "--python-version", recipe.python),
            *("--requirement", target / "lock.txt"),
        ],
        "fetching the guest's Python packages",
        _INSTALL_DEADLINE_S,
    )  # fmt: skip
    watch.lap("fetched the guest's Python packages")
    for tests in site.rglob("tests"):
        # numpy's own tests are a third of all that would be compiled.
        if tests.is_dir() and "numpy" in tests.parts:
            cache.remove(tests)
    if bytecode.same_python(recipe.python):
        bytecode.compile_packages(site, SITE)
    else:
        step.say(
            f"this Python is not {recipe.python}: the guest compiles its packages at every start, slowly"
        )
    rootfs.make_image(site, target / "site.erofs")
    cache.remove(site)
    (target / "in-use").touch()
    watch.lap("packed them")


def _declared(path: Path) -> list[str]:
    return [
        line.strip()
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith(("#", "-"))
    ]


def _installed_requirements(name: str) -> list[str] | None:
    try:
        return importlib.metadata.requires(name)
    except importlib.metadata.PackageNotFoundError:
        raise BuildError(
            f"expected {name} to be installed here: run it by ./justw, or install requirements/dev.txt"
        ) from None
