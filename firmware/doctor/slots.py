"""Looks at what became of versions that were installed: was one given up, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from firmware.doctor.findings import Finding, note
from firmware.slots import setback

VERSION_FILE: Final = Path("/usr/lib/farhand/version")


def look_at_slots(file: Path = setback.FILE, version_file: Path = VERSION_FILE) -> Iterator[Finding]:
    """Yield what there is to say; nothing on a machine that is no card image's."""
    found = setback.load(file)
    if found is None:
        return
    running = version_file.read_text().strip() if version_file.exists() else ""
    yield note(
        "update",
        f"{setback.tell(found, running)} (noticed {found.noticed})",
        "/data/log/journal.txt has the log of that start; install a newer version",
    )
