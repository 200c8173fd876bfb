"""Directories that last as long as one guest, and the removal of those whose owner was killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_PREFIX = "farhand-rig-"


def make_scratch(top: Path | None = None) -> tempfile.TemporaryDirectory[str]:
    """A fresh directory with a short path, since a socket's has at most 107 bytes."""
    place = top or Path(tempfile.gettempdir())
    _sweep(place)
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=place)


def _sweep(top: Path) -> None:
    """Remove what processes left that could not tidy up. Their QEMU ended with them."""
    for path in top.glob(f"{_PREFIX}*-*"):
        found = re.fullmatch(rf"{_PREFIX}(\d+)-\w+", path.name)
        try:
            if found and not Path("/proc", found[1]).exists() and path.stat().st_uid == os.getuid():
                shutil.rmtree(path)
        except FileNotFoundError:
            # Another one sweeps as well.
            continue
