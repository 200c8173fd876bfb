"""Writes the bill of materials of a root file system: Debian packages, Python distributions; CycloneDX."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import uuid
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Final
from urllib.parse import quote

NAMESPACE: Final = uuid.UUID("46415248-0000-4000-8000-000000000003")
type Component = dict[str, str]


def debian(name: str, version: str, architecture: str) -> Component:
    """Return a Debian package as a component."""
    purl = f"pkg:deb/debian/{name}@{quote(version, safe='.-~')}?arch={architecture}&distro=trixie"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def installed_packages(status: str) -> Iterator[Component]:
    """Yield the packages of dpkg's status file."""
    for stanza in status.split("\n\n"):
        fields = HeaderParser().parsestr(stanza)
        if fields["Status"] == "install ok installed":
            yield debian(fields["Package"], fields["Version"], fields["Architecture"])


def unpacked_packages(directory: Path) -> Iterator[Component]:
    """Yield the packages that were unpacked without dpkg's knowledge."""
    for path in sorted(directory.glob("*.deb")):
        words = subprocess.run(
            ["dpkg-deb", "--show", "--showformat=${Package} ${Version} ${Architecture}", path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        yield debian(*words)


def distributions(site: Path) -> Iterator[Component]:
    """Yield the Python distributions below *site*."""
    for path in sorted(site.glob("*.dist-info/METADATA")):
        fields = HeaderParser().parsestr(path.read_text("utf-8"))
        name, version = fields["Name"], fields["Version"]
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def bill(board: str, version: str, time_s: int, components: list[Component]) -> dict[str, object]:
    """Return the document; its serial number depends on the contents alone."""
    ordered = sorted(
        {component["purl"]: component for component in components}.values(), key=lambda one: one["purl"]
    )
    contents = "\n".join(component["purl"] for component in ordered)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{board} {version}\n{contents}')}",
        "version": 1,
        "metadata": {
            "timestamp": dt.datetime.fromtimestamp(time_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "firmware", "name": f"farhand-{board}", "version": version},
        },
        "components": ordered,
    }


def main() -> None:
    """Write the bill of materials that the command line asks for."""
    parser = argparse.ArgumentParser(description="Write the bill of materials of a root file system.")
    for name in ("root", "site", "packages", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--board", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--time", type=int, required=True, help="seconds since 1970")
    options = parser.parse_args()
    components = [
        *installed_packages((options.root / "var/lib/dpkg/status").read_text("utf-8")),
        *unpacked_packages(options.packages),
        *distributions(options.site),
    ]
    document = bill(options.board, options.version, options.time, components)
    options.output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
