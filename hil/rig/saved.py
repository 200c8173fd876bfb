"""Saved machines: a file for one QEMU version, its arguments and the images, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Each is about 290 MB. More than one is of use to who changes between machines, such as emulated or not.
_KEPT = 2


class SavedState:
    """The state that a plan would restore."""

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self._directory = directory
        self.path = directory / f"state-{fingerprint}"

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self.path.is_file()

    def drop(self) -> None:
        """Never use it again."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """A path to write it to; it counts when the block ends well."""
        scratch = self.path.with_name(f".{self.path.name}-{os.getpid()}")
        try:
            yield scratch
            scratch.rename(self.path)
        finally:
            scratch.unlink(missing_ok=True)
        states = sorted(self._directory.glob("state-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in states[_KEPT:]:
            path.unlink(missing_ok=True)
