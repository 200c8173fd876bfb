"""Debian packages without touching the machine's own apt: a private index, versions, downloads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rig import step
from rig.errors import BuildError, IndexUnreachableError
from rig.recipe import KEYRING, Recipe

# 1.5 to 3 s on a good line; a slow one has five minutes for 30 MB.
_UPDATE_DEADLINE_S = 300
# 175 MB of kernel packages: 1 to 3 s near a mirror, half an hour at 100 kB/s.
_DOWNLOAD_DEADLINE_S = 1800
_QUERY_DEADLINE_S = 60


@dataclass(frozen=True)
class Resolved:
    """The versions that a recipe means today."""

    kernel_release: str
    kernel_version: str
    packages: tuple[str, ...]
    """Each package of the root file system, as name=version."""

    @property
    def words(self) -> tuple[str, ...]:
        """Everything that makes another guest when it changes."""
        return (self.kernel_release, self.kernel_version, *self.packages)


class Index:
    """A private apt directory for one recipe and mirror. The machine's proxies stay in force (apt.conf.d)."""

    def __init__(self, directory: Path, recipe: Recipe, mirror: str) -> None:
        self._directory = directory.resolve()
        self._recipe = recipe
        self.mirror = mirror
        self._environment = {"APT_CONFIG": str(self._directory / "apt.conf")}

    def update(self) -> None:
        """Fetch the index; IndexUnreachableError if that fails."""
        self._write_configuration()
        try:
            step.run(
                ["apt-get", "update", "-q", "--error-on=any"],
                "fetching the package index",
                _UPDATE_DEADLINE_S,
                environment=self._environment,
            )
        except BuildError as error:
            raise IndexUnreachableError(str(error)) from error

    def resolve(self) -> Resolved:
        """The newest versions in the fetched index."""
        recipe = self._recipe
        stanzas = self._show(f"{recipe.kernel_meta}/{recipe.kernel_suite}")
        depends = stanzas[recipe.kernel_meta].get("Depends", "")
        found = re.search(r"\blinux-image-(\S+)", depends)
        if not found:
            raise BuildError(f"expected {recipe.kernel_meta} to depend on a linux-image-*, got {depends!r}")
        shown = self._show(*recipe.packages)
        return Resolved(
            kernel_release=found[1],
            kernel_version=stanzas[recipe.kernel_meta]["Version"],
            packages=tuple(f"{name}={shown[name]['Version']}" for name in recipe.packages),
        )

    def download(self, names: list[str], directory: Path) -> list[Path]:
        """Download packages of the kernel's suite, verified by apt against the signed index; their paths."""
        directory.mkdir(parents=True, exist_ok=True)
        step.run(
            ["apt-get", "download", "-q", *names],
            f"downloading {' '.join(names)}",
            _DOWNLOAD_DEADLINE_S,
            cwd=directory,
            environment=self._environment,
        )
        paths = sorted(directory.glob("*.deb"))
        if len(paths) != len(names):
            raise BuildError(f"expected {len(names)} packages, got {len(paths)} - at {directory}")
        return paths

    def _show(self, *names: str) -> dict[str, dict[str, str]]:
        text = step.run(
            ["apt-cache", "show", "--no-all-versions", *names],
            f"looking up {' '.join(names)}",
            _QUERY_DEADLINE_S,
            environment=self._environment,
        )
        return parse_stanzas(text)

    def _write_configuration(self) -> None:
        top = self._directory
        for name in ("lists/partial", "cache/archives/partial", "dpkg", "etc/preferences.d"):
            (top / name).mkdir(parents=True, exist_ok=True)
        (top / "dpkg/status").touch()
        suites = dict.fromkeys((self._recipe.suite, self._recipe.kernel_suite))
        sources = "".join(f"deb [signed-by={KEYRING}] {self.mirror} {suite} main\n" for suite in suites)
        (top / "etc/sources.list").write_text(sources)
        architecture = self._recipe.architecture.debian
        (top / "apt.conf").write_text(
            f'APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }};\n'
            f'Dir::State "{top}"; Dir::State::lists "{top}/lists"; Dir::State::status "{top}/dpkg/status";\n'
            f'Dir::Cache "{top}/cache";\n'
            f'Dir::Etc::sourcelist "{top}/etc/sources.list"; Dir::Etc::sourceparts "-";\n'
            f'Dir::Etc::preferences "-"; Dir::Etc::preferencesparts "{top}/etc/preferences.d";\n'
            # The private directory may lie where apt's own sandbox user cannot read.
            'APT::Sandbox::User ""; Acquire::Languages "none"; Acquire::Retries "2";\n'
            'Acquire::http::Timeout "30"; Acquire::https::Timeout "30";\n'
            'APT::Update::Pre-Invoke ""; APT::Update::Post-Invoke ""; APT::Update::Post-Invoke-Success "";\n'
        )


def parse_stanzas(text: str) -> dict[str, dict[str, str]]:
    """Stanzas of a control file (deb-control(5)) by package name; the first of each name counts."""
    stanzas: dict[str, dict[str, str]] = {}
    for block in re.split(r"\n\s*\n", text.strip()):
        fields = {}
        for line in block.splitlines():
            if line[:1] not in {" ", "\t", ""} and ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if "Package" in fields:
            stanzas.setdefault(fields["Package"], fields)
    return stanzas
