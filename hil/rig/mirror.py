"""Where Debian comes from: the mirror in the machine's own apt sources, or the environment's.

Reads both formats of apt's sources (sources.list(5)). It never writes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rig.errors import RigError

ENVIRONMENT = "FARHAND_RIG_MIRROR"
"""Overrides the mirror, as a URL up to and without `/dists`."""

_APT = Path("/etc/apt")


def find_mirror(environment: dict[str, str] | None = None, apt: Path = _APT) -> str:
    """The mirror's URL, without a slash at its end. RigError if this machine knows none."""
    chosen = (os.environ if environment is None else environment).get(ENVIRONMENT, "")
    if chosen:
        return chosen.rstrip("/")
    paths = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for path in paths:
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        text = path.read_text("utf-8", "replace")
        entries = parse_deb822(text) if path.suffix == ".sources" else parse_one_line(text)
        for url in debian_archives(entries):
            return url
    raise RigError(
        f"no mirror of Debian in {apt}: name one, as a URL up to and without /dists, in {ENVIRONMENT}"
    )


def debian_archives(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Of (URL, suite) pairs, the URLs of Debian's main archive: they end in /debian and are no -security."""
    for url, suite in entries:
        bare = url.rstrip("/")
        if bare.endswith("/debian") and "/" not in suite and not suite.endswith("-security"):
            yield bare


def parse_one_line(text: str) -> list[tuple[str, str]]:
    """(URL, suite) of each enabled `deb [options] URL suite components` line."""
    entries = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words or words[0] != "deb":
            continue
        rest = words[1:]
        if rest and rest[0].startswith("["):
            while rest and not rest[0].endswith("]"):
                rest = rest[1:]
            rest = rest[1:]
        if len(rest) >= 2:
            entries.append((rest[0], rest[1]))
    return entries


def parse_deb822(text: str) -> list[tuple[str, str]]:
    """(URL, suite) of each enabled stanza's combinations that offers binary packages."""
    entries: list[tuple[str, str]] = []
    for stanza in _stanzas(text):
        if stanza.get("enabled", "yes").lower() in {"no", "false", "0"}:
            continue
        if "deb" not in stanza.get("types", "").split():
            continue
        entries += [
            (url, suite)
            for url in stanza.get("uris", "").split()
            for suite in stanza.get("suites", "").split()
        ]
    return entries


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if name:
                fields[name] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
